"""The prefill/decode loops: token after token, for one prompt or for many.

``generate`` knows any model that is called as ``model(tokens, cache=cache)``, and ``generate_batch`` any
that also takes ``positions`` and ``mask``: a Llama, or a toy in a test. What it leaves out: beams
(``beam_search.py``), speculative decoding, requests that come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llamalite.in_torch.sampling import choose


@runtime_checkable
class Cache(Protocol):
    """What the loop must know of a cache: how full it is. Setting 0 empties it."""

    length: int


# --- one text ------------------------------------------------------------------------------------------


@torch.no_grad()
def generate(
    model: Callable[..., Float[Tensor, "B T V"]],
    tokens: Sequence[int],
    n: int,
    *,
    max_seq_len: int,
    cache: Cache | None = None,
    stop_ids: Collection[int] = (),
    device: torch.device | str | None = None,
    **sampling: Any,
) -> Iterator[int]:
    """Yield up to ``n`` tokens that continue ``tokens``, one by one; end before one of ``stop_ids``.

    ``sampling`` is what ``choose`` takes: temperature, top_p, top_k, min_p, repetition_penalty, generator.

    With a cache (of at least ``max_seq_len`` positions) the prompt is read once and each token
    after it alone; without one the whole context is read again for every token. Both give the same
    tokens. When the context is full, its last half is kept and read anew: positions restart at 0,
    and what came before is forgotten.
    """
    check_prompt(tokens, max_seq_len)
    context = unseen = list(tokens)
    if cache is not None:
        cache.length = 0
    for _ in range(n):
        logits = model(torch.tensor([unseen], device=device), cache=cache)
        token = choose(logits[0, -1], context, **sampling)
        if token in stop_ids:
            return
        yield token
        context = [*context, token]
        unseen = context if cache is None else [token]
        if len(context) > max_seq_len:
            context = unseen = context[-max(max_seq_len // 2, 1) :]
            if cache is not None:
                cache.length = 0


def check_prompt(tokens: Sequence[int], max_seq_len: int) -> None:
    if not 0 < len(tokens) <= max_seq_len:
        raise ValueError(
            f"generate: the prompt has {len(tokens)} tokens, and the context holds 1 to {max_seq_len}; "
            f"{'give one token at least' if not tokens else f'keep the last {max_seq_len} of them'}"
        )


# --- many texts at once --------------------------------------------------------------------------------


@torch.no_grad()
def generate_batch(
    model: Callable[..., Float[Tensor, "B T V"]],
    prompts: Sequence[Sequence[int]],
    n: int,
    *,
    max_seq_len: int,
    cache: Cache | None = None,
    stop_ids: Collection[int] = (),
    device: torch.device | str | None = None,
    generators: Sequence[torch.Generator] | None = None,
    **sampling: Any,
) -> Iterator[list[int | None]]:
    """Yield up to ``n`` times a token for every prompt, None for those that have met one of ``stop_ids``.

    Prompts of unequal lengths are padded on the left, so that all go on at the same place; a row's
    positions count from its own first token, and nobody looks at padding. The result is that of
    ``generate`` for each prompt alone, up to rounding; with a generator a row, so are the draws.
    Nothing is forgotten here: the longest prompt and what follows it must fit into ``max_seq_len``.
    """
    check_batch(prompts, n, max_seq_len, generators)
    padded, pads = pad_left(prompts, device)
    contexts: list[list[int]] = [list(prompt) for prompt in prompts]
    done = [False] * len(prompts)
    unseen = padded
    if cache is not None:
        cache.length = 0
    for _ in range(n):
        T, S = unseen.shape[1], padded.shape[1]
        positions, mask = positions_and_mask(pads, T, S)
        logits = model(unseen, positions=positions, mask=mask, cache=cache)[:, -1]
        row: list[int | None] = [None] * len(prompts)
        for i, context in enumerate(contexts):
            if not done[i]:
                draw = {} if generators is None else {"generator": generators[i]}
                token = choose(logits[i], context, **sampling, **draw)
                done[i] = token in stop_ids
                row[i] = None if done[i] else token
                context.append(token)
        if all(done):
            return
        yield row
        new = torch.tensor([[context[-1]] for context in contexts], device=device)
        padded = torch.cat((padded, new), dim=1)
        unseen = padded if cache is None else new


def check_batch(
    prompts: Sequence[Sequence[int]], n: int, max_seq_len: int, generators: Sequence[torch.Generator] | None
) -> None:
    if not prompts:
        raise ValueError("generate_batch: there is no prompt; give one at least")
    for prompt in prompts:
        check_prompt(prompt, max_seq_len)
    longest = max(map(len, prompts))
    if longest + n - 1 > max_seq_len:  # the last token is written, and never read
        raise ValueError(
            f"generate_batch: {n} tokens after a prompt of {longest} need a context of {longest + n - 1}, "
            f"and this one holds {max_seq_len}; ask for {max_seq_len - longest + 1} at most"
        )
    if generators is not None and len(generators) != len(prompts):
        raise ValueError(
            f"generate_batch: {len(prompts)} prompts need as many generators, not {len(generators)}"
        )


def pad_left(
    prompts: Sequence[Sequence[int]], device: torch.device | str | None = None
) -> tuple[Int[Tensor, "B T"], Int[Tensor, " B"]]:
    """Prompts that end together, and how many tokens of padding stand before each.

    >>> pad_left([[5, 6, 7], [8]])
    (tensor([[5, 6, 7],
            [0, 0, 8]]), tensor([0, 2]))
    """
    longest = max(map(len, prompts))
    rows = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    pads = [longest - len(prompt) for prompt in prompts]
    return torch.tensor(rows, device=device), torch.tensor(pads, device=device)


def positions_and_mask(
    pads: Int[Tensor, " B"], T: int, S: int
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T S"]]:
    """For the last T of S places: each row's own positions, and what each may look at.

    Padding looks at itself alone, so that its softmax has something to add up; nobody looks at it.

    >>> positions, mask = positions_and_mask(torch.tensor([0, 1]), T=2, S=3)
    >>> positions.tolist(), mask[1].int().tolist()
    ([[1, 2], [0, 1]], [[0, 1, 0], [0, 1, 1]])
    """
    places = torch.arange(S, device=pads.device)
    queries = places[S - T :]
    mask = (places <= queries[:, None]) & (places >= pads[:, None, None])
    mask = mask | (places == queries[:, None])
    return (queries - pads[:, None]).clamp(min=0), mask
