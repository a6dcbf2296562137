"""Choosing the next token: greedy, at a temperature, among the likeliest, without repeating itself.

Each rule is a function of one distribution and can be used alone; ``sample`` puts them in their order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sample(
    logits: Float[Tensor, "*B V"],
    temperature: float = 0.6,
    top_p: float = 0.9,
    generator: torch.Generator | None = None,
    *,
    top_k: int = 0,
    min_p: float = 0.0,
) -> Int[Tensor, "*B"]:
    """Draw one token a row. The defaults are Meta's for Llama 2 and 3 (facts B7).

    ``temperature`` 0 takes the likeliest token; 1 the model's own distribution. ``top_p`` 1, ``top_k`` 0
    and ``min_p`` 0 keep every token. The order is temperature, top-k, top-p, min-p, each on what the one
    before has left and made to add up to one again; Hugging Face's is the same.
    """
    if temperature < 0 or not 0 <= top_p <= 1:
        raise ValueError(
            f"sample: temperature {temperature} must be at least 0, top_p {top_p} between 0 and 1"
        )
    if top_k < 0 or not 0 <= min_p <= 1:
        raise ValueError(f"sample: top_k {top_k} must be at least 0 (all), min_p {min_p} between 0 and 1")
    if temperature == 0:
        return logits.argmax(-1)
    probs = torch.softmax(logits.float() / temperature, dim=-1)
    if 0 < top_k < probs.shape[-1]:
        probs = keep_top_k(probs, top_k)
    probs = keep_top(probs, top_p)
    if min_p > 0:
        probs = keep_min_p(probs, min_p)
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


def keep_top_k(probs: Float[Tensor, "*B V"], top_k: int) -> Float[Tensor, "*B V"]:
    """Keep the ``top_k`` likeliest tokens, of equals the first; renormalise. 1 leaves nothing to chance.

    >>> keep_top_k(torch.tensor([0.125, 0.5, 0.25, 0.125]), 3).tolist()
    [0.1428571492433548, 0.5714285969734192, 0.2857142984867096, 0.0]
    """
    ranked, order = probs.sort(dim=-1, descending=True, stable=True)
    kept = ranked[..., :top_k]
    kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order[..., :top_k], kept)


def keep_min_p(probs: Float[Tensor, "*B V"], min_p: float) -> Float[Tensor, "*B V"]:
    """Keep tokens at least ``min_p`` times as likely as the likeliest (arXiv:2407.01082); renormalise.

    >>> keep_min_p(torch.tensor([0.125, 0.5, 0.25, 0.125]), 0.5).tolist()
    [0.0, 0.6666666865348816, 0.3333333432674408, 0.0]
    """
    kept = probs.masked_fill(probs < min_p * probs.amax(dim=-1, keepdim=True), 0.0)
    return kept / kept.sum(dim=-1, keepdim=True)


def penalise_repeats(
    logits: Float[Tensor, " V"], seen: Collection[int], penalty: float
) -> Float[Tensor, " V"]:
    """Logits of tokens that were ``seen``, divided by ``penalty`` if positive, else multiplied by it.

    Once a token, however often it was seen; 1 changes nothing. CTRL (arXiv:1909.05858, section 4.1), where
    the penalty comes from, divides whatever the sign, which makes a token with a negative logit likelier;
    multiplying those is the repair of Hugging Face's library, whose rule this is.

    >>> penalise_repeats(torch.tensor([2.0, -2.0, 1.0]), [0, 1, 1], 2.0).tolist()
    [1.0, -4.0, 1.0]
    """
    if penalty <= 0:
        raise ValueError(f"repetition penalty {penalty} must be positive; 1 changes nothing, 1.2 discourages")
    ids = torch.tensor(sorted(set(seen)), device=logits.device)
    old = logits[ids]
    return logits.scatter(0, ids, torch.where(old > 0, old / penalty, old * penalty))


def choose(
    logits: Float[Tensor, " V"],
    seen: Sequence[int],
    repetition_penalty: float = 1.0,
    **sampling: Any,
) -> int:
    """The next token after ``seen``: the penalty first, then ``sample`` with what is said in ``sampling``."""
    if repetition_penalty != 1:
        logits = penalise_repeats(logits, seen, repetition_penalty)
    return int(sample(logits, **sampling))
