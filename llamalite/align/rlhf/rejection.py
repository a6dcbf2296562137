"""Rejection sampling: write many answers, keep the best, and learn from it as from a given one.

Nothing is "rejected" by a threshold: of K answers to a prompt the one with the highest reward stays (facts
K38). Llama 2 did it for five rounds and learnt, from the third, to keep the best of *all* rounds (facts H1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from llamalite.align.sft import Example


def best_of_n_kl(n: int) -> float:
    """log n - (n - 1)/n: the divergence, in nats, of the best of n from one draw.

    Exact where no two answers have the same reward and none is drawn twice, else the most it can be
    (Beirami et al. 2024): the best of n is never far away.

    >>> [round(best_of_n_kl(n), 3) for n in (1, 2, 8, 100)]
    [0.0, 0.193, 1.204, 3.615]
    """
    return math.log(n) - (n - 1) / n


def best_of_n(rewards: Float[ndarray, "P K"], worth: Float[ndarray, "P K"], n: int) -> float:
    """What the best of n by ``rewards`` is worth, on average over all choices of n of the K samples.

    No draw is needed: of K answers in order of reward, the i-th (from 1) is the best of
    C(i - 1, n - 1) of the C(K, n) choices. Equal rewards share their places.

    >>> best_of_n(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.0, 1.0]]), n=2)    # 2 of 3 choices
    0.6666666666666666
    """
    K = rewards.shape[1]
    weights = np.array([math.comb(i, n - 1) for i in range(K)]) / math.comb(K, n)
    total = 0.0
    for row, value in zip(rewards, worth, strict=True):
        order = np.argsort(row, kind="stable")
        share = weights.copy()
        ordered = row[order]
        for level in np.unique(ordered):
            share[ordered == level] = share[ordered == level].mean()
        total += float(share @ value[order])
    return total / len(rewards)


class Kept(NamedTuple):
    """The best answer to a prompt so far, with what it scored and the round that wrote it."""

    example: Example
    reward: float
    round: int


def keep_best(
    kept: Mapping[int, Kept], prompt: int, answers: Sequence[Example], rewards: Sequence[float], round: int
) -> dict[int, Kept]:
    """``kept`` with the best of these answers to ``prompt``, unless an earlier round wrote a better one.

    To keep only the newest is what Llama 2's V3 did, and it forgot how to rhyme.
    """
    best = max(range(len(rewards)), key=lambda i: rewards[i])
    new = Kept(answers[best], rewards[best], round)
    old = kept.get(prompt)
    return {**kept, prompt: new if old is None or new.reward > old.reward else old}
