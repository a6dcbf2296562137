"""Which tokens each step sees: at random for training, every one of them for validation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Int, Integer
from torch import Tensor


def batch(
    ids: Integer[Tensor, " n"],
    step: int,
    batch_size: int,
    seq_len: int,
    seed: int = 0,
    starts: Int[Tensor, " s"] | None = None,
) -> tuple[Integer[Tensor, "B T"], Integer[Tensor, "B T"]]:
    """(inputs, targets) of one step: ``batch_size`` windows from random places, or from random ``starts``.

    A pure function of seed and step, drawn whole before anyone cuts it into micro-batches: a run
    that is resumed, or accumulates differently, sees the same data.
    """
    if len(ids) <= seq_len:
        raise ValueError(
            f"the text to train on has {len(ids)} tokens, and a context of {seq_len} needs {seq_len + 1}; "
            f"give a longer text, or a seq-len below {len(ids)}"
        )
    n_places = len(ids) - seq_len if starts is None else len(starts)
    drawn = torch.from_numpy(np.random.default_rng([seed, step]).integers(0, n_places, size=batch_size))
    first = drawn if starts is None else starts[drawn]
    windows = ids[first[:, None] + torch.arange(seq_len + 1)]
    return windows[:, :-1], windows[:, 1:]


def document_starts(ids: Integer[Tensor, " n"], newline: int, seq_len: int) -> Int[Tensor, " s"]:
    """Where a window of ``seq_len`` tokens can begin with a document: at the second of two newlines.

    >>> document_starts(torch.tensor([7, 1, 1, 8, 9, 1, 1, 8]), newline=1, seq_len=2).tolist()
    [2]
    """
    after_newline = (ids[:-1] == newline) & (ids[1:] == newline)
    places = 1 + after_newline.nonzero()[:, 0]
    return places[places < len(ids) - seq_len]


def windows(
    ids: Integer[Tensor, " n"], batch_size: int, seq_len: int
) -> Iterator[tuple[Integer[Tensor, "B T"], Integer[Tensor, "B T"]]]:
    """(inputs, targets) that predict every token but the first exactly once, in order.

    >>> [y.tolist() for x, y in windows(torch.arange(8), batch_size=2, seq_len=3)]
    [[[1, 2, 3], [4, 5, 6]], [[7]]]
    """
    inputs, targets = ids[:-1], ids[1:]
    whole = len(targets) // seq_len * seq_len
    x, y = inputs[:whole].view(-1, seq_len), targets[:whole].view(-1, seq_len)
    yield from zip(x.split(batch_size), y.split(batch_size), strict=True)
    if whole < len(targets):
        yield inputs[None, whole:], targets[None, whole:]


def document_windows(
    ids: Integer[Tensor, " n"], starts: Int[Tensor, " s"], batch_size: int, seq_len: int
) -> Iterator[tuple[Integer[Tensor, "B T"], Integer[Tensor, "B T"], Bool[Tensor, "B T"]]]:
    """(inputs, targets, counts) that predict every token but the first once, each document from its start.

    A document longer than ``seq_len`` goes on in a window of its own; ``counts`` is false behind its end.
    """
    bounds = [0, *starts[starts > 0].tolist(), len(ids) - 1]
    spans = [
        (a, min(a + seq_len, end)) for begin, end in pairwise(bounds) for a in range(begin, end, seq_len)
    ]
    first, end = torch.tensor(spans).T
    places = first[:, None] + torch.arange(seq_len)
    for at, stop in zip(places.split(batch_size), end.split(batch_size), strict=True):
        counts = at < stop[:, None]
        at = at.clamp(max=len(ids) - 2)
        yield ids[at], ids[at + 1], counts
