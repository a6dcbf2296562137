"""Texts as sets of hashed word n-grams ("shingles"): what duplicates and leaks are looked for in.

Words are what stands between blanks, in small letters, so that neither capitals nor line breaks hide a
copy. All words of many texts are hashed at once, from the bytes that they stand in. Left out: stemming,
punctuation (a copy with other punctuation is a near duplicate, not an exact one), a hash that withstands
an enemy who knows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt64
from numpy import ndarray

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
BLANK = 32


def essence(text: str) -> str:
    """What is left when letters are all small and lines do not count.

    >>> essence("ONCE upon\\n  a time")
    'once upon a time'
    """
    return " ".join(text.casefold().split())


def mix(x: UInt64[ndarray, "..."]) -> UInt64[ndarray, "..."]:
    """Every bit of the input moves every bit of the output (the end of SplitMix64, Steele and others)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def powers(base: np.uint64, n: int) -> UInt64[ndarray, " n"]:
    """base^0, base^1, … modulo 2^64."""
    steps = np.full(n, base, np.uint64)
    steps[:1] = 1
    return np.multiply.accumulate(steps)


def hash_words(texts: Sequence[str]) -> tuple[UInt64[ndarray, " w"], Int[ndarray, " n"]]:
    """(a hash of every word of all texts, how many words each text has).

    A word b0 b1 … of bytes becomes b0 + b1 BASE + b2 BASE² + … modulo 2^64, mixed. Where a word begins
    far behind, its power of BASE is divided out again: BASE is odd, so it has an inverse.

    >>> words, counts = hash_words(["a rose is A", "rose"])
    >>> counts.tolist(), bool(words[0] == words[3]), bool(words[1] == words[4])
    ([4, 1], True, True)
    """
    plain = [essence(text) for text in texts]
    counts = np.array([text.count(" ") + 1 if text else 0 for text in plain], np.int64)
    raw = np.frombuffer((" ".join(filter(None, plain)) + " ").encode("utf-8", "surrogatepass"), np.uint8)
    if not counts.any():
        return np.zeros(0, np.uint64), counts
    ends = np.flatnonzero(raw == BLANK)
    begins = np.concatenate([[0], ends[:-1] + 1])
    terms = (raw.astype(np.uint64) + np.uint64(1)) * powers(BASE, len(raw))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    return mix((sums[ends] - sums[begins]) * powers(INVERSE, len(raw))[begins]), counts


def hash_shingles(texts: Sequence[str], n: int = 3) -> tuple[UInt64[ndarray, " s"], Int[ndarray, " n"]]:
    """(a hash of every run of ``n`` words, how many such runs each text has), in order, text after text.

    A text shorter than that has one, of all its words; an empty one has none. Repeats are kept.

    >>> hash_shingles(["one two three four", "one two", ""], n=3)[1].tolist()
    [2, 1, 0]
    """
    words, counts = hash_words(texts)
    lengths = np.where(counts == 0, 0, np.maximum(counts - n + 1, 1))
    starts = np.repeat(np.cumsum(counts) - counts, lengths) + places(lengths)
    ends = np.repeat(np.cumsum(counts), lengths)
    runs = np.zeros(len(starts), np.uint64)
    for i in range(n):
        inside = starts + i < ends
        word = words[np.minimum(starts + i, len(words) - 1)] if len(words) else words
        runs = np.where(inside, mix(runs * BASE + word), runs)
    return runs, lengths


def places(lengths: Int[ndarray, " n"]) -> Int[ndarray, " s"]:
    """
    >>> places(np.array([3, 0, 2])).tolist()
    [0, 1, 2, 0, 1]
    """
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def shingle_set(text: str, n: int = 3) -> set[int]:
    """The different shingles of one text."""
    return set(hash_shingles([text], n)[0].tolist())


def jaccard(a: str, b: str, n: int = 3) -> float:
    """Shared shingles over all shingles of two texts: 1 for copies, 0 for strangers.

    >>> jaccard("a b c d", "b c d e", n=3)  # abc bcd against bcd cde
    0.3333333333333333
    """
    first, second = shingle_set(a, n), shingle_set(b, n)
    return len(first & second) / len(first | second) if first | second else 1.0
