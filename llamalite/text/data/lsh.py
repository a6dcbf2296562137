"""Near duplicates among millions: who must be compared with whom, and who may stay.

Locality-sensitive hashing: a signature is cut into b bands of r rows, and only texts with a whole band in
common are compared. Two texts of similarity s agree in one band with probability s^r, in at least one of
b with 1 - (1 - s^r)^b: an S-curve that is steep near (1/b)^(1/r). One band at a time, by sorting: the
memory is a few numbers a text. Left out: keeping the bands on disk, dividing them among machines.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt32, UInt64
from numpy import ndarray

from llamalite.text.data.minhash import similarity
from llamalite.text.data.shingles import BASE, mix

REACH = 8  # earlier members of its bucket that a text is compared with, beside the first


def caught(s: Float[ndarray, "..."] | float, bands: int, rows: int) -> Float[ndarray, "..."] | float:
    """The probability that two texts of similarity ``s`` share a band.

    >>> round(caught(0.5, bands=16, rows=4), 4)  # 1 - (15/16)^16
    0.6439
    """
    return 1 - (1 - s**rows) ** bands


def best_rows(threshold: float, n_orders: int = 128) -> int:
    """The most rows a band whose curve still passes ``threshold`` above a half: few compared in vain.

    >>> best_rows(0.7, 128), best_rows(0.5, 128)
    (8, 4)
    """
    options = [r for r in range(1, n_orders + 1) if n_orders % r == 0]
    return max(r for r in options if r == 1 or caught(threshold, n_orders // r, r) >= 0.5)


def hash_bands(signatures: UInt32[ndarray, "n p"], rows: int) -> UInt64[ndarray, "n b"]:
    """One number a band; equal bands are equal numbers, and other bands almost surely others."""
    n, p = signatures.shape
    if rows < 1 or p % rows:
        raise ValueError(f"{p} numbers cannot be cut into bands of {rows}; take a divisor of {p}")
    cut = signatures.reshape(n, p // rows, rows).astype(np.uint64)
    out = np.zeros((n, p // rows), np.uint64)
    for i in range(rows):
        out = mix(out * BASE + cut[:, :, i])
    return out


def candidates(bands: UInt64[ndarray, "n b"], reach: int = REACH) -> Int[ndarray, "m 2"]:
    """Pairs (i, j), i < j, with a band in common: at most ``reach`` + 1 for each text and band.

    In a bucket of many, each is paired with the first and with those right before it, not with all:
    a thousand copies of one page are a thousand pairs or a few, not half a million.
    """
    n, found = len(bands), [np.zeros((0, 2), np.int64)]
    for band in bands.T:
        order = np.argsort(band, kind="stable")  # stable: within a bucket in order of appearance
        ranked = band[order]
        new = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if n else np.zeros(0, bool)
        heads = order[np.flatnonzero(new)][np.cumsum(new) - 1] if n else order
        found.append(np.stack([heads, order], 1)[~new])
        for lag in range(1, min(reach, n - 1) + 1):
            same = ranked[lag:] == ranked[:-lag]
            if not same.any():
                break
            found.append(np.stack([order[:-lag][same], order[lag:][same]], 1))
    return np.unique(np.concatenate(found), axis=0)


def similar_pairs(
    signatures: UInt32[ndarray, "n p"], threshold: float, rows: int | None = None
) -> Int[ndarray, "m 2"]:
    """Candidate pairs whose estimated similarity reaches ``threshold``."""
    rows = best_rows(threshold, signatures.shape[1]) if rows is None else rows
    pairs = candidates(hash_bands(signatures, rows))
    good = [
        part[similarity(signatures[part[:, 0]], signatures[part[:, 1]]) >= threshold]
        for part in np.array_split(pairs, 1 + len(pairs) // 10_000)
    ]
    return np.concatenate(good)


def keep_first(n: int, pairs: Int[ndarray, "m 2"]) -> Bool[ndarray, " n"]:
    """Greedy: in order of appearance, whoever resembles one that was kept goes.

    >>> keep_first(3, np.array([[0, 1], [1, 2]])).tolist()  # 2 resembles only 1, and 1 is gone
    [True, False, True]
    """
    kept = np.ones(n, bool)
    for i, j in sorted(pairs.tolist(), key=lambda pair: (pair[1], pair[0])):
        if kept[i]:
            kept[j] = False
    return kept


def clusters(n: int, pairs: Int[ndarray, "m 2"]) -> Int[ndarray, " n"]:
    """Union-find: the first member of everybody's cluster, where resembling is passed on.

    >>> clusters(4, np.array([[0, 1], [1, 2]])).tolist()  # 0 and 2 need not resemble each other
    [0, 0, 0, 3]
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]  # halve the way for those who come after
            i = parent[i]
        return i

    for i, j in pairs.tolist():
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(n)], np.int64)
