"""How fast near duplicates are found: signatures a second and the search, beside `datasketch`.

    python tools/bench_data.py
    python tools/bench_data.py --documents 3000 --rounds 3

Both get the same pages of a dirty crawl, the same runs of three words and 128 orders, and end with the same
question answered: which page resembles an earlier one? Every round measures each way once, in turn, so
that a busy machine slows all alike; medians are compared. datasketch hashes with SHA-1, one page at a time
(in bulk, which is its fast way); ours hashes the bytes of many pages at once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import datasketch
import numpy as np

from llamalite.tales.crawl import crawl
from llamalite.tales.telling import Tales
from llamalite.tales.world import World
from llamalite.text.data.lsh import best_rows, keep_first, similar_pairs
from llamalite.text.data.minhash import draw_orders, stream_signatures

THRESHOLD, ORDERS, RUN = 0.6, 128, 3
LANGUAGES = ("en", "ko", "es", "de", "code")


def pages(n: int) -> list[str]:
    world = World(4096, exponent=1.0)
    told = {name: Tales(name, world) for name in LANGUAGES}
    return [d.text for d in crawl(told, Random("bench data"), n, [told["en"].tell(Random(0)).text])]


def our_signatures(texts: Sequence[str]) -> np.ndarray:
    return np.concatenate(list(stream_signatures(texts, draw_orders(ORDERS), RUN)))


def our_search(known: np.ndarray) -> set[int]:
    return set(np.flatnonzero(~keep_first(len(known), similar_pairs(known, THRESHOLD))).tolist())


def runs_of(text: str) -> list[bytes]:
    words = text.casefold().split()
    return [" ".join(words[i : i + RUN]).encode() for i in range(max(len(words) - RUN + 1, 1))]


def their_signatures(texts: Sequence[str]) -> list[datasketch.MinHash]:
    return datasketch.MinHash.bulk([runs_of(text) for text in texts], num_perm=ORDERS)


def their_search(known: Sequence[datasketch.MinHash]) -> set[int]:
    """As its manual shows it: ask the index, check the estimate, add what is new."""
    rows = best_rows(THRESHOLD, ORDERS)
    index = datasketch.MinHashLSH(num_perm=ORDERS, params=(ORDERS // rows, rows))
    gone = set()
    for i, minhash in enumerate(known):
        if any(minhash.jaccard(known[j]) >= THRESHOLD for j in index.query(minhash)):
            gone.add(i)
        else:
            index.insert(i, minhash)
    return gone


def timed(work: Callable[[Any], Any], given: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    out = work(given)
    return out, time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10_000, help="pages (default: 10,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of all measurements (default: 5)")
    args = parser.parse_args(argv)
    texts = pages(args.documents)
    size = sum(len(text.encode()) for text in texts) / len(texts)
    seconds: dict[str, list[float]] = {}
    for _ in range(args.rounds):
        ours, a = timed(our_signatures, texts)
        theirs, b = timed(their_signatures, texts)
        our_gone, c = timed(our_search, ours)
        their_gone, d = timed(their_search, theirs)
        for name, value in (
            ("our signatures", a),
            ("their signatures", b),
            ("our search", c),
            ("their search", d),
        ):
            seconds.setdefault(name, []).append(value)
    rate = {name: len(texts) / statistics.median(values) for name, values in seconds.items()}
    print(f"{len(texts):,} pages of {size:.0f} bytes, {ORDERS} orders, one core, median of {args.rounds}")
    for what in ("signatures", "search"):
        ratio = rate[f"our {what}"] / rate[f"their {what}"]
        print(
            f"{what:10} ours {rate[f'our {what}']:10,.0f} a second   datasketch "
            f"{rate[f'their {what}']:10,.0f}   ratio {ratio:.1f}"
        )
    both = len(our_gone & their_gone) / max(len(our_gone | their_gone), 1)
    print(f"pages taken for near duplicates: {len(our_gone):,} and {len(their_gone):,}, {both:.1%} in common")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
