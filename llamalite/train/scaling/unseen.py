"""Who has not been met yet: the part of the loss that no model can be rid of before it has read more.

A world tells of its heroes by Zipf's law, p_r ∝ r^-s. After n tales the heroes that never came have the
probability mass U(n) = Σ p (1 - p)^n, which falls as n^-(s-1)/s. The chapter derives it. The same sum
with "fewer than k times" for "never" falls with the same power, k times later.
"""

from __future__ import annotations

from math import gamma

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def zipf(n_heroes: int, exponent: float) -> Float[ndarray, " n"]:
    """Probabilities in proportion to (rank + 1)^-exponent.

    >>> zipf(2, 1.0).round(3).tolist()
    [0.667, 0.333]
    """
    weights = np.arange(1, n_heroes + 1, dtype=float) ** -exponent
    return weights / weights.sum()


def unseen_mass(p: Float[ndarray, " n"], draws: float, fewer_than: int = 1) -> float:
    """The probability that the next hero came fewer than so many times in ``draws``.

    Numbers of times are Poisson, which they are almost.

    >>> unseen_mass(np.array([0.5, 0.5]), 0), round(unseen_mass(np.array([1.0]), 3), 4)    # e^-3
    (1.0, 0.0498)
    """
    expected, term = p * draws, np.exp(-p * draws)
    total = np.zeros_like(p)
    for k in range(fewer_than):
        total += term
        term = term * expected / (k + 1)
    return float((p * total).sum())


def unseen_exponent(s: float) -> float:
    """The power of n with which the unseen mass falls, in a world without end.

    >>> unseen_exponent(2.0), round(unseen_exponent(1.5), 3)
    (0.5, 0.333)
    """
    if s <= 1:
        raise ValueError(f"scaling: Zipf's law with exponent {s} has no sum without end; take more than 1")
    return (s - 1) / s


def unseen_limit(s: float, p_first: float, draws: float) -> float:
    """The same mass by the integral: Γ(1 - 1/s) / s · p_1^(1/s) · n^-(s-1)/s."""
    return gamma(1 - 1 / s) / s * p_first ** (1 / s) * draws ** -unseen_exponent(s)


def local_exponent(x: Float[ndarray, " n"], y: Float[ndarray, " n"]) -> Float[ndarray, " m"]:
    """The power between neighbours: -Δ log y / Δ log x.

    >>> local_exponent(np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.5, 0.125])).round(6).tolist()
    [1.0, 2.0]
    """
    return -np.diff(np.log(y)) / np.diff(np.log(x))
