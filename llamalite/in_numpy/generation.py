"""The prefill/decode loop: the twin of ``in_torch/generation.py``, for one prompt.

``generate`` knows any model that is called as ``model(tokens, cache=cache)``: what
``llama.as_model`` returns, or a toy in a test.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from llamalite.in_numpy.sampling import sample


@runtime_checkable
class Cache(Protocol):
    """What the loop must know of a cache: how full it is. Setting 0 empties it."""

    length: int


def generate(
    model: Callable[..., Float[ndarray, "B T V"]],
    tokens: Sequence[int],
    n: int,
    *,
    max_seq_len: int,
    cache: Cache | None = None,
    temperature: float = 0.6,
    top_p: float = 0.9,
    generator: np.random.Generator | None = None,
) -> Iterator[int]:
    """Yield ``n`` tokens that continue ``tokens``, one by one.

    With a cache (of at least ``max_seq_len`` positions) the prompt is read once and each token
    after it alone; without one the whole context is read again for every token. Both give the same
    tokens. When the context is full, its last half is kept and read anew: positions restart at 0,
    and what came before is forgotten.
    """
    if not 0 < len(tokens) <= max_seq_len:
        raise ValueError(
            f"generate: the prompt has {len(tokens)} tokens, and the context holds 1 to {max_seq_len}; "
            f"{'give one token at least' if not tokens else f'keep the last {max_seq_len} of them'}"
        )
    context = unseen = list(tokens)
    if cache is not None:
        cache.length = 0
    for _ in range(n):
        logits = model(np.array([unseen]), cache=cache)
        token = int(sample(logits[0, -1], temperature, top_p, generator))
        yield token
        context = [*context, token]
        unseen = context if cache is None else [token]
        if len(context) > max_seq_len:
            context = unseen = context[-max(max_seq_len // 2, 1) :]
            if cache is not None:
                cache.length = 0
