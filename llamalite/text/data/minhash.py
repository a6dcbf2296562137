"""MinHash: a text of any length as 128 small numbers, from which the overlap of two texts can be read.

Broder's observation (1997): number all shingles in a random order. The lowest number in A and the lowest
in B are the same exactly if the lowest of all that both hold together lies in both, which happens with
probability |A ∩ B| / |A ∪ B|: the Jaccard similarity J. With n orders, the share of agreements estimates
J with standard error sqrt(J (1 - J) / n).

An order is drawn by multiplying hashes with a random odd number: not quite random, near enough to reach
that error (the tests measure it). Left out: b-bit and one-permutation MinHash, which are smaller and faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt32, UInt64
from numpy import ndarray

from llamalite.text.data.shingles import hash_shingles

PIECE = 1 << 12  # shingles that are permuted at once: 128 times as many numbers stay in the cache
EMPTY = np.uint32(0xFFFFFFFF)  # in every place of the signature of a text without words


class Orders(NamedTuple):
    """Random orders of all hashes: h → the upper half of (h · factor + shift) modulo 2^64."""

    factors: UInt64[ndarray, " p"]
    shifts: UInt64[ndarray, " p"]


def draw_orders(n_orders: int = 128, seed: int = 0) -> Orders:
    rng = np.random.default_rng(seed)
    factors, shifts = rng.integers(0, 2**64, size=(2, n_orders), dtype=np.uint64)
    return Orders(factors | np.uint64(1), shifts)


def minima(
    hashes: UInt64[ndarray, " s"], lengths: Int[ndarray, " n"], orders: Orders
) -> UInt32[ndarray, "n p"]:
    """The lowest number of each text in each order; text i has the next ``lengths[i]`` hashes."""
    out = np.full((len(lengths), len(orders.factors)), EMPTY, np.uint32)
    ends = np.cumsum(lengths)
    rows = np.flatnonzero(lengths)
    first = 0
    while first < len(rows):
        begin = ends[rows[first]] - lengths[rows[first]]
        last = max(first + 1, int(np.searchsorted(ends[rows], begin + PIECE, side="right")))
        piece = hashes[begin : ends[rows[last - 1]]]
        starts = ends[rows[first:last]] - lengths[rows[first:last]] - begin
        ranks = piece * orders.factors[:, None]
        ranks += orders.shifts[:, None]
        lowest = np.minimum.reduceat(ranks, starts, axis=1)
        out[rows[first:last]] = (lowest >> np.uint64(32)).astype(np.uint32).T
        first = last
    return out


def signatures(texts: Sequence[str], orders: Orders, n: int = 3) -> UInt32[ndarray, "n p"]:
    """The MinHash of every text, over its runs of ``n`` words. Many short texts at once is what is fast."""
    return minima(*hash_shingles(texts, n), orders)


def stream_signatures(
    texts: Iterable[str], orders: Orders, n: int = 3, batch: int = 256
) -> Iterator[UInt32[ndarray, "n p"]]:
    """The same for a stream of any length, in the memory of ``batch`` texts."""
    texts = iter(texts)
    while some := list(islice(texts, batch)):
        yield signatures(some, orders, n)


def similarity(a: UInt32[ndarray, "*n p"], b: UInt32[ndarray, "*n p"]) -> Float[ndarray, "*n"] | float:
    """The estimated Jaccard similarity: the share of orders that agree."""
    return np.mean(a == b, axis=-1)


def standard_error(jaccard: float, n_orders: int = 128) -> float:
    """
    >>> standard_error(0.8, 128)
    0.035355339059327376
    """
    return (jaccard * (1 - jaccard) / n_orders) ** 0.5
