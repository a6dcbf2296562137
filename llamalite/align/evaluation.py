"""How good a stage is: by the oracle, against another stage, and how far from where it began.

What it leaves out: people, and models that judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from llamalite.align.chat import Format, Message
from llamalite.align.rlhf.rollouts import Ids, as_examples, sample
from llamalite.align.sft import forward_of, logprobs_of, pad, predicted
from llamalite.in_torch.llama import Llama
from llamalite.tales.judging import judge
from llamalite.tales.tasks import Request
from llamalite.tales.telling import Tales
from llamalite.text.tokenization.tokenizer import Tokenizer


class Asking(NamedTuple):
    """What is needed to ask a model of requests and to read its answers."""

    tokenizer: Tokenizer
    format: Format
    tales: Tales  # whose judge knows what is right
    max_tokens: int = 96

    def prompt(self, request: str) -> Ids:
        return self.format.encode(self.tokenizer, [Message("user", request)])

    @property
    def stop_ids(self) -> set[int]:
        return self.format.stop_ids(self.tokenizer)

    def text(self, answer: Ids) -> str:
        """What was said; special tokens are no words."""
        return self.tokenizer.decode(answer).strip()


class Judged(NamedTuple):
    """A mark for every answer: the oracle's score from 0 to 1, and whether all its checks passed."""

    score: Float[ndarray, " n"]
    perfect: Float[ndarray, " n"]


def judge_answers(asking: Asking, requests: Sequence[Request], answers: Sequence[Ids]) -> Judged:
    """An answer that never ends loses a fifth of its score, and is not perfect."""
    marks = []
    for request, answer in zip(requests, answers, strict=True):
        found = judge(asking.tales, asking.text(answer), request.asked)
        ended = bool(answer) and answer[-1] in asking.stop_ids
        marks.append((found.score * (1.0 if ended else 0.8), float(found.perfect and ended)))
    score, perfect = np.array(marks).T
    return Judged(score, perfect)


class Evaluation(NamedTuple):
    """Answers to requests, ``repeats`` times each, one after the other, with their marks."""

    answers: list[Ids]
    judged: Judged
    kl: float  # nats an answer from the reference, over these answers; 0 without one
    length: float  # tokens


def evaluate(
    model: Llama,
    asking: Asking,
    requests: Sequence[Request],
    *,
    reference: Llama | None = None,
    repeats: int = 1,
    temperature: float = 1.0,
    seed: int = 0,
) -> Evaluation:
    """Ask, judge, and measure how far away from ``reference`` the model is where it goes."""
    asked = [request for _ in range(repeats) for request in requests]
    prompts = [asking.prompt(request.request) for request in asked]
    chance = torch.Generator().manual_seed(seed)
    answers = sample(
        model, prompts, asking.max_tokens, asking.stop_ids, temperature=temperature, generator=chance
    )
    kl = sequence_kl(model, reference, prompts, answers) if reference is not None else 0.0
    length = sum(map(len, answers)) / len(answers)
    return Evaluation(answers, judge_answers(asking, asked, answers), kl, length)


@torch.no_grad()
def sequence_kl(
    model: Llama, reference: Llama, prompts: Sequence[Ids], answers: Sequence[Ids], batch_size: int = 128
) -> float:
    """Mean of log π(answer) - log π_ref(answer) over answers that the model drew at temperature 1: an
    estimate of KL(π ‖ π_ref) in nats an answer."""
    examples, total = as_examples(prompts, answers), 0.0
    forwards = [forward_of(m) for m in (model, reference)]
    for i in range(0, len(examples), batch_size):
        rows = pad(examples[i : i + batch_size])
        ours, theirs = (logprobs_of(forward, rows) for forward in forwards)
        total += ((ours - theirs) * predicted(rows)).sum().item()
    return total / len(examples)


# --- against another stage -------------------------------------------------------------------------


class WinRate(NamedTuple):
    rate: float
    low: float
    high: float


def win_rate(
    ours: Float[ndarray, " n"], theirs: Float[ndarray, " n"], n_requests: int, seed: int = 0
) -> WinRate:
    """Share of answers that score higher, ties half, with a 95% interval.

    Answers come in repeats of the same ``n_requests``. The interval is a bootstrap over requests: answers to
    one request are alike, and counting them as independent would make it too narrow.
    """
    points = ((ours > theirs) + 0.5 * (ours == theirs)).reshape(-1, n_requests).mean(0)
    rng = np.random.default_rng(seed)
    means = points[rng.integers(0, n_requests, (2000, n_requests))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return WinRate(float(points.mean()), float(low), float(high))
