"""Equal compute, different sizes: a parabola for every budget, and where its lowest point goes.

Chinchilla's second approach (arXiv:2203.15556, section 3.2), and Llama 3's way to 405B (facts F3).
Our runs stand on a grid of sizes and tokens, so the loss at D = C / 6N is read between two of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from llamalite.train.scaling.fit import Runs
from llamalite.train.scaling.law import TRAINING


class Profile(NamedTuple):
    """The losses of one budget, and the parabola through them: log L over log N."""

    flops: float
    n_params: Float[ndarray, " n"]
    losses: Float[ndarray, " n"]
    coefficients: Float[ndarray, " 3"]  # highest power first

    def curve(self, n_params: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
        return np.exp(np.polyval(self.coefficients, np.log(n_params)))

    @property
    def best(self) -> float:
        """The size at the lowest point; nan where the parabola has none."""
        bend, slope, _ = self.coefficients
        return float(np.exp(-slope / (2 * bend))) if bend > 0 else float("nan")

    @property
    def inside(self) -> bool:
        """Whether runs stand on both sides of the lowest point: elsewhere it is a guess."""
        return bool(self.n_params.min() < self.best < self.n_params.max())


def profile(runs: Runs, flops: float) -> Profile:
    """What every size reaches with this budget, where its runs reach so far."""
    sizes, losses = [], []
    for size in np.unique(runs.n_params):
        mine = runs.n_params == size
        log_d, log_l = np.log(runs.tokens[mine]), np.log(runs.losses[mine])
        order = np.argsort(log_d)
        wanted = np.log(flops / (TRAINING * size))
        if log_d.min() <= wanted <= log_d.max():
            sizes.append(size)
            losses.append(np.exp(np.interp(wanted, log_d[order], log_l[order])))
    if len(sizes) < 3:
        raise ValueError(
            f"scaling: {len(sizes)} sizes were trained for {flops:.2g} FLOPs, and a parabola needs 3; "
            f"choose a budget nearer to the middle of the runs"
        )
    found = np.polyfit(np.log(sizes), np.log(losses), 2)
    return Profile(flops, np.array(sizes), np.array(losses), found)


def power_law(x: Float[ndarray, " n"], y: Float[ndarray, " n"]) -> tuple[float, float]:
    """(factor, exponent) of the straight line through the logarithms.

    >>> [round(v, 6) for v in power_law(np.array([1.0, 10.0]), np.array([3.0, 300.0]))]
    [3.0, 2.0]
    """
    exponent, log_factor = np.polyfit(np.log(x), np.log(y), 1)
    return float(np.exp(log_factor)), float(exponent)
