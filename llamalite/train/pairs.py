"""Training on pairs: something that is given, and the answer to it. Only the answer is learnt.

Works for an encoder–decoder, which reads the given and writes the answer, and for a decoder-only model,
for which both are one text. ``begin`` stands before every answer and ``end`` behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from llamalite.in_torch.attention import KVCache
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.in_torch.encoder_decoder import EncoderDecoder
from llamalite.in_torch.generation import generate
from llamalite.in_torch.llama import Llama, build_cache
from llamalite.train.schedule import learning_rate

Ids = Sequence[int]


class Pair(NamedTuple):
    given: Ids
    answer: Ids


def pad(rows: Sequence[Ids]) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Rows filled up to the longest, and where they are real.

    >>> pad([[5, 6], [7]])[0].tolist(), pad([[5, 6], [7]])[1].int().tolist()
    ([[5, 6], [7, 0]], [[1, 1], [1, 0]])
    """
    lengths = torch.tensor([len(row) for row in rows])
    longest = int(lengths.max())
    tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    return tokens, torch.arange(longest) < lengths[:, None]


def encoder_decoder_losses(
    model: EncoderDecoder, pairs: Sequence[Pair], begin: int, end: int
) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """The loss of each token of the answers, ``end`` included, and where there is one."""
    source, real = pad([pair.given for pair in pairs])
    rows, there = pad([[begin, *pair.answer, end] for pair in pairs])
    return cross_entropy(model(source, rows[:, :-1], real), rows[:, 1:]), there[:, 1:]


def prompted_losses(
    model: Callable[..., Float[Tensor, "B T V"]],
    pairs: Sequence[Pair],
    begin: int,
    end: int,
    prefix: bool = False,
) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """The same for one text of both, ``given begin answer end``; nothing is learnt from the given.

    With ``prefix`` the tokens of the given see each other both ways (Raffel et al. 2019, §3.2.1).
    """
    rows, there = pad([[*pair.given, begin, *pair.answer, end] for pair in pairs])
    n_given = torch.tensor([len(pair.given) for pair in pairs])
    mask = prefix_mask(n_given, rows.shape[1] - 1) if prefix else None
    answers = there[:, 1:] & (torch.arange(rows.shape[1] - 1) >= n_given[:, None])
    return cross_entropy(model(rows[:, :-1], mask=mask), rows[:, 1:]), answers


def prefix_mask(n_given: Int[Tensor, " B"], T: int) -> Bool[Tensor, "B T T"]:
    """Causal, and open for everybody on the first ``n_given`` tokens of each row.

    >>> prefix_mask(torch.tensor([2]), 3).int().tolist()
    [[[1, 1, 0], [1, 1, 0], [1, 1, 1]]]
    """
    places = torch.arange(T)
    return (places <= places[:, None]) | (places < n_given[:, None, None])


def fit(
    model: nn.Module,
    losses_of: Callable[[Sequence], tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]],
    examples: Sequence,
    *,
    steps: int,
    batch_size: int = 24,
    lr: float = 1e-2,
    warmup: int = 20,
    seed: int = 0,
    after_step: Callable[[int, float], None] = lambda done, loss: None,
) -> list[float]:
    """AdamW with warm-up and cosine on random batches of ``examples``; the mean loss of every step.

    ``losses_of`` maps a batch to the losses of its tokens and where they count: their mean is what is
    made small, so that a long answer counts for more than a short one.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.01)
    rng, found = np.random.default_rng(seed), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, lr, warmup, steps)
        drawn = rng.choice(len(examples), min(batch_size, len(examples)), replace=False)
        losses, counts = losses_of([examples[i] for i in drawn])
        loss = (losses * counts).sum() / counts.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found.append(loss.item())
        after_step(step + 1, found[-1])
    return found


def encoder_decoder_answer(
    model: EncoderDecoder, given: Ids, begin: int, end: int, longest: int, cached: bool = True
) -> list[int]:
    """The likeliest token each time, until ``end``. What was given is read once."""
    with torch.no_grad():
        memory = model.encode(torch.tensor([list(given)]), torch.ones(1, len(given), dtype=torch.bool))
        cache = build_cache(model.cfg, 1, longest + 1) if cached else None
        decode = partial(model.decode, memory=memory)
        return until(
            end, generate(decode, [begin], longest, max_seq_len=longest + 1, cache=cache, temperature=0)
        )


def prompted_answer(
    model: Llama, given: Ids, begin: int, end: int, longest: int, prefix: bool = False, cached: bool = True
) -> list[int]:
    """The same from a model for which given and answer are one text."""
    prompt, n = [*given, begin], len(given) + 1 + longest
    cache = build_cache(model.cfg, 1, n) if cached else None
    write = partial(with_open_prefix, model, len(given)) if prefix else model
    return until(end, generate(write, prompt, longest, max_seq_len=n, cache=cache, temperature=0))


def with_open_prefix(
    model: Llama, n_given: int, tokens: Int[Tensor, "B T"], cache: KVCache | None = None
) -> Float[Tensor, "B T V"]:
    """The model with the first ``n_given`` tokens open to all; later tokens see all that is in the cache."""
    if cache is not None and cache.length:
        return model(tokens, cache=cache)
    return model(tokens, mask=prefix_mask(torch.tensor([n_given]), tokens.shape[1]), cache=cache)


def until(end: int, tokens: Iterable[int]) -> list[int]:
    """
    >>> until(2, [5, 6, 2, 7])
    [5, 6]
    """
    return list(takewhile(lambda token: token != end, tokens))
