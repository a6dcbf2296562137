"""Corpora of tales of any size: files of at most ``shard_size`` bytes, and a manifest that vouches for them.

DIR/tales-00000.txt …   documents, a blank line after each
DIR/manifest.json       what was asked for; of each file its bytes, sha256 and surprise; written last
DIR/unfinished.json     the same, while there are files to come

Every file has a random generator of its own, so an interrupted corpus goes on with the next file and
ends in the same bytes.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from llamalite.tales.floor import n_bytes
from llamalite.tales.plot import Weighted
from llamalite.tales.telling import END, Tale, Tales
from llamalite.tales.world import World
from llamalite.text.corpus import MANIFEST, UNFINISHED
from llamalite.text.files import fingerprint, write_whole

SAMPLE = 500  # tales told to learn how long those of a language are, and whether they are the same as ever
LEAST, MOST = 10_000, 10**9  # bytes of a file: room for any tale, and made in memory


class Spec(NamedTuple):
    """All that decides the bytes of a corpus. Sizes are in bytes; ``mix`` holds shares of the bytes."""

    size: int
    mix: dict[str, float]
    seed: int = 0
    shard_size: int = 16_000_000
    n_heroes: int = 4096
    exponent: float = 2.0


class Written(NamedTuple):
    """A corpus, and how many of its files had to be made for it."""

    manifest: dict[str, Any]
    n_new: int


def parse_mix(written: str, languages: list[str]) -> dict[str, float]:
    """Shares that sum to one, whichever was named first.

    >>> parse_mix("ko=1, en=3", ["en", "ko"])
    {'en': 0.75, 'ko': 0.25}
    """
    shares: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        name, _, number = (cell.strip() for cell in part.partition("="))
        check_language(name, languages)
        if name in shares:
            raise ValueError(f"--mix names {name} twice; give it one share")
        try:
            shares[name] = float(number)
        except ValueError:
            raise ValueError(f"--mix: {part!r} has no share; write it like {name}=0.5") from None
        if not 0 < shares[name] < float("inf"):
            raise ValueError(
                f"--mix: the share of {name} is {number}; give a number above 0, or leave it out"
            )
    if not shares:
        raise ValueError("--mix is empty; write it like en=.8,ko=.2")
    total = math.fsum(shares.values())
    return {name: shares[name] / total for name in sorted(shares)}


def check_language(name: str, languages: list[str]) -> None:
    if name not in languages:
        spelt_out = [code for code in languages if name.lower().startswith(code)]  # english, korean
        near = [*difflib.get_close_matches(name, languages, n=1), *spelt_out]
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        raise ValueError(f"--mix: tales are not told in {name!r}; {hint} {', '.join(languages)}")


def check_sizes(spec: Spec) -> None:
    if spec.size < LEAST:
        raise ValueError(f"--size is {spec.size} bytes, hardly room for a tale; ask for at least 10KB")
    if not LEAST <= spec.shard_size <= MOST:
        raise ValueError(
            f"--shard-size is {spec.shard_size} bytes; a file holds some tales and is made in memory: "
            "take 10KB to 1GB"
        )


# --- documents -------------------------------------------------------------------------------------


def documents(told: Mapping[str, Tales], mix: Mapping[str, float], rng: Random) -> Iterator[Tale]:
    """Tales without end, each in a language of its own; ``mix`` holds the shares of the bytes.

    The logprob of each is that of language and tale together: what the next document is. A language
    is drawn in proportion to its share over the length of its tales. (Always taking the one that has
    fallen behind would keep the shares exactly, but then the next language could be predicted, and
    the floor of the mixture would no longer be known.)
    """
    if missing := sorted(set(mix) - set(told)):
        raise ValueError(f"the mix has {missing[0]!r}; give Tales in it too, there are {', '.join(told)}")
    return stream(told, language_choice(mix, {name: sample(told[name]) for name in mix}), rng)


def sample(tales: Tales) -> list[str]:
    rng = Random(0)
    return [tales.tell(rng).text for _ in range(SAMPLE)]


def language_choice(mix: Mapping[str, float], samples: Mapping[str, Sequence[str]]) -> Weighted:
    """How the language of a document is drawn.

    The mean length of 500 tales is half a percent off, more or less, and so are the shares. The logprob
    is not: it is the logarithm of the very weights that are drawn with.
    """
    names = sorted(mix)  # a mix is the same mix in any order
    return Weighted(names, [mix[name] / statistics.fmean(map(n_bytes, samples[name])) for name in names])


def stream(told: Mapping[str, Tales], language: Weighted, rng: Random) -> Iterator[Tale]:
    while True:
        name, log = language.draw(rng, {})
        tale = told[str(name)].tell(rng)
        yield replace(tale, logprob=tale.logprob + log)


# --- files -----------------------------------------------------------------------------------------


def write_corpus(folder: Path, spec: Spec, advance: Callable[[int], Any] = lambda n: None) -> Written:
    """Make the corpus, or what is missing of it. ``advance`` hears of bytes done, ``spec.size`` in all."""
    check_sizes(spec)
    world = World(spec.n_heroes, spec.exponent, seed=0)
    told = {name: Tales(name, world) for name in spec.mix}  # refuses what is impossible before a file is made
    samples = {name: sample(tales) for name, tales in told.items()}
    language = language_choice(spec.mix, samples)
    known = {name: sha256("".join(texts).encode()) for name, texts in samples.items()}
    record = begin(folder, {"spec": spec._asdict(), "samples": known, "shards": []})

    def tales(number: int) -> Iterator[Tale]:
        return stream(told, language, Random(f"{spec.seed} {number}"))

    n_new = write_shards(folder, record, tales, spec, advance)
    if not (folder / MANIFEST).is_file():
        record["total"] = total(record["shards"])
        write_whole(folder / MANIFEST, as_json(record))
    (folder / UNFINISHED).unlink(missing_ok=True)
    return Written(record, n_new)


def write_shards(
    folder: Path,
    record: dict[str, Any],
    tales: Callable[[int], Iterator[Tale]],
    spec: Spec,
    advance: Callable[[int], Any],
) -> int:
    """Make the files that ``record`` does not know or the folder does not have; return how many.

    No file depends on another but the last, which makes up for what the others left free at their ends:
    the whole is short of its size by less than one tale.
    """
    shards, left, n_new = record["shards"], spec.size, 0
    for number in count():
        size = min(spec.shard_size, left)
        if number < len(shards) and intact(folder, shards[number]):
            advance(shards[number]["bytes"])
        else:
            content, facts = make_shard(tales(number), size, advance)
            if not content:
                break
            keep(folder, record, number, content, facts)
            n_new += 1
        is_last = size == left
        left -= shards[number]["bytes"]
        if is_last:
            break
    advance(left)
    return n_new


def make_shard(
    tales: Iterator[Tale], size: int, advance: Callable[[int], Any]
) -> tuple[bytes, dict[str, Any]]:
    """Whole tales until one does not fit into ``size`` bytes, and what is worth knowing of them."""
    parts: list[bytes] = []
    n_tales: Counter[str] = Counter()
    byte_counts: Counter[str] = Counter()
    nats, left, reported = 0.0, size, size
    for tale in tales:
        part = (tale.text + END).encode()
        if len(part) > left:
            break
        parts.append(part)
        left -= len(part)
        nats -= tale.logprob
        n_tales[tale.language] += 1
        byte_counts[tale.language] += len(part)
        if reported - left > 100_000:  # a bar need not move for every tale
            advance(reported - left)
            reported = left
    advance(reported - left)
    facts = {"n_tales": by_name(n_tales), "bytes_by_language": by_name(byte_counts), "nats": nats}
    return b"".join(parts), facts


def keep(folder: Path, record: dict[str, Any], number: int, content: bytes, facts: dict[str, Any]) -> None:
    """Write a file, then that it is there; one that was there before must become what it was."""
    shards = record["shards"]
    made = {"name": f"tales-{number:05d}.txt", **fingerprint(content), **facts}
    if number < len(shards) and shards[number] != made:
        raise ValueError(
            f"{folder / made['name']} is lost, and would be made with other tales now; choose another --out"
        )
    write_whole(folder / made["name"], content)
    if number == len(shards):
        shards.append(made)
        write_whole(folder / UNFINISHED, as_json(record))


def begin(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The record of the corpus in ``folder``, or this one where there is none; strangers are left alone."""
    for name in (MANIFEST, UNFINISHED):
        if (folder / name).is_file():
            return same(folder / name, record)
    partial = folder / f"{UNFINISHED}.partial"  # all that is left if the disk was full from the start
    if folder.exists() and (not folder.is_dir() or any(path != partial for path in folder.iterdir())):
        raise FileExistsError(f"{folder} is in use for something else; choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{folder} cannot be made: {error.strerror}; choose another --out") from error
    write_whole(folder / UNFINISHED, as_json(record))
    return record


