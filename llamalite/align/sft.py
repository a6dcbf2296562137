"""Supervised fine-tuning: a model that continues texts learns to answer.

The loss is that of pretraining, on fewer tokens: only what the assistant says is learnt, with the token
that ends it. Dialogues fill a row together (packing) or one row each; both give the same losses and
gradients. What it leaves out: tools, and where the answers come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llamalite.align.chat import Format, Message
from llamalite.align.tuning import Learner, Metrics, Tuning, drawn, run_steps
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.in_torch.llama import Llama, build_table
from llamalite.text.tokenization.tokenizer import Tokenizer

Forward = Callable[..., Float[Tensor, "B T V"]]


# --- what is learnt of a dialogue ------------------------------------------------------------------


class Example(NamedTuple):
    """Ids of a text, and of each: is it learnt? ``trained[t]`` is about predicting ``ids[t]``."""

    ids: list[int]
    trained: list[bool]


def encode_dialogue(
    format: Format, tokenizer: Tokenizer, messages: Sequence[Message], last_only: bool = False
) -> Example:
    """A dialogue that ends with the assistant's turn. Its answers are learnt, each with its end token.

    ``last_only`` leaves out the answers of earlier turns, as Llama 2 does for Ghost Attention (facts E3).
    """
    if not messages or messages[-1].role != "assistant":
        raise ValueError("sft: the last turn must be the assistant's, or there is nothing to learn")
    ids: list[int] = []
    trained: list[bool] = []
    for i, message in enumerate(messages):
        if message.role == "assistant":
            prompt = format.encode(tokenizer, messages[:i])  # begins with all that was said before
            answer = format.answer(tokenizer, messages[: i + 1])
            learnt = not last_only or i == len(messages) - 1
            trained += [False] * (len(prompt) - len(ids)) + [learnt] * len(answer)
            ids = [*prompt, *answer]
    return Example(ids, trained)


def encode_pair(format: Format, tokenizer: Tokenizer, request: str, answer: str) -> Example:
    """One question and its answer."""
    return encode_dialogue(format, tokenizer, [Message("user", request), Message("assistant", answer)])


def encode_text(tokenizer: Tokenizer, text: str) -> Example:
    """A text to continue, as in pretraining: all of it is learnt, but for the token that begins it."""
    ids = tokenizer.encode(text, bos=True, eos=True)
    return Example(ids, [False] + [True] * (len(ids) - 1))


# --- rows ------------------------------------------------------------------------------------------


class Rows(NamedTuple):
    """Examples as one tensor. Padding stands on the right; its document is -1 and it is never trained."""

    tokens: Int[Tensor, "B T"]
    trained: Bool[Tensor, "B T"]
    document: Int[Tensor, "B T"]  # number of the example within its row
    positions: Int[Tensor, "B T"]  # within its example


# Below, U = T - 1: every token of a row is predicted but the first.


def as_rows(packed: Sequence[Sequence[Example]], length: int = 0) -> Rows:
    """One row for each group of examples, as long as the longest or as ``length``."""
    length = max(length, *(sum(len(e.ids) for e in row) for row in packed))

    def filled(values: list, blank) -> list:
        return values + [blank] * (length - len(values))

    columns = [
        ([i for e in row for i in e.ids], [t for e in row for t in e.trained],
         [n for n, e in enumerate(row) for _ in e.ids], [p for e in row for p in range(len(e.ids))])
        for row in packed
    ]  # fmt: skip
    kinds = zip(zip(*columns, strict=True), (0, False, -1, 0), strict=True)
    return Rows(*(torch.tensor([filled(row, blank) for row in rows]) for rows, blank in kinds))


def pad(examples: Sequence[Example]) -> Rows:
    """A row each. What stands behind an example cannot be seen from it: attention is causal."""
    return as_rows([[example] for example in examples])


def pack(examples: Sequence[Example], length: int) -> list[list[Example]]:
    """Groups of examples that fit into ``length`` tokens: longest first, each into the first with room.

    >>> short, long = Example([1], [True]), Example([1, 2, 3], [True] * 3)
    >>> [[len(e.ids) for e in row] for row in pack([short, long, long, short, short], length=4)]
    [[3, 1], [3, 1], [1]]
    """
    rows: list[list[Example]] = []
    room: list[int] = []
    for example in sorted(examples, key=lambda e: -len(e.ids)):
        n = len(example.ids)
        if n > length:
            raise ValueError(f"sft: an example has {n} tokens, and a row holds {length}; make rows longer")
        i = next((i for i, left in enumerate(room) if left >= n), None)
        if i is None:
            i = len(rows)
            rows.append([])
            room.append(length)
        rows[i].append(example)
        room[i] -= n
    return rows


def document_mask(document: Int[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
    """Nobody looks ahead, and nobody looks into another dialogue of the same row.

    >>> document_mask(torch.tensor([[0, 0, 1]]))[0].int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    """
    same = document[:, :, None] == document[:, None, :]
    return same.tril()


# --- the loss --------------------------------------------------------------------------------------


def token_logprobs(logits: Float[Tensor, "B T V"], tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T-1"]:
    """log p(token t | tokens before it) for every token but the first; float32 at least."""
    return -cross_entropy(logits[:, :-1], tokens[:, 1:])


def predicted(rows: Rows) -> Bool[Tensor, "B U"]:
    """Which of ``token_logprobs`` count: the trained tokens that follow one of their own example."""
    return rows.trained[:, 1:] & (rows.document[:, 1:] == rows.document[:, :-1])


def sft_losses(logprobs: Float[Tensor, "*B"], counts: Bool[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """The loss of each token in nats: minus its log-probability where it counts, else nothing."""
    return torch.where(counts, -logprobs, torch.zeros_like(logprobs))


def mean_over(values: Float[Tensor, "*B"], counts: Bool[Tensor, "*B"]) -> Float[Tensor, ""]:
    """The mean of what counts. Divided by all, it would depend on how long the questions happen to be."""
    return (values * counts).sum() / counts.sum().clamp(min=1)


def logprobs_of(forward: Forward, rows: Rows, packed: bool = False) -> Float[Tensor, "B U"]:
    """``token_logprobs`` of a model. Only packed rows need their positions and the mask said."""
    context = {"positions": rows.positions, "mask": document_mask(rows.document)} if packed else {}
    return token_logprobs(forward(rows.tokens, **context), rows.tokens)


def sft_loss(forward: Forward, rows: Rows, packed: bool = False) -> Float[Tensor, ""]:
    counts = predicted(rows)
    return mean_over(sft_losses(logprobs_of(forward, rows, packed), counts), counts)


# --- the stage -------------------------------------------------------------------------------------


def forward_of(model: Llama) -> Forward:
    """The model with a RoPE table that is built once."""
    weight = model.tok_embeddings.weight
    return partial(model, table=build_table(model.cfg, dtype=weight.dtype, device=weight.device))


def fine_tune(
    model: Llama,
    examples: Sequence[Example],
    how: Tuning,
    folder: Path | None = None,
    *,
    length: int = 0,
    resume: bool = False,
    after_step: Callable[[int], None] = lambda done: None,
) -> list[Metrics]:
    """Train ``model`` on the examples, ``how.batch_size`` of them a step; the metrics of every step.

    ``length`` packs each batch into rows of so many tokens; 0 gives each example a row. All examples count
    by their tokens either way: the loss is a mean over the trained tokens of a batch.
    """
    check_lengths(examples, model.cfg.max_seq_len)
    forward, device = forward_of(model), model.tok_embeddings.weight.device
    learner = Learner.of(model.train(), how)

    def step(i: int) -> Metrics:
        batch = [examples[j] for j in drawn(len(examples), i, how.batch_size, how.seed)]
        rows = as_rows(pack(batch, length), length) if length else pad(batch)
        rows = Rows(*(column.to(device) for column in rows))
        metrics = learner.learn(sft_loss(forward, rows, packed=length > 0), i)
        return metrics | {"tokens": int(predicted(rows).sum())}

    options = {"resume": resume, "save_every": how.save_every, "after_step": after_step}
    made = run_steps(how.steps, step, {"model": learner}, folder, **options)
    model.eval()
    return made


def check_lengths(examples: Sequence[Example], most: int) -> None:
    if not examples:
        raise ValueError("sft: there is no example to learn from")
    longest = max(len(e.ids) for e in examples)
    if longest > most:
        raise ValueError(
            f"sft: an example has {longest} tokens, and the model's context is {most}; leave out long ones"
        )


@torch.no_grad()
def held_out_loss(forward: Forward, examples: Sequence[Example], batch_size: int = 64) -> float:
    """Nats a trained token, each example once."""
    total, n = 0.0, 0
    for i in range(0, len(examples), batch_size):
        rows = pad(examples[i : i + batch_size])
        counts = predicted(rows)
        total += sft_losses(logprobs_of(forward, rows), counts).double().sum().item()
        n += int(counts.sum())
    return total / n
