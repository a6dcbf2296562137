"""How much of what: sources drawn by weights, small ones more than once.

A weight is a share of the tokens that a model is trained on. From it, the size of a source and the length
of the training follows how often the source is read: its epochs. Llama 1 read Wikipedia 2.45 times and
its code 0.64 times (facts F1). Left out: weights that change during training (Llama 3's do, facts F3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights that sum to one.

    >>> shares({"web": 3, "books": 1})
    {'web': 0.75, 'books': 0.25}
    """
    total = sum(weights.values())
    if not weights or min(weights.values()) < 0 or not 0 < total < float("inf"):
        raise ValueError(
            "weights must be at least 0, and one of them above; such as {'web': 0.7, 'code': 0.3}"
        )
    return {name: weight / total for name, weight in weights.items()}


def epochs(weights: Mapping[str, float], sizes: Mapping[str, float], total: float) -> dict[str, float]:
    """How often each source is read in a training on ``total`` tokens; ``sizes`` in tokens.

    >>> epochs({"web": 3, "books": 1}, {"web": 1000, "books": 100}, total=800)
    {'web': 0.6, 'books': 2.0}
    """
    return {name: part * total / sizes[name] for name, part in shares(weights).items()}


def weights_for(wanted: Mapping[str, float], sizes: Mapping[str, float]) -> dict[str, float]:
    """The way back: the shares that read each source ``wanted[name]`` times.

    >>> weights_for({"web": 0.6, "books": 2}, {"web": 1000, "books": 100})
    {'web': 0.75, 'books': 0.25}
    """
    return shares({name: times * sizes[name] for name, times in wanted.items()})


def mixed(
    sources: Mapping[str, Sequence[T]], weights: Mapping[str, float], size: Callable[[T], int], seed: int = 0
) -> Iterator[tuple[str, T]]:
    """An endless stream of (source, document), each time from the source that is furthest behind.

    Behind is counted in ``size``, such as tokens or bytes, so that long documents do not make a source
    heavier than its weight. Every source is read to its end, in a new order, before it begins again.
    """
    wanted = {name: part for name, part in shares(weights).items() if part}
    if empty := [name for name in wanted if not sources[name]]:
        raise ValueError(f"there is no document in {empty[0]!r}; leave it out of the weights, or fill it")
    given = dict.fromkeys(wanted, 0)
    queues = {name: reader(sources[name], Random(f"{seed} {name}")) for name in wanted}
    while True:
        name = min(wanted, key=lambda each: given[each] / wanted[each])
        document = next(queues[name])
        given[name] += max(size(document), 1)
        yield name, document


def reader(documents: Sequence[T], rng: Random) -> Iterator[T]:
    order = list(range(len(documents)))
    while True:
        rng.shuffle(order)
        yield from (documents[i] for i in order)