def same(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """The record in ``path``, if it is of this very corpus."""
    folder, wanted = path.parent, json.loads(as_json(wanted))
    try:
        record = json.loads(path.read_bytes())
        spec, samples = dict(record["spec"]), dict(record["samples"])
        _ = [(shard["name"], shard["bytes"], shard["sha256"]) for shard in record["shards"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} tells nothing of tales; choose another --out") from error
    for name, value in wanted["spec"].items():
        if spec.get(name) != value:
            flag = {"n_heroes": "heroes"}.get(name, name.replace("_", "-"))
            raise FileExistsError(
                f"{folder} holds a corpus with another --{flag} ({spec.get(name)}, not {value}); "
                "give the same settings to continue it, or choose another --out"
            )
    for name, value in wanted["samples"].items():
        if samples.get(name) != value:
            raise FileExistsError(
                f"{folder} was begun when tales in {name!r} were told in other words; choose another --out"
            )
    return record


def intact(folder: Path, shard: dict[str, Any]) -> bool:
    path = folder / shard["name"]
    return path.is_file() and fingerprint(path.read_bytes()) == {k: shard[k] for k in ("bytes", "sha256")}


def total(shards: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums over all files; ``nats`` is the surprise of the whole to somebody who knows everything."""
    counted = ("n_tales", "bytes_by_language")
    counts = {key: by_name(sum((Counter(shard[key]) for shard in shards), Counter())) for key in counted}
    size, nats = sum(shard["bytes"] for shard in shards), math.fsum(shard["nats"] for shard in shards)
    return {"bytes": size, **counts, "nats": nats}


def by_name(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def as_json(values: Any) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
