"""Choosing the next token, and the one after: sampling rules, and the prefill/decode loop.

``generate`` knows any model that is called as ``model(tokens, cache=cache)``: a Llama, or a toy in
a test. What it leaves out: batches, beams, speculative decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class Cache(Protocol):
    """What the loop must know of a cache: how full it is. Setting 0 empties it."""

    length: int


def sample(
    logits: Float[Tensor, "*B V"],
    temperature: float = 0.6,
    top_p: float = 0.9,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "*B"]:
    """Draw one token a row. The defaults are Meta's for Llama 2 and 3 (facts B7).

    ``temperature`` 0 takes the likeliest token; 1 the model's own distribution. ``top_p`` 1 keeps
    every token.
    """
    if temperature < 0 or not 0 <= top_p <= 1:
        raise ValueError(
            f"sample: temperature {temperature} must be at least 0, top_p {top_p} between 0 and 1"
        )
    if temperature == 0:
        return logits.argmax(-1)
    probs = keep_top(torch.softmax(logits.float() / temperature, dim=-1), top_p)
    rows = probs.reshape(-1, probs.shape[-1])
    return torch.multinomial(rows, 1, generator=generator).view(probs.shape[:-1])


def keep_top(probs: Float[Tensor, "*B V"], top_p: float) -> Float[Tensor, "*B V"]:
    """Drop a token when the likelier ones already add up to more than ``top_p``; renormalise.

    Meta's rule (facts B7), so the token that crosses the line stays, and the first always does.

    >>> keep_top(torch.tensor([0.125, 0.5, 0.25, 0.125]), 0.5).tolist()
    [0.0, 0.6666666865348816, 0.3333333432674408, 0.0]
    """
    ranked, order = probs.sort(dim=-1, descending=True, stable=True)
    likelier = ranked.cumsum(dim=-1) - ranked
    kept = ranked.masked_fill(likelier > top_p, 0.0)
    return torch.zeros_like(probs).scatter(-1, order, kept / kept.sum(dim=-1, keepdim=True))


@torch.no_grad()
def generate(
    model: Callable[..., Float[Tensor, "B T V"]],
    tokens: Sequence[int],
    n: int,
    *,
    max_seq_len: int,
    cache: Cache | None = None,
    temperature: float = 0.6,
    top_p: float = 0.9,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
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
        logits = model(torch.tensor([unseen], device=device), cache=cache)
        token = int(sample(logits[0, -1], temperature, top_p, generator))
        yield token
        context = [*context, token]
        unseen = context if cache is None else [token]
        if len(context) > max_seq_len:
            context = unseen = context[-max(max_seq_len // 2, 1) :]
            if cache is not None:
                cache.length = 0
