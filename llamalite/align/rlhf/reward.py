"""The reward model: a Llama whose head says how good an answer is, learnt from which of two was better.

Bradley and Terry's model makes a probability of two scores; Llama 2 asks for a margin where the
difference was clear. What it leaves out: the second reward model that Llama 2 has for safety.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from llamalite.align.sft import Example, Forward, forward_of, pad
from llamalite.align.tuning import Learner, Metrics, Tuning, drawn, run_steps
from llamalite.in_torch.llama import Llama


class Pair(NamedTuple):
    """Two answers to one prompt, each with its prompt; ``margin`` is what their scores should differ by."""

    chosen: Example
    rejected: Example
    margin: float = 0.0
    strength: str = ""  # how clear the difference was


# --- the loss --------------------------------------------------------------------------------------


def preference_logits(chosen: Float[Tensor, " B"], rejected: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Bradley and Terry: the log-odds that the first is preferred are the difference of the scores."""
    return chosen - rejected


def reward_losses(
    chosen: Float[Tensor, " B"], rejected: Float[Tensor, " B"], margin: Float[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """-log σ(r_chosen - r_rejected - m) of every pair (Llama 2, eq. 2; m = 0 in Llama 3; facts H1, H2).

    With no margin and equal scores it is log 2: the model bets on either.
    """
    return -F.logsigmoid(preference_logits(chosen, rejected) - margin)


# --- the model -------------------------------------------------------------------------------------


def with_scalar_head(model: Llama) -> Llama:
    """A copy whose head has one output, zero at first: ``model(tokens)`` is a score at every position.

    As Llama 2 does: everything stays but the head for the next token, which is replaced (facts H1). The
    same head makes the value model of PPO.
    """
    copied = copy.deepcopy(model)
    weight = model.tok_embeddings.weight
    copied.output = nn.Linear(model.cfg.dim, 1, bias=False, dtype=weight.dtype, device=weight.device)
    nn.init.zeros_(copied.output.weight)
    return copied


def scores_at_end(values: Float[Tensor, "B T 1"], lengths: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """The score where a text ends: only there everything has been read."""
    return values[torch.arange(len(values), device=values.device), lengths - 1, 0]


def score_examples(forward: Forward, examples: Sequence[Example]) -> Float[Tensor, " B"]:
    """One batch, one score each."""
    rows = pad(examples)
    lengths = torch.tensor([len(e.ids) for e in examples])
    return scores_at_end(forward(rows.tokens), lengths)


class RewardModel(NamedTuple):
    """A trained head, and the mean and spread of its scores where it was measured: differences are all
    that it learnt, so that a score means something only beside others."""

    model: Llama
    mean: float = 0.0
    std: float = 1.0

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example], batch_size: int = 128) -> Float[Tensor, " B"]:
        """Whitened scores, without gradients."""
        forward = forward_of(self.model)
        batches = [examples[i : i + batch_size] for i in range(0, len(examples), batch_size)]
        return (torch.cat([score_examples(forward, batch) for batch in batches]) - self.mean) / self.std

    def whitened(self, examples: Sequence[Example]) -> RewardModel:
        """The same model, so that the scores of these examples have mean 0 and spread 1."""
        raw = RewardModel(self.model)(examples)
        return RewardModel(self.model, raw.mean().item(), max(raw.std().item(), 1e-6))


# --- the stage -------------------------------------------------------------------------------------


def train_reward(
    model: Llama,
    pairs: Sequence[Pair],
    how: Tuning,
    folder: Path | None = None,
    *,
    resume: bool = False,
    after_step: Callable[[int], None] = lambda done: None,
) -> list[Metrics]:
    """Train ``model``, which has a scalar head already, on pairs; ``how.batch_size`` of them a step."""
    forward = forward_of(model)
    learner = Learner.of(model.train(), how)

    def step(i: int) -> Metrics:
        batch = [pairs[j] for j in drawn(len(pairs), i, how.batch_size, how.seed)]
        # Both answers in one batch: half the calls, and the same padding for both.
        both = score_examples(forward, [p.chosen for p in batch] + [p.rejected for p in batch])
        chosen, rejected = both[: len(batch)], both[len(batch) :]
        margin = torch.tensor([p.margin for p in batch], dtype=both.dtype)
        right = (chosen > rejected).float().mean().item()
        return learner.learn(reward_losses(chosen, rejected, margin).mean(), i) | {"accuracy": right}

    options = {"resume": resume, "save_every": how.save_every, "after_step": after_step}
    made = run_steps(how.steps, step, {"model": learner}, folder, show="loss accuracy", **options)
    model.eval()
    return made


# --- how good it is --------------------------------------------------------------------------------


def pair_scores(model: RewardModel, pairs: Sequence[Pair]) -> tuple[ndarray, ndarray]:
    """Scores of the chosen and of the rejected answers."""
    chosen, rejected = model([p.chosen for p in pairs]), model([p.rejected for p in pairs])
    return chosen.double().numpy(), rejected.double().numpy()


def accuracy_by(differences: Float[ndarray, " n"], groups: Sequence[str]) -> Mapping[str, tuple[float, int]]:
    """Share of pairs whose chosen answer scored higher, and their number; a tie is half right.

    >>> accuracy_by(np.array([1.0, -1.0, 2.0]), ["better", "better", "much better"])
    {'better': (0.5, 2), 'much better': (1.0, 1)}
    """
    right = (differences > 0) + 0.5 * (differences == 0)
    found = {}
    for group in dict.fromkeys(groups):
        here = right[[g == group for g in groups]]
        found[group] = (float(here.mean()), len(here))
    return found


def calibration(logits: Float[ndarray, " n"], n_bins: int = 10) -> list[tuple[float, float, int]]:
    """Where a model says p, is it right in a share p of cases? (mean confidence, share right, number) a bin.

    ``logits`` are log-odds for the answer that was really preferred. Confidence is in whichever answer
    the model prefers, from 0.5 to 1, in ``n_bins`` equal bins; empty ones are left out.

    >>> calibration(np.array([2.0, 2.0, -2.0]), n_bins=1)
    [(0.881, 0.667, 3)]
    """
    confidence = 1 / (1 + np.exp(-np.abs(logits)))
    right = logits > 0
    bins = np.minimum(((confidence - 0.5) * 2 * n_bins).astype(int), n_bins - 1)
    found = []
    for b in range(n_bins):
        here: Bool[ndarray, " n"] = bins == b
        if here.any():
            found.append(
                (
                    round(float(confidence[here].mean()), 3),
                    round(float(right[here].mean()), 3),
                    int(here.sum()),
                )
            )
    return found
