"""From runs to a law: Huber loss on logarithms, L-BFGS from a grid of starts, bootstrap intervals.

The recipe of Chinchilla's third approach (arXiv:2203.15556, appendix D.2; facts G1). All starts, or all
resamples, descend side by side as rows of one array. The gradient is written by hand, and L-BFGS too:
with the two-loop recursion (Nocedal 1980) and a search for weak Wolfe steps by bisection, which does not
mind the kinks that a small Huber delta makes (Lewis and Overton 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from llamalite.train.scaling.law import Law

DELTA = 1e-3  # beyond it a residual counts linearly, so that a bad run does not bend the law
Value = Float[ndarray, " S"]
Rows = Float[ndarray, "S P"]
Objective = Callable[
    [Rows, ndarray], tuple[Value, Rows]
]  # (points, which rows they are of) → values, gradients


class Runs(NamedTuple):
    """What a law is fitted to, a place a run."""

    n_params: Float[ndarray, " n"]
    tokens: Float[ndarray, " n"]
    losses: Float[ndarray, " n"]


def objective(
    theta: Float[ndarray, "S 5"], runs: Runs, weights: Float[ndarray, "#S n"], delta: float = DELTA
) -> tuple[Value, Float[ndarray, "S 5"]]:
    """Weighted Huber loss of log L, and its gradient. ``theta`` is (log E, log A, log B, alpha, beta).

    log L = logsumexp(e, a - alpha log N, b - beta log D): nothing can overflow, nothing can get negative.
    """
    e, a, b, alpha, beta = theta.T[..., None]
    log_n, log_d = np.log(runs.n_params), np.log(runs.tokens)
    terms = np.stack([np.broadcast_to(e, (len(theta), len(log_n))), a - alpha * log_n, b - beta * log_d])
    top = terms.max(0)
    parts = np.exp(terms - top)
    total = parts.sum(0)
    residual = top + np.log(total) - np.log(runs.losses)
    inner = np.clip(residual, -delta, delta)
    value = (weights * inner * (residual - inner / 2)).sum(-1)  # r²/2 inside, delta (|r| - delta/2) outside
    share = weights * inner * parts / total  # (3, S, n)
    slopes = [share[0], share[1], share[2], -share[1] * log_n, -share[2] * log_d]
    return value, np.stack([slope.sum(-1) for slope in slopes], -1)


def lbfgs(f: Objective, x: Rows, steps: int = 300, memory: int = 8) -> tuple[Rows, Value]:
    """Every row of ``x`` descends on its own; returns where they are after ``steps``, and how low."""
    every = np.arange(len(x))
    value, grad = f(x, every)
    pairs: list[tuple[Rows, Rows]] = []
    for _ in range(steps):
        direction = -two_loops(grad, pairs)
        uphill = (direction * grad).sum(-1) >= 0
        direction[uphill] = -grad[uphill]
        t = wolfe(f, x, value, grad, direction, first=not pairs)
        move = t[:, None] * direction
        new_value, new_grad = f(x + move, every)
        pairs = [*pairs[1 - memory :], (move, new_grad - grad)]
        x, value, grad = x + move, new_value, new_grad
        if not t.any():
            break
    return x, value


def two_loops(grad: Rows, pairs: list[tuple[Rows, Rows]]) -> Rows:
    """The inverse Hessian, as the last moves and changes of gradient know it, times the gradient."""
    q, kept = grad.copy(), []
    for s, y in reversed(pairs):
        curvature = (s * y).sum(-1, keepdims=True)
        rho = np.where(curvature > 1e-300, 1 / np.maximum(curvature, 1e-300), 0.0)  # a row without: no pair
        move = rho * (s * q).sum(-1, keepdims=True)
        q -= move * y
        kept.append((rho, move))
    if pairs:
        s, y = pairs[-1]
        curvature, size = ((s * y).sum(-1, keepdims=True), (y * y).sum(-1, keepdims=True))
        q *= np.where((curvature > 0) & (size > 0), curvature / np.maximum(size, 1e-300), 1.0)
    for (s, y), (rho, move) in zip(pairs, reversed(kept), strict=True):
        q += s * (move - rho * (y * q).sum(-1, keepdims=True))
    return q


def wolfe(
    f: Objective, x: Rows, value: Value, grad: Rows, direction: Rows, first: bool, tries: int = 25
) -> Value:
    """A step for every row that goes down enough, and not too little; 0 for a row that finds none."""
    slope = (grad * direction).sum(-1)
    t = np.ones(len(x))
    if first:
        t = 1 / np.maximum(np.abs(direction).sum(-1), 1e-12)
    low, high, best = np.zeros(len(x)), np.full(len(x), np.inf), np.zeros(len(x))
    todo = np.flatnonzero(slope < 0)
    for _ in range(tries):
        if not len(todo):
            break
        at, slopes = f(x[todo] + t[todo, None] * direction[todo], todo)
        enough = at <= value[todo] + 1e-4 * t[todo] * slope[todo]
        flat = (slopes * direction[todo]).sum(-1) >= 0.9 * slope[todo]
        best[todo[enough]] = low[todo[enough]] = t[todo[enough]]
        high[todo[~enough]] = t[todo[~enough]]
        todo = todo[~(enough & flat)]
        t[todo] = np.where(np.isinf(high[todo]), 2 * low[todo], (low[todo] + high[todo]) / 2)
    return best


def grid() -> Float[ndarray, "4500 5"]:
    """Chinchilla's starts: (e, a, b, alpha, beta), 5 · 6 · 6 · 5 · 5 of them (facts G1)."""
    halves, fives = np.arange(0, 2.1, 0.5), np.arange(0, 26, 5.0)
    return np.array(list(product(halves - 1, fives, fives, halves, halves)))


