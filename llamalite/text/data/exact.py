"""Copies, by document and by line: what two texts have in common without any estimate.

Documents that are one text in small letters are one; lines that stand in too many documents are menus,
notices, footers. Llama 3 removes lines seen more than 6 times in a bucket of 30 million documents, as
ccNet does (facts F3). Left out: copies inside longer texts (suffix arrays).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, UInt64
from numpy import ndarray

from llamalite.text.data.shingles import essence


def hash_texts(texts: Sequence[str]) -> UInt64[ndarray, " n"]:
    """A number a text, equal for equal essences. Of 64 bits: a false twin among a million texts comes once in
    37 million such crawls."""
    return np.array([digest(text) for text in texts], np.uint64)


def digest(text: str) -> int:
    return int.from_bytes(
        blake2b(essence(text).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def first_of_its_kind(hashes: UInt64[ndarray, " n"]) -> Bool[ndarray, " n"]:
    """
    >>> first_of_its_kind(np.array([5, 7, 5], np.uint64)).tolist()
    [True, True, False]
    """
    kept = np.zeros(len(hashes), bool)
    kept[np.unique(hashes, return_index=True)[1]] = True
    return kept


def line_hashes(text: str) -> UInt64[ndarray, " l"]:
    """One number a line; empty lines are 0, and never too frequent."""
    return np.array([digest(line) if line.strip() else 0 for line in text.split("\n")], np.uint64)


def frequent(lines: Iterable[UInt64[ndarray, "_"]], limit: int) -> UInt64[ndarray, " f"]:
    """Lines that stand in more than ``limit`` of the documents; ascending.

    >>> frequent([np.array([3, 9, 9], np.uint64), np.array([3], np.uint64)], limit=1).tolist()
    [3]
    """
    parts = [np.unique(each) for each in lines]  # twice in one document is once
    values, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]), return_counts=True)
    return values[(counts > limit) & (values != 0)]
