"""What can be said of a document only beside others: copies, near copies, lines that stand everywhere.

Documents come in buckets that fit into memory; of each, a signature and a hash a line are enough (about a
kilobyte). Llama 3 removes near copies over the whole crawl and frequent lines within buckets of 30 million
documents (facts F3); here both happen within a bucket, which is as large as memory allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt32, UInt64
from numpy import ndarray

from llamalite.text.data.exact import first_of_its_kind, frequent, hash_texts, line_hashes
from llamalite.text.data.lsh import keep_first, similar_pairs
from llamalite.text.data.minhash import draw_orders, signatures

REASONS = ("copy", "near copy", "only common lines")


class Marks(NamedTuple):
    """All that is remembered of n documents while their bucket is being filled."""

    whole: UInt64[ndarray, " n"]
    signatures: UInt32[ndarray, "n p"]
    lines: UInt64[ndarray, " l"]
    n_lines: Int[ndarray, " n"]


def mark(texts: Sequence[str], n: int = 3, n_orders: int = 128) -> Marks:
    lines = [line_hashes(text) for text in texts]
    orders = draw_orders(n_orders)
    parts = [signatures(texts[i : i + 256], orders, n) for i in range(0, len(texts), 256)]
    return Marks(
        hash_texts(texts),
        np.concatenate([np.zeros((0, n_orders), np.uint32), *parts]),
        np.concatenate([np.zeros(0, np.uint64), *lines]),
        np.array([len(each) for each in lines], np.int64),
    )


def joined(parts: Sequence[Marks]) -> Marks:
    return Marks(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def reasons(marks: Marks, near: float | None) -> list[str]:
    """For each document, why it goes: a copy of an earlier one, or nearly; "" if it stays."""
    kept = first_of_its_kind(marks.whole)
    out = np.where(kept, "", "copy").astype(object)
    if near is not None:
        left = np.flatnonzero(kept)
        stays = keep_first(len(left), similar_pairs(marks.signatures[left], near))
        out[left[~stays]] = "near copy"
    return out.tolist()


def common_lines(marks: Marks, why: Sequence[str], limit: int) -> UInt64[ndarray, " f"]:
    """Lines that stand in more than ``limit`` of the documents that stay; 0 leaves all lines in."""
    if not limit or not why:
        return np.zeros(0, np.uint64)
    lines = np.split(marks.lines, np.cumsum(marks.n_lines)[:-1])
    return frequent((each for each, reason in zip(lines, why, strict=True) if not reason), limit)


def deduplicate(texts: Sequence[str], near: float | None = 0.6, limit: int = 6) -> list[tuple[str, str]]:
    """(text without common lines, "" or why it goes) of each; all in memory.

    >>> deduplicate(["one two three four", "ONE two three\\nfour", "five"], near=None, limit=0)
    [('one two three four', ''), ('ONE two three\\nfour', 'copy'), ('five', '')]
    """
    marks = mark(texts)
    why = reasons(marks, near)
    banned = common_lines(marks, why, limit)
    return [trimmed(text, reason, banned) for text, reason in zip(texts, why, strict=True)]


def trimmed(text: str, reason: str, banned: UInt64[ndarray, " f"]) -> tuple[str, str]:
    if reason or not len(banned):
        return text, reason
    keep = ~np.isin(line_hashes(text), banned)
    left = "\n".join(line for line, kept in zip(text.split("\n"), keep, strict=True) if kept)
    return (left, "") if left.strip() else (text, "only common lines")
