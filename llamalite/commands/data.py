"""``llamalite data``: a corpus of tales, as large as you like, whose floor is known."""

from __future__ import annotations

import math
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from llamalite.commands.fetch import parse_size
from llamalite.commands.info import readable
from llamalite.train.interruption import Interrupted


@dataclass(frozen=True)
class Data:
    """Tell tales into files to train on: any size, any mix of languages, and the same bytes every time.

    The world behind them is one and the same, and so is the exact probability of every tale, which the
    manifest adds up. Ctrl-C keeps the files that are finished; the same command goes on from there, and
    makes again what was lost or damaged.

    For example:
      llamalite data tales --size 10MB --out corpus
      llamalite data tales --size 100MB --mix en=.8,ko=.05,code=.1,maths=.05 --out corpus
    """

    kind: Annotated[Literal["tales"], tyro.conf.Positional]
    """What to make data of; so far there are tales."""
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


def run(args: Data) -> None:
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
        f"next: llamalite train --data {shlex.quote(str(folder))} --documents --out runs/tales"
    )
