"""Glueing symbols together until no rule applies: the heart of every encoder here.

Both families merge the same way and differ only in what a symbol is (a byte or a character) and in what
ranks a merge: the rank in Llama 3's file, minus the score in Llama 2's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TypeVar

Symbol = TypeVar("Symbol", str, bytes)


def merge_symbols(symbols: Sequence[Symbol], rank: Callable[[Symbol], float | None]) -> list[Symbol]:
    """Merge adjacent symbols, the lowest rank first and the leftmost on a tie, until none has a rank.

    ``rank`` of two symbols put together is None where they may not be merged. A heap of possible merges
    makes this n log n: a run of 100,000 letters takes a second, where looking for the best pair again
    after each merge would take hours.

    >>> merge_symbols("lower", {"er": 0, "lo": 1, "low": 2}.get)
    ['low', 'er']
    >>> merge_symbols("aaa", {"aa": 0}.get)
    ['aa', 'a']
    """
    parts: list[Symbol | None] = list(symbols)
    before, after = list(range(-1, len(parts) - 1)), list(range(1, len(parts) + 1))
    possible = [
        (found, i, both)
        for i, (left, right) in enumerate(pairwise(symbols))
        if (found := rank(both := left + right)) is not None
    ]
    heapify(possible)
    while possible:
        _, i, both = heappop(possible)
        j = after[i]
        if parts[i] is None or j == len(parts) or parts[i] + parts[j] != both:
            continue  # one of the two has been merged with its other neighbour meanwhile
        parts[i], parts[j] = both, None
        after[i] = after[j]
        if after[i] < len(parts):
            before[after[i]] = i
        for left, right in ((before[i], i), (i, after[i])):
            if left >= 0 and right < len(parts) and (found := rank(parts[left] + parts[right])) is not None:
                heappush(possible, (found, left, parts[left] + parts[right]))
    return [part for part in parts if part is not None]
