"""``llamalite data``: a corpus of tales, as large as you like, whose floor is known; and a crawl, cleaned."""

from __future__ import annotations

import math
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from llamalite.commands.fetch import parse_size
from llamalite.commands.info import readable
from llamalite.train.interruption import Interrupted, RunFailed


@dataclass(frozen=True)
class TellTales:
    """Tell tales into files to train on: any size, any mix of languages, and the same bytes every time.

    The world behind them is one and the same, and so is the exact probability of every tale, which the
    manifest adds up. Ctrl-C keeps the files that are finished; the same command goes on from there, and
    makes again what was lost or damaged.

    For example:
      llamalite data tales --size 10MB --out corpus
      llamalite data tales --size 100MB --mix en=.8,ko=.05,code=.1,maths=.05 --out corpus
    """

    out: Path
    """Folder of the corpus, made here: tales-00000.txt, …, and manifest.json at the end."""
    size: str = "10MB"
    """How much: 500KB, 100MB, 2GB, short of it by less than a tale; a megabyte is a million bytes."""
    mix: str = "en=1"
    """Languages and their shares of the bytes: en, ko, es, de, code (Python) and maths (sums)."""
    seed: int = 0
    """Which tales; the world they are about stays the same."""
    shard_size: str = "16MB"
    """Size of one file, at most: 10KB to 1GB. Files are what is kept when making them is interrupted."""
    heroes: int = 4096
    """How many heroes the world has."""
    exponent: float = 2.0
    """Of Zipf's law: the hero of rank r is told of in proportion to r to the minus this."""


@dataclass(frozen=True)
class CleanCrawl:
    """Clean documents: heuristic rules, languages, unsafe and personal data, leaks, copies, common lines.

    IN is a file or folder of .jsonl (a "text" a line, and if known the language that the page is
    "claimed" to be in) or .txt (a blank line between documents), of any size. What stays can be trained
    on; removed.jsonl says of everything else why it went, funnel.json counts. Ctrl-C keeps what is
    finished; the same command goes on.

    For example:
      llamalite data clean crawl.jsonl --out clean
      llamalite data clean crawl --out clean --processes 8 --languages en ko --held-out tales-en-validation
      llamalite data clean crawl --out clean --rules none --near 0 --common 0 --unsafe-words rude.txt
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IN")]
    """A file or a folder of .jsonl and .txt."""
    out: Path
    """Folder of the result, made here: clean-00000.txt, …, removed.jsonl, funnel.json, manifest.json."""
    rules: tuple[str, ...] = ("all",)
    """Which heuristic rules to ask: all (the usual ones), none, or names such as "too short" "symbols"."""
    languages: tuple[str, ...] = ()
    """Keep these only, and pages that are in the language they claim: en, ko, es, de, code, maths, as the
    tales that ship teach them, or NAME=FILE with a text of yours in it. None: languages do not matter."""
    unsafe_words: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A word a line; documents with more than --max-unsafe of them go."""
    max_unsafe: int = 0
    """How many of the unsafe words a document may hold."""
    personal: Literal["redact", "keep", "drop"] = "redact"
    """What to do about e-mail addresses, telephone numbers and streets: put [e-mail] in their place, keep
    them, or drop the document."""
    held_out: tuple[str, ...] = ()
    """Texts to be tested on later (files, or names such as tales-en-validation): documents that share most
    of their runs of 13 words with one go."""
    good: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Documents that are worth reading, to teach a classifier of quality; goes with --bad."""
    bad: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Documents that are not."""
    near: float = 0.6
    """Estimated Jaccard similarity from which two documents are one; 0: only exact copies are."""
    common: int = 6
    """Lines that stand in more documents of a bucket are taken out; 0: none are."""
    bucket: int = 250_000
    """Documents among which copies and common lines are looked for, at about a kilobyte of memory each."""
    part: int = 2000
    """Documents that are done, and kept, at once."""
    processes: int = 1
    """How many processes look at single documents."""


Action = (
    Annotated[TellTales, tyro.conf.subcommand("tales")] | Annotated[CleanCrawl, tyro.conf.subcommand("clean")]
)


@dataclass(frozen=True)
class Data:
    """Make data to train on: tales, whose floor is known, or a crawl of yours, cleaned.

    For example:
      llamalite data tales --size 10MB --out corpus
      llamalite data clean crawl.jsonl --out clean
    """

    action: Annotated[Action, tyro.conf.arg(name="")]


def run(args: Data) -> None:
    {TellTales: tell, CleanCrawl: clean}[type(args.action)](args.action)


# --- tales -------------------------------------------------------------------------------------------


def tell(args: TellTales) -> None:
    from tqdm import tqdm

    from llamalite.tales.language import language_names
    from llamalite.tales.shards import Spec, parse_mix, write_corpus

    mix = parse_mix(args.mix, language_names())
    size, shard_size = as_bytes("--size", args.size), as_bytes("--shard-size", args.shard_size)
    spec = Spec(size, mix, args.seed, shard_size, args.heroes, args.exponent)
    try:
        with tqdm(total=spec.size, unit="B", unit_scale=True, disable=None, desc="telling") as bar:
            done = write_corpus(args.out, spec, bar.update)
    except KeyboardInterrupt:
        raise Interrupted(
            signal.SIGINT, f"stopped; {args.out} keeps what is finished, and the same command goes on"
        ) from None
    print(summary(args.out, done.manifest, done.n_new))


def as_bytes(flag: str, written: str) -> int:
    """
    >>> as_bytes("--size", "1.5MB")
    1500000
    """
    try:
        size = parse_size(written)
    except ValueError:
        size = None
    if size is None:  # "all", too: there is no end of tales
        raise ValueError(f"{flag} {written} is no size; write it like 500KB, 100MB or 2GB")
    return size


