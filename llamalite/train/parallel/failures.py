"""Training on machines that break: how often to save, and how much of the time is left for work.

Failures come at random, ``mtbf`` apart in the mean (an exponential distribution, which has no memory). A
save takes ``save`` and comes after every ``interval`` of work; a failure loses the work since the last
save and costs ``restart``. All times in one unit. Left out: failures that come together, saves that do
not stop the work, and failures during a restart (the simulation can have them).
"""

from __future__ import annotations

import math

import numpy as np


def effective_share(interval: float, save: float, restart: float, mtbf: float) -> float:
    """Useful work over all time, exactly, if nothing fails during a restart.

    One interval with its save needs ``interval + save`` without a failure; with failures, the expected time
    is ``(mtbf + restart) · (exp((interval + save) / mtbf) - 1)``, of which ``interval`` was useful.

    >>> round(effective_share(1.0, 0.0, 0.0, 1e9), 6)
    1.0
    """
    return interval / ((mtbf + restart) * math.expm1((interval + save) / mtbf))


def rough_interval(save: float, mtbf: float) -> float:
    """``sqrt(2 · save · mtbf)``: the best interval while it is much shorter than the time between failures.

    Usually credited to Young (1974).

    >>> rough_interval(2.0, 100.0)
    20.0
    """
    return math.sqrt(2 * save * mtbf)


def best_interval(save: float, mtbf: float) -> float:
    """The interval at which ``effective_share`` is largest, whatever a restart costs.

    Its derivative is zero where ``exp(-(interval + save) / mtbf) = 1 - interval / mtbf``; the left side
    lies above at 0 and below at ``mtbf``, so halving finds the place.
    """
    low, high = 0.0, mtbf
    while high - low > 1e-12 * mtbf:
        middle = (low + high) / 2
        if math.exp(-(middle + save) / mtbf) > 1 - middle / mtbf:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def simulate(
    interval: float, save: float, restart: float, mtbf: float, work: float, seed: int = 0
) -> tuple[float, int]:
    """(share of useful time, failures) of one run that has ``work`` to do: nothing but dice and a clock."""
    rng = np.random.default_rng(seed)
    clock, saved, failures = 0.0, 0.0, 0
    next_failure = rng.exponential(mtbf)
    while saved < work:
        piece = min(interval, work - saved)
        if clock + piece + save <= next_failure:
            clock, saved = clock + piece + save, saved + piece
        else:
            clock, failures = next_failure + restart, failures + 1
            next_failure = clock + rng.exponential(mtbf)
    return work / clock, failures


def mtbf_of(days: float, failures: int) -> float:
    """Hours between failures of the whole machine.

    >>> round(mtbf_of(54, 419), 2)
    3.09
    """
    return 24 * days / failures


def scaled_mtbf(mtbf: float, gpus: int, other: int) -> float:
    """Of a machine of another size, if every GPU fails as often: twice the GPUs, half the time.

    >>> scaled_mtbf(3.0, 16_384, 8_192)
    6.0
    """
    return mtbf * gpus / other
