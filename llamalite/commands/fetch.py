"""``llamalite fetch``: a well-known text, from where others keep it to a file to train on."""

from __future__ import annotations

import shlex
import signal
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from llamalite.commands.info import readable
from llamalite.text import documents, sources
from llamalite.text.sources import Source
from llamalite.train.interruption import Interrupted


@dataclass(frozen=True)
class Fetch:
    """Download a well-known text to train on, and check that it is the right one.

    Ctrl-C and broken connections keep what has come; the same command goes on from there.

    For example:
      llamalite fetch                   (a list of all, with sizes and licences)
      llamalite fetch tinyshakespeare
      llamalite fetch fineweb-edu-sample --size 500MB --out /big/disk
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""
    """Which text; without it, a list of all."""
    # Not a hidden cache: gigabytes should lie where they are seen, beside runs/, and go with the folder.
    out: Path = Path("downloads")
    """Folder to put it in."""
    size: str = "100MB"
    """How much of it to make ready for training, cut after a document: 100MB, 2GB, or all. All of it is
    downloaded either way."""
    force: bool = False
    """Download it again, and replace what is there."""


def run(args: Fetch) -> None:
    if not args.name:
        print(overview())
        return
    size, source = parse_size(args.size), chosen(args.name)
    if source.is_parquet:
        documents.require_parquet(source.name)  # before two gigabytes are on their way
    raw = download(source, args)
    text = to_train_on(source, raw, size)
    print(f"next: llamalite train --data {shlex.quote(str(text))} --out runs/{source.name}")


def chosen(name: str) -> Source:
    try:
        return sources.find_source(name, sources.SOURCES)
    except ValueError:
        print(overview())
        raise


def overview() -> str:
    """Every source: name, size, licence; what it is; where it is from; whom to cite."""
    rows = []
    for s in sources.SOURCES:
        rows.append(f"{s.name:<20} about {readable(s.bytes, 'B')}, {s.licence}")
        rows += textwrap.wrap(s.what, 96, initial_indent="    ", subsequent_indent="    ")
        rows += [f"    {s.url}", f"    {s.citation}", ""]
    return "\n".join([*rows, "llamalite fetch NAME downloads one of them."])


def parse_size(written: str) -> int | None:
    """Bytes; None for all there are.

    >>> parse_size("100MB"), parse_size("1.5 gb"), parse_size("4096"), parse_size("all")
    (100000000, 1500000000, 4096, None)
    """
    if written.strip().lower() == "all":
        return None
    number = written.strip().upper().removesuffix("B")
    power = {"K": 3, "M": 6, "G": 9}.get(number[-1:], 0)
    try:
        size = int(float(number[:-1] if power else number) * 10**power)
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise ValueError(f"--size {written} is no size; write it like 100MB, 2GB or all")
    return size


def download(source: Source, args: Fetch) -> Path:
    """The file as its origin has it, checked; Ctrl-C leaves what has come."""
    from llamalite.text.fetch import fetch

    print(f"{source.name}: {source.what}; {source.licence}; cite {source.citation}")
    try:
        done = fetch(source.url, args.out / source.file, source.sha256, args.force)
    except KeyboardInterrupt:
        raise Interrupted(
            signal.SIGINT,
            f"stopped; what has come is kept in {args.out}, and the same command goes on from there",
        ) from None
    how = "fetched" if done.fresh else "there already, nothing to download"
    print(f"{done.path}: {how}; {done.path.stat().st_size:,} bytes, with the sha256 {done.checked}")
    return done.path


def to_train_on(source: Source, raw: Path, size: int | None) -> Path:
    """The file to give to ``llamalite train``: ``raw`` itself, if it is plain text and not too much."""
    whole = size is None or (not source.is_parquet and raw.stat().st_size <= size)
    if whole and not (source.is_parquet or source.separator):
        return raw
    text = raw.with_name(f"{source.name}{'' if whole else '-' + readable(size, 'B').replace(' ', '')}.txt")
    if not text.exists() or text.stat().st_mtime < raw.stat().st_mtime:
        if source.is_parquet:
            found = documents.read_parquet(raw)
        else:
            found = documents.read_separated(raw, source.separator or "")
        written = documents.write_documents(found, text, None if whole else size)
        print(f"{text}: {written:,} bytes of it to train on, a blank line between documents")
    return text
