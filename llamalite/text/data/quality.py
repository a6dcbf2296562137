"""Is it worth reading? Logistic regression over hashed words and pairs of words, learnt from labels.

The labels are given by a *model*, once, for a sample; the classifier, which is a million times cheaper,
learns to guess them and judges the rest. So Llama 3 was filtered: Llama 2 gave the labels, fastText and
DistilRoBERTa learnt them (facts F3, K27). This one is close to fastText: a bag of words and pairs, one
layer. Whoever gives the labels is not known here. Left out: sub-words, more than two classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from llamalite.text.data.shingles import hash_shingles

BUCKETS = 1 << 15


class Bags(NamedTuple):
    """The features of n texts: text ``rows[k]`` holds feature ``columns[k]`` with weight ``values[k]``."""

    rows: Int[ndarray, " k"]
    columns: Int[ndarray, " k"]
    values: Float[ndarray, " k"]
    n: int


class Quality(NamedTuple):
    weights: Float[ndarray, " buckets"]
    bias: float


def bags(texts: Sequence[str], buckets: int = BUCKETS) -> Bags:
    """Words and pairs of words by bucket; the weights of a text sum to one, as in fastText."""
    codes, rows = [], []
    for n in (1, 2):
        hashes, lengths = hash_shingles(texts, n)
        codes.append((hashes % np.uint64(buckets)).astype(np.int64))
        rows.append(np.repeat(np.arange(len(texts)), lengths))
    row, column = np.concatenate(rows), np.concatenate(codes)
    sizes = np.bincount(row, minlength=len(texts))
    return Bags(row, column, 1 / sizes[row], len(texts))


def logits(x: Bags, model: Quality) -> Float[ndarray, " n"]:
    return np.bincount(x.rows, x.values * model.weights[x.columns], minlength=x.n) + model.bias


def learn_quality(
    texts: Sequence[str], good: Bool[ndarray, " n"], steps: int = 200, lr: float = 400.0, decay: float = 1e-6
) -> Quality:
    """Gradient descent on the cross-entropy, both classes counting the same however many there are."""
    good = np.asarray(good, bool)
    if good.all() or not good.any():
        raise ValueError("a classifier needs good texts and bad ones to learn from; all labels are the same")
    x, y = bags(texts), good.astype(float)
    share = np.where(good, 0.5 / good.sum(), 0.5 / (~good).sum())
    model = Quality(np.zeros(BUCKETS), 0.0)
    for _ in range(steps):
        off = share * (1 / (1 + np.exp(-logits(x, model))) - y)
        slope = np.bincount(x.columns, x.values * off[x.rows], minlength=BUCKETS)
        model = Quality(model.weights * (1 - lr * decay) - lr * slope, model.bias - 0.5 * off.sum())
    return model


def judge(texts: Sequence[str], model: Quality) -> Float[ndarray, " n"]:
    """The probability that the labeller would have called each text good."""
    return 1 / (1 + np.exp(-logits(bags(texts), model)))
