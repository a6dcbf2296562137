"""How fast tales are told: megabytes a second, beside what str.format alone could do.

    python tools/bench_tales.py
    python tools/bench_tales.py --size 20MB --rounds 9

The baseline fills sentences of the same length from lists of words: no probability, no grammar, no
spans, no way back. Every round measures each way once, in turn, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

from llamalite.commands.fetch import parse_size
from llamalite.tales import world
from llamalite.tales.shards import Spec, documents, write_corpus
from llamalite.tales.telling import END, Tales

MIX = {"en": 0.8, "ko": 0.05, "code": 0.1, "maths": 0.05}
BASELINE = "str.format"

# About as long as a tale, with about as many words drawn.
SENTENCES = (
    "In the {place} lived a {species} called {hero}, who was the best {craft} far and wide.",
    "One {time} {hero} wanted to bring {count} {thing} to the {place}, and set out at once.",
    "It was a day of {weather}, and the way was long; but {hero} sang and walked on and on.",
    "Then {hero} came to the {obstacle}, and there was no way round it, and none across it.",
    "A friend of {hero} had heard it all, came running, and the two of them found a way.",
    "In the evening they sat down together, ate {treat}, and {hero} was {mood} about the {thing}.",
)
WORDS: dict[str, Sequence] = {
    "species": world.SPECIES, "place": world.PLACES, "craft": world.CRAFTS, "time": world.TIMES,
    "count": world.COUNTS, "thing": world.THINGS, "weather": world.WEATHERS, "mood": world.MOODS,
    "obstacle": tuple(world.OBSTACLES), "treat": world.TREATS, "hero": ("Ada", "Bo", "Cleo", "Dov"),
}  # fmt: skip


def formatted(rng: Random) -> Iterator[str]:
    template = " ".join(SENTENCES)
    while True:
        yield template.format(**{name: rng.choice(words) for name, words in WORDS.items()})


def telling(tales: Tales, rng: Random) -> Iterator[str]:
    while True:
        yield tales.tell(rng).text


def mixed(told: dict[str, Tales], rng: Random) -> Iterator[str]:
    return (tale.text for tale in documents(told, MIX, rng))


def take(texts: Iterable[str], size: int) -> int:
    """Go through texts until there are ``size`` bytes of them; how many there were."""
    done = 0
    for text in texts:
        done += len((text + END).encode())
        if done >= size:
            break
    return done


def written(mix: dict[str, float], size: int) -> int:
    """To disk, from nothing: the world, the grammars, the files with their checksums, the manifest."""
    with tempfile.TemporaryDirectory() as folder:
        return write_corpus(Path(folder) / "corpus", Spec(size, mix)).manifest["total"]["bytes"]


def ways(size: int) -> dict[str, Callable[[], int]]:
    """Name → a function that makes about ``size`` bytes and returns how many."""
    seeds = count()
    told = {name: Tales(name) for name in MIX}
    return {
        BASELINE: lambda: take(formatted(Random(next(seeds))), size),
        **{
            f"tell, {name}": partial(lambda name: take(telling(told[name], Random(next(seeds))), size), name)
            for name in MIX
        },
        "documents, mixed": lambda: take(mixed(told, Random(next(seeds))), size),
        "write_corpus, en": lambda: written({"en": 1.0}, size),
        "write_corpus, mixed": lambda: written(MIX, size),
    }


def speed(way: Callable[[], int]) -> float:
    """Megabytes a second of wall-clock time."""
    start = time.perf_counter()
    made = way()
    return made / 1e6 / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="5MB", help="bytes a way and a round (default: 5MB)")
    parser.add_argument("--rounds", type=int, default=5, help="the median is shown (default: 5)")
    args = parser.parse_args(argv)
    measured = ways(parse_size(args.size) or 0)
    speeds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(args.rounds):
        for name, way in measured.items():
            speeds[name].append(speed(way))
    print(f"{'':<20} {'MB/s':>6} {'lowest':>7} {'highest':>8}  to {BASELINE}")
    for name, found in speeds.items():
        # Round by round, as a load that comes and goes is the same for both.
        ratio = statistics.median(a / b for a, b in zip(found, speeds[BASELINE], strict=True))
        print(f"{name:<20} {statistics.median(found):6.1f} {min(found):7.1f} {max(found):8.1f}  {ratio:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
