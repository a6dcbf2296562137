"""From many answers to pairs of them: which is better, how clearly, and how often the label is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

from jaxtyping import Float
from numpy import ndarray

from llamalite.align.rlhf.reward import Pair
from llamalite.align.sft import Example
from llamalite.tales.preferences import MARGINS, strength


def all_pairs(
    answers: Sequence[Sequence[Example]], worth: Float[ndarray, "P K"], margins: str = ""
) -> list[Pair]:
    """Every two answers to one prompt that are not worth the same: answers[k][p] is the k-th to prompt p.

    Pairs of one prompt stand together, so that a split by prompts is a slice. ``margins``: "small" or
    "large" (facts H1), or none.
    """
    found = []
    for p, row in enumerate(worth):
        for i, j in combinations(range(len(row)), 2):
            if row[i] != row[j]:
                found.append(pair(answers, row, p, *((i, j) if row[i] > row[j] else (j, i)), margins))
    return found


def extremes(
    answers: Sequence[Sequence[Example]], worth: Float[ndarray, "P K"], margins: str = ""
) -> list[Pair]:
    """Of each prompt, the best answer and the worst."""
    ends = ((p, row, int(row.argmax()), int(row.argmin())) for p, row in enumerate(worth))
    return [pair(answers, row, p, i, j, margins) for p, row, i, j in ends if row[i] != row[j]]


def pair(
    answers: Sequence[Sequence[Example]], row: Float[ndarray, " K"], p: int, i: int, j: int, margins: str
) -> Pair:
    clear = strength(float(row[i] - row[j]))
    return Pair(answers[i][p], answers[j][p], MARGINS[margins][clear] if margins else 0.0, clear)


def mislabelled(pairs: Sequence[Pair], share: float, seed: int = 0) -> Iterator[Pair]:
    """The same pairs; each is turned round with probability ``share``.

    The same seed turns a pair round at every share that is large enough, so that more noise is only more.
    """
    rng = Random(f"noise {seed}")
    for p in pairs:
        yield p._replace(chosen=p.rejected, rejected=p.chosen) if rng.random() < share else p
