"""L(N, D) = E + A / N^alpha + B / D^beta: what it advises for a budget, as published and as yours.

Hoffmann et al. 2022 (arXiv:2203.15556), section 3.3 and appendix D.2; facts G1. N counts parameters, D
tokens, L is in nats a token, budgets are FLOPs by C = 6ND (facts G2). What is left out: how a law is
found (``fit``), and everything that a law of two numbers cannot know, such as data, schedule and width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

Number = float | ndarray
TRAINING, INFERENCE = 6, 2  # FLOPs a parameter and token: forward and backward, forward alone


class Optimum(NamedTuple):
    n_params: float
    tokens: float

    @property
    def tokens_per_param(self) -> float:
        return self.tokens / self.n_params


class Law(NamedTuple):
    """The five constants. ``E`` is what no model gets under, if the law is right."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, n_params: Number, tokens: Number) -> Number:
        """
        >>> Law(1.0, 100.0, 200.0, 0.5, 1.0).loss(10_000, 100)
        4.0
        """
        return self.E + self.A / n_params**self.alpha + self.B / tokens**self.beta

    def optimum(self, flops: float) -> Optimum:
        """The least loss that ``flops`` buy: where the derivative of L along 6ND = C is nought.

        >>> round(PUBLISHED["printed"].optimum(5.76e23).tokens_per_param)    # the "rule" says 20
        93
        """
        total = self.alpha + self.beta
        G = (self.alpha * self.A / (self.beta * self.B)) ** (1 / total)
        work = flops / TRAINING
        return Optimum(G * work ** (self.beta / total), work ** (self.alpha / total) / G)

    def exponents(self) -> tuple[float, float]:
        """(a, b) of N ∝ C^a and D ∝ C^b at the optimum.

        >>> Law(0, 1, 1, 0.25, 0.75).exponents()
        (0.75, 0.25)
        """
        total = self.alpha + self.beta
        return self.beta / total, self.alpha / total

    def tokens_for(self, loss: float, n_params: Number) -> ndarray:
        """How long a model of each size must be trained to get down to ``loss``; inf where it never does.

        >>> Law(1.0, 100.0, 200.0, 0.5, 1.0).tokens_for(4.0, np.array([10_000, 100])).tolist()
        [100.0, inf]
        """
        left = loss - self.E - self.A / np.asarray(n_params, float) ** self.alpha
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(left > 0, (self.B / left) ** (1 / self.beta), np.inf)

    def total_flops(self, loss: float, n_params: Number, asked: float) -> Number:
        """Training a model of each size down to ``loss``, then having it read or write ``asked`` tokens."""
        sizes = np.asarray(n_params, float)
        return TRAINING * sizes * self.tokens_for(loss, sizes) + INFERENCE * sizes * asked

    def cheapest(self, loss: float, asked: float) -> Optimum:
        """The size and training length of least total cost at this loss, by trying 4,000 sizes.

        The smallest size that could get there after endless training is where the trial begins.
        """
        if loss <= self.E:
            raise ValueError(f"scaling: no model gets to {loss} under this law, whose E is {self.E}")
        least = (self.A / (loss - self.E)) ** (1 / self.alpha)
        sizes = least * np.geomspace(1.001, 1e4, 4000)
        best = sizes[np.argmin(self.total_flops(loss, sizes, asked))]
        return Optimum(float(best), float(self.tokens_for(loss, best)))


# Facts G1. "unrounded" is what Epoch AI read from the paper's sources (arXiv:2404.10102), "epoch" its refit.
PUBLISHED = {
    "printed": Law(1.69, 406.4, 410.7, 0.34, 0.28),
    "unrounded": Law(1.6934, 406.4, 410.7, 0.3392, 0.2849),
    "epoch": Law(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
}

# (A, alpha) of Llama 3's tokens = A · C^alpha: as its figure 3 has them, and as its text does (facts F3, L4).
LLAMA3 = {"figure": (0.299, 0.537), "text": (0.29, 0.53)}


def llama3_tokens(flops: float, where: str = "figure") -> float:
    """The compute-optimal number of training tokens by Llama 3's scaling law.

    >>> f"{llama3_tokens(3.8e25):.3g}"
    '1.63e+13'
    """
    A, alpha = LLAMA3[where]
    return A * flops**alpha
