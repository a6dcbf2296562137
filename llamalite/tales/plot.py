"""What a tale is before it is told: the steps it takes, and what is drawn at each, with which probability.

A plot is a dict of drawn values: ``{"hero": 17, "time": "spring", "count": 3, …}``. It belongs to no
language. Two plots exist: a ``tale`` of a wish and a helper, and a ``sum`` about the same heroes.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple, Protocol, runtime_checkable

from llamalite.tales import world as w
from llamalite.tales.world import World

Value = int | str
Plot = dict[str, Value]


@runtime_checkable
class Distribution(Protocol):
    """How one value is drawn, given those drawn before it. Probabilities are natural logarithms."""

    def draw(self, rng: Random, plot: Plot) -> tuple[Value, float]: ...

    def logprob(self, value: Value, plot: Plot) -> float: ...

    def entropy(self) -> float:
        """In nats, averaged over what is drawn before it."""
        ...


class Weighted:
    """One of ``options``, with probabilities in proportion to ``weights`` (by default all alike).

    >>> round(Weighted(("heads", "tails")).entropy(), 4)    # log 2
    0.6931
    """

    def __init__(self, options: Sequence[Value], weights: Sequence[float] | None = None):
        weights = weights or [1] * len(options)
        total = sum(weights)
        self.options = list(options)
        self.logs = [math.log(weight / total) for weight in weights]
        self.index = {option: i for i, option in enumerate(self.options)}
        self.cumulative = [c / total for c in accumulate(weights)]
        self.last = len(self.options) - 1  # the cumulative sum may end a hair below one

    def draw(self, rng: Random, plot: Plot) -> tuple[Value, float]:
        i = min(bisect(self.cumulative, rng.random()), self.last)
        return self.options[i], self.logs[i]

    def logprob(self, value: Value, plot: Plot) -> float:
        return self.logs[self.index[value]] if value in self.index else -math.inf

    def entropy(self) -> float:
        return -math.fsum(math.exp(log) * log for log in self.logs)


FIRST = range(2, 100)  # the first number of a sum


class SecondNumber:
    """2 to 99 when it is added, 1 to one less than the first when it is taken away; all alike."""

    def options(self, plot: Plot) -> range:
        return range(2, 100) if plot["op"] == "add" else range(1, int(plot["a"]))

    def draw(self, rng: Random, plot: Plot) -> tuple[Value, float]:
        options = self.options(plot)
        return options[int(rng.random() * len(options))], -math.log(len(options))

    def logprob(self, value: Value, plot: Plot) -> float:
        options = self.options(plot)
        return -math.log(len(options)) if value in options else -math.inf

    def entropy(self) -> float:
        every = [(op, a) for op in OPERATIONS for a in FIRST]
        return math.fsum(math.log(len(self.options({"op": op, "a": a}))) for op, a in every) / len(every)


class Total:
    """What the sum comes to: nothing is drawn."""

    def draw(self, rng: Random, plot: Plot) -> tuple[Value, float]:
        a, b = int(plot["a"]), int(plot["b"])
        return (a + b if plot["op"] == "add" else a - b), 0.0

    def logprob(self, value: Value, plot: Plot) -> float:
        return 0.0 if value == self.draw(Random(), plot)[0] else -math.inf

    def entropy(self) -> float:
        return 0.0


class Step(NamedTuple):
    """One part of a plot, told with this probability; ``draws`` are the values it introduces."""

    name: str
    probability: float
    draws: tuple[str, ...] = ()


OPERATIONS = ("add", "take")
STEPS = {
    "tale": (
        Step("opening", 1.0, ("hero",)),
        Step("craft", 0.5),
        Step("wish", 1.0, ("time", "count", "thing", "place")),
        Step("journey", 0.5, ("weather",)),
        Step("obstacle", 1.0, ("obstacle",)),
        Step("cry", 0.4),
        Step("help", 1.0),
        Step("treat", 0.5),
        Step("thanks", 0.3),
        Step("ending", 1.0, ("mood",)),
    ),
    "sum": (
        Step("have", 1.0, ("hero", "a", "thing")),
        Step("change", 1.0, ("op", "b")),
        Step("sum", 1.0, ("total",)),
        Step("now", 0.5),
    ),
}


def distributions(world: World) -> dict[str, Distribution]:
    """How each value is drawn. Every mood is met often enough to be learnt, the happy one most."""
    return {
        "hero": Weighted(range(world.n_heroes), world.popularity),
        "time": Weighted(w.TIMES),
        "count": Weighted(w.COUNTS),
        "thing": Weighted(w.THINGS),
        "place": Weighted(w.PLACES),
        "weather": Weighted(w.WEATHERS),
        "obstacle": Weighted(tuple(w.OBSTACLES)),
        "mood": Weighted(w.MOODS, (4, 2, 2, 2)),
        "a": Weighted(FIRST),
        "op": Weighted(OPERATIONS),
        "b": SecondNumber(),
        "total": Total(),
    }
