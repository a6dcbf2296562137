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
    manifest adds up. Ctrl-C keeps the files that are finished; the same command goes on from there.

    For example:
      llamalite data tales --size 10MB --out corpus
      llamalite data tales --size 100MB --mix en=.8,ko=.05,code=.1,maths=.05 --out corpus
    """

    kind: Annotated[Literal["tales"], tyro.conf.Positional]
    """What to make data of; so far there are tales."""
    out: Path
    """Folder of the corpus, made here: tales-00000.txt, …, and manifest.json at the end."""
    size: str = "10MB"
    """How much, at most: 500KB, 100MB, 2GB; a megabyte is a million bytes."""
    mix: str = "en=1"
    """Languages and their shares of the bytes: en, ko, es, de, code (Python) and maths (sums)."""
    seed: int = 0
    """Which tales; the world they are about stays the same."""
    shard_size: str = "16MB"
    """Size of one file, at most."""
    heroes: int = 4096
    """How many heroes the world has."""
    exponent: float = 2.0
    """Of Zipf's law: the hero of rank r is told of in proportion to r to the minus this."""


def run(args: Data) -> None:
    from tqdm import tqdm

    from llamalite.tales.language import language_names
    from llamalite.tales.shards import Spec, parse_mix, write_corpus

    mix = parse_mix(args.mix, language_names())
    sizes = [as_bytes(written) for written in (args.size, args.shard_size)]
    spec = Spec(sizes[0], mix, args.seed, sizes[1], args.heroes, args.exponent)
    try:
        with tqdm(total=spec.size, unit="B", unit_scale=True, disable=None, desc="telling") as bar:
            manifest = write_corpus(args.out, spec, bar.update)
    except KeyboardInterrupt:
        raise Interrupted(
            signal.SIGINT, f"stopped; {args.out} keeps what is finished, and the same command goes on"
        ) from None
    print(summary(args.out, manifest))


def as_bytes(written: str) -> int:
    size = parse_size(written)
    if size is None:
        raise ValueError("--size all: there is no end of tales; write it like 100MB")
    return size


def summary(folder: Path, manifest: dict) -> str:
    shards = manifest["shards"]
    size = sum(shard["bytes"] for shard in shards)
    n_tales = sum(sum(shard["n_tales"].values()) for shard in shards)
    bits = sum(shard["nats"] for shard in shards) / math.log(2) / size if size else math.nan
    files = f"{len(shards)} file{'s' * (len(shards) != 1)}"
    return (
        f"{folder}: {n_tales:,} tales, {readable(size, 'B')} in {files}; "
        f"whoever knew everything would predict them with {bits:.4f} bits per byte\n"
        f"next: llamalite train --data {shlex.quote(str(folder))} --documents --out runs/tales"
    )
