"""Duplicates in meaning: the same tale in other words, found by the embeddings of a model.

Llama 3's announcement names semantic deduplication; its paper uses it for the dialogues of fine-tuning
(facts K26). Texts whose embeddings have a cosine above a threshold count as one. Compared in blocks, so
that memory stays bounded; the time grows with the square of the texts, unless they are sorted into
clusters first, as SemDeDup does (Abbas and others 2023). Left out: that.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray


def centred(embeddings: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """Length one, around the common mean: what all texts share says nothing about two of them."""
    moved = embeddings - embeddings.mean(axis=0)
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)


def keep_distinct(
    embeddings: Float[ndarray, "n d"], threshold: float, block: int = 512
) -> Bool[ndarray, " n"]:
    """Greedy, in order of appearance: whoever has a cosine of ``threshold`` or more with one kept goes.

    >>> keep_distinct(np.array([[1.0, 0], [0.9, 0.1], [0, 1]]), 0.9).tolist()
    [True, False, True]
    """
    units = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    kept = np.ones(len(units), bool)
    for begin in range(0, len(units), block):
        here = slice(begin, begin + block)
        before = units[:begin][kept[:begin]]
        if len(before):
            kept[here] &= (units[here] @ before.T).max(axis=1) < threshold
        among = units[here] @ units[here].T
        for i in range(len(among)):
            if kept[begin + i]:
                kept[begin + i + 1 : begin + block] &= among[i, i + 1 :] < threshold
    return kept
