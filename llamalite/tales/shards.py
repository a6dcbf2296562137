"""Corpora of tales of any size: files of at most ``shard_size`` bytes, and a manifest that vouches for them.

DIR/tales-00000.txt …   documents, a blank line after each
DIR/manifest.json       what was asked for; of each file its bytes, sha256 and surprise; written last
DIR/unfinished.json     the same, while there are files to come

Every file has a random generator of its own, so an interrupted corpus goes on with the next file and
ends in the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from llamalite.tales.floor import n_bytes
from llamalite.tales.plot import Weighted
from llamalite.tales.telling import END, Tale, Tales
from llamalite.tales.world import World
from llamalite.text.corpus import MANIFEST
from llamalite.text.files import write_whole

UNFINISHED = "unfinished.json"
SAMPLE = 500  # tales told to learn how long those of a language are


class Spec(NamedTuple):
    """All that decides the bytes of a corpus. Sizes are in bytes; ``mix`` holds shares of the bytes."""

    size: int
    mix: dict[str, float]
    seed: int = 0
    shard_size: int = 16_000_000
    n_heroes: int = 4096
    exponent: float = 2.0


def parse_mix(written: str, languages: list[str]) -> dict[str, float]:
    """Shares that sum to one.

    >>> parse_mix("en=3,ko=1", ["en", "ko"])
    {'en': 0.75, 'ko': 0.25}
    """
    shares: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        name, _, number = part.partition("=")
        if name not in languages:
            raise ValueError(f"--mix: tales are not told in {name!r}; there are {', '.join(languages)}")
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
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def documents(told: Mapping[str, Tales], mix: Mapping[str, float], rng: Random) -> Iterator[Tale]:
    """Tales without end, each in a language of its own; ``mix`` holds the shares of the bytes.

    The logprob of each is that of language and tale together: what the next document is. A language
    is drawn in proportion to its share over the length of its tales. (Always taking the one that has
    fallen behind would keep the shares exactly, but then the next language could be predicted, and
    the floor of the mixture would no longer be known.)
    """
    names = list(mix)
    weights = [mix[name] / mean_bytes(told[name]) for name in names]
    language = Weighted(names, weights)
    while True:
        name, log = language.draw(rng, {})
        tale = told[str(name)].tell(rng)
        yield replace(tale, logprob=tale.logprob + log)


def mean_bytes(tales: Tales) -> float:
    rng = Random(0)
    return statistics.fmean(n_bytes(tales.tell(rng).text) for _ in range(SAMPLE))


def write_corpus(folder: Path, spec: Spec, advance: Callable[[int], Any] = lambda n: None) -> dict[str, Any]:
    """Make the corpus, or what is missing of it; return its manifest. ``advance`` hears of bytes done."""
    if (folder / MANIFEST).is_file():
        manifest = same(folder / MANIFEST, spec)
        advance(spec.size)
        return manifest
    world = World(spec.n_heroes, spec.exponent, seed=0)
    told = {name: Tales(name, world) for name in spec.mix}  # refuses what is impossible before a file is made
    record = begin(folder, spec)
    for number in range(-(-spec.size // spec.shard_size)):
        size = min(spec.shard_size, spec.size - number * spec.shard_size)
        if number < len(record["shards"]) and intact(folder, record["shards"][number]):
            advance(size)
            continue
        content, facts = make_shard(documents(told, spec.mix, Random(f"{spec.seed} {number}")), size, advance)
        name = f"tales-{number:05d}.txt"
        write_whole(folder / name, content)
        record["shards"][number:] = [{"name": name, **fingerprint(content), **facts}]
        write_whole(folder / UNFINISHED, as_json(record))
    write_whole(folder / MANIFEST, as_json(record))
    (folder / UNFINISHED).unlink()
    return record


def begin(folder: Path, spec: Spec) -> dict[str, Any]:
    """The record of an unfinished corpus, a new one if there is none; strangers' files are left alone."""
    if (folder / UNFINISHED).is_file():
        return same(folder / UNFINISHED, spec)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is in use for something else; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    record = {"spec": spec._asdict(), "shards": []}
    write_whole(folder / UNFINISHED, as_json(record))
    return record


def same(path: Path, spec: Spec) -> dict[str, Any]:
    """The record in ``path``, if it is of this very corpus."""
    try:
        record = json.loads(path.read_bytes())
        begun, _ = record["spec"], record["shards"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged; remove {path.parent} and start again") from error
    wanted = json.loads(as_json(spec._asdict()))
    for name, value in wanted.items():
        if begun.get(name) != value:
            flag = {"n_heroes": "heroes"}.get(name, name.replace("_", "-"))
            raise FileExistsError(
                f"{path.parent} holds a corpus with another --{flag} ({begun.get(name)}, not {value}); "
                "give the same settings to continue it, or choose another --out"
            )
    return record


def make_shard(
    tales: Iterator[Tale], size: int, advance: Callable[[int], Any]
) -> tuple[bytes, dict[str, Any]]:
    """As many whole tales as fit into ``size`` bytes, and what is worth knowing of them."""
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
    advance(reported)
    facts = {"n_tales": dict(n_tales), "bytes_by_language": dict(byte_counts), "nats": nats}
    return b"".join(parts), facts


def intact(folder: Path, shard: dict[str, Any]) -> bool:
    path = folder / shard["name"]
    return path.is_file() and fingerprint(path.read_bytes()) == {k: shard[k] for k in ("bytes", "sha256")}


def fingerprint(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def as_json(values: Any) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