def fit(
    runs: Runs, starts: Float[ndarray, "S 5"] | None = None, delta: float = DELTA, keep: int = 20
) -> tuple[Law, float]:
    """The law of least Huber loss, and that loss. All starts go a little way, the best ``keep`` all of it."""
    if len(runs.losses) < 6:
        raise ValueError(
            f"scaling: {len(runs.losses)} runs cannot fix five constants; make at least six, "
            f"of several sizes and lengths"
        )
    starts = grid() if starts is None else starts
    scale = 1 / (delta * len(runs.losses))  # so that values are of the size of a mean residual

    def f(theta: Rows, which: ndarray) -> tuple[Value, Rows]:
        value, grad = objective(theta, runs, np.ones((1, len(runs.losses))), delta)
        return scale * value, scale * grad

    theta, value = lbfgs(f, starts, steps=20)
    theta, value = lbfgs(f, theta[np.argsort(value)[:keep]], steps=600)
    best = int(np.argmin(value))
    return as_law(theta[best]), float(value[best] / scale)


def as_law(theta: Float[ndarray, " 5"]) -> Law:
    e, a, b, alpha, beta = theta.tolist()
    return Law(float(np.exp(e)), float(np.exp(a)), float(np.exp(b)), alpha, beta)


def as_theta(law: Law) -> Float[ndarray, " 5"]:
    return np.array([*np.log(law[:3]), *law[3:]])


def bootstrap(runs: Runs, law: Law, n: int = 200, seed: int = 0, delta: float = DELTA) -> list[Law]:
    """``n`` laws, each fitted to as many runs drawn with replacement, starting from ``law``.

    To draw a run twice is to give it the weight 2, so all resamples are one batch.
    """
    rng, m = np.random.default_rng(seed), len(runs.losses)
    weights = rng.multinomial(m, np.full(m, 1 / m), size=n) / (m * delta)
    theta, _ = lbfgs(
        lambda x, which: objective(x, runs, weights[which], delta), np.tile(as_theta(law), (n, 1)), steps=300
    )
    return [as_law(row) for row in theta]


def residuals(runs: Runs, law: Law) -> Float[ndarray, " n"]:
    """log measured - log predicted: 0.01 is one percent."""
    return np.log(runs.losses) - np.log(law.loss(runs.n_params, runs.tokens))


def interval(values: Float[ndarray, " n"], share: float = 0.9) -> tuple[float, float]:
    """The middle ``share`` of the values.

    >>> interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
