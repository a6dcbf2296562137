"""Rollouts: many answers at once, written with a preallocated cache, and then read again as rows.

``in_torch/generation.py`` chooses token by token with every rule there is; here a whole batch is sampled
at one temperature, as learning needs it. What it leaves out: top-p and the like, which would make the
log-probabilities of the policy other than those of the sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llamalite.align.sft import Example, forward_of
from llamalite.in_torch.generation import pad_left, positions_and_mask
from llamalite.in_torch.llama import Llama, build_cache

Ids = list[int]
# The prompts' numbers and the finished texts → what each is worth.
Reward = Callable[[Sequence[int], Sequence[Example]], Float[Tensor, " B"]]


@torch.no_grad()
def sample(
    model: Llama,
    prompts: Sequence[Ids],
    n: int,
    stop_ids: set[int],
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    batch_size: int = 256,
) -> list[Ids]:
    """An answer of up to ``n`` tokens for every prompt, with the token that ended it, if one did."""
    found: list[Ids] = []
    for i in range(0, len(prompts), batch_size):
        batch = prompts[i : i + batch_size]
        found += sample_batch(model, batch, n, stop_ids, temperature, generator)
    return found


def sample_batch(
    model: Llama,
    prompts: Sequence[Ids],
    n: int,
    stop_ids: set[int],
    temperature: float,
    generator: torch.Generator | None,
) -> list[Ids]:
    weight = model.tok_embeddings.weight
    unseen, pads = pad_left(prompts, weight.device)
    length = unseen.shape[1]
    n = min(n, model.cfg.max_seq_len - length)
    if n < 1:
        raise ValueError(f"sample: a prompt of {length} tokens fills the context; shorten it")
    forward = forward_of(model)
    cache = build_cache(model.cfg, len(prompts), length + n, weight.dtype, weight.device)
    stops = torch.tensor(sorted(stop_ids), device=weight.device)
    done = torch.zeros(len(prompts), dtype=torch.bool, device=weight.device)
    written: list[Int[Tensor, " B"]] = []
    for i in range(n):
        positions, mask = positions_and_mask(pads, unseen.shape[1], length + i)
        logits = forward(unseen, positions=positions, mask=mask, cache=cache)[:, -1]
        token = choose_all(logits, temperature, generator)
        written.append(torch.where(done, -1, token))  # -1: nothing is said any more
        done = done | torch.isin(token, stops)
        if bool(done.all()):
            break
        unseen = token[:, None]
    rows = torch.stack(written, dim=1).tolist()
    return [[token for token in row if token >= 0] for row in rows]


def choose_all(
    logits: Float[Tensor, "B V"], temperature: float, generator: torch.Generator | None
) -> Int[Tensor, " B"]:
    """A token a row: the likeliest at temperature 0, else a draw."""
    if temperature == 0:
        return logits.argmax(-1)
    shares = (logits.float() / temperature).softmax(-1)
    return torch.multinomial(shares, 1, generator=generator)[:, 0]


def as_examples(prompts: Sequence[Ids], answers: Sequence[Ids]) -> list[Example]:
    """Prompt and answer as one text, of which the answer counts, with its end where it has one."""
    return [
        Example([*p, *a], [False] * len(p) + [True] * len(a)) for p, a in zip(prompts, answers, strict=True)
    ]