def summary(folder: Path, manifest: dict, n_new: int) -> str:
    """What there is, how much of it is new, and what to do next."""
    n_files, whole = len(manifest["shards"]), manifest["total"]
    n_tales, bits = sum(whole["n_tales"].values()), whole["nats"] / math.log(2) / whole["bytes"]
    files = f"{n_files} file{'s' * (n_files != 1)}"
    kept = "" if n_new == n_files else ", all there already" if n_new == 0 else f", {n_new} of them made now"
    return (
        f"{folder}: {n_tales:,} tales, {readable(whole['bytes'], 'B')} in {files}{kept}; "
        f"whoever knew everything would predict them with {bits:.4f} bits per byte\n"
        f"next: llamalite train --data {shlex.quote(str(folder))} --documents --seq-len 256 --batch-size 4 "
        "--out runs/tales"
    )


# --- a crawl -----------------------------------------------------------------------------------------


def clean(args: CleanCrawl) -> None:
    from concurrent.futures.process import BrokenProcessPool

    from tqdm import tqdm

    from llamalite.text.data.funnel import picture
    from llamalite.text.data.pipeline import Plan, clean
    from llamalite.text.data.records import find_files, read_records

    check_numbers(args)
    files = find_files(args.source)
    filters = build_screen(args)
    asked = {name: value for name, value in vars(args).items() if name not in ("out", "processes")}
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
    asked["source"] = [[path.name, path.stat().st_size] for path in files]
    plan = Plan(args.near or None, args.common, args.part, args.bucket)
    try:
        with tqdm(unit=" documents", unit_scale=True, disable=None, desc="cleaning") as bar:
            found = clean(read_records(files), args.out, filters, plan, asked, args.processes, bar.update)
    except KeyboardInterrupt:
        raise Interrupted(
            signal.SIGINT, f"stopped; {args.out} keeps what is finished, and the same command goes on"
        ) from None
    except BrokenProcessPool:
        raise RunFailed("a process was killed, perhaps for lack of memory; give fewer --processes") from None
    print(picture(found))
    words = f"{found.n_out:,} of {found.n_in:,} documents stay, {readable(found.size_out, 'characters')}"
    print(f"{args.out}: {words}; why the others went: {args.out / 'removed.jsonl'}")
    if found.n_out:
        print(f"next: llamalite train --data {shlex.quote(str(args.out))} --documents --out runs/clean")


def check_numbers(args: CleanCrawl) -> None:
    for flag, least in (("max_unsafe", 0), ("common", 0), ("part", 1), ("bucket", 1), ("processes", 1)):
        if getattr(args, flag) < least:
            name = flag.replace("_", "-")
            raise ValueError(f"--{name} is {getattr(args, flag)}; it must be at least {least}")
    if not 0 <= args.near <= 1:
        raise ValueError(f"--near is {args.near}; it is a similarity between 0 and 1, such as 0.6")
    if (args.good is None) != (args.bad is None):
        raise ValueError("--good and --bad go together: a classifier learns from both")


def build_screen(args: CleanCrawl) -> Any:
    """The filters that were asked for, learnt or read."""
    from llamalite.text.corpus import read_text
    from llamalite.text.data.decontamination import held_out_runs
    from llamalite.text.data.rules import ON, RULES
    from llamalite.text.data.screening import Screen
    from llamalite.text.data.unsafe import build_pattern

    if unknown := [name for name in args.rules if name not in (*RULES, "all", "none")]:
        raise ValueError(f"there is no rule {unknown[0]!r}; there are all, none, {', '.join(RULES)}")
    rules = [rule for name in args.rules for rule in {"all": ON, "none": ()}.get(name, (name,))]
    tests = [document for name in args.held_out for document in documents_of(read_text(name))]
    words = read_text(args.unsafe_words).split("\n") if args.unsafe_words else []
    return Screen(
        rules=tuple(dict.fromkeys(rules)),
        languages=taught(args.languages),
        wanted=tuple(name.partition("=")[0] for name in args.languages),
        unsafe=build_pattern(words) if words else None,
        max_unsafe=args.max_unsafe,
        personal=args.personal,
        held_out=held_out_runs(tests) if tests else None,
        quality=taught_quality(args),
    )


def documents_of(text: str) -> list[str]:
    return [part for part in text.split("\n\n") if part.strip()]


def taught(names: tuple[str, ...]) -> Any:
    """All languages of the tales, wanted or not: what is not wanted must be known for what it is."""
    from llamalite.tales.language import language_names
    from llamalite.text.corpus import read_text
    from llamalite.text.data.language_id import learn_languages

    if not names:
        return None
    known = {name: f"tales-{name}" for name in language_names()}
    for written in names:
        name, _, file = written.partition("=")
        if not file and name not in known:
            raise ValueError(f"--languages: {name} is none of {', '.join(known)}; teach it with {name}=FILE")
        known |= {name: file} if file else {}
    return learn_languages({name: documents_of(read_text(text))[:500] for name, text in known.items()})


def taught_quality(args: CleanCrawl) -> Any:
    import numpy as np

    from llamalite.text.data.quality import learn_quality
    from llamalite.text.data.records import find_files, read_records

    if args.good is None or args.bad is None:
        return None
    texts = [
        [record.text for record in read_records(find_files(path)) if record.text]
        for path in (args.good, args.bad)
    ]
    return learn_quality([*texts[0], *texts[1]], np.repeat([True, False], [len(each) for each in texts]))
