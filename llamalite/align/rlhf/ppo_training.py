"""The loop of PPO: write answers, have them judged, share out the credit, learn a little, begin again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from llamalite.align.rlhf.ppo import (
    Estimator,
    explained_variance,
    gae,
    kl_estimates,
    policy_losses,
    token_rewards,
    value_losses,
    whiten,
)
from llamalite.align.rlhf.reward import with_scalar_head
from llamalite.align.rlhf.rollouts import Reward, as_examples, sample
from llamalite.align.sft import Example, Forward, Rows, forward_of, logprobs_of, mean_over, pad, predicted
from llamalite.align.tuning import Learner, Metrics, Tuning, drawn, generator, run_steps
from llamalite.in_torch.llama import Llama


@dataclass(frozen=True)
class Ppo:
    """As in Llama 2: clip 0.2, one step of the optimiser a mini-batch (facts H1); γ and λ as is usual."""

    policy: Tuning = field(
        default_factory=lambda: Tuning(steps=40, batch_size=128, lr=3e-4, warmup=5, floor=1.0)
    )
    value_lr: float = 1e-3
    minibatch: int = 32
    epochs: int = 2
    kl: float = 0.1  # β, a token
    estimator: Estimator = "k1"
    gamma: float = 1.0
    lam: float = 0.95
    clip: float = 0.2
    unfinished: float = 1.0  # an answer that never ends is worth min(r, 0) minus this
    max_tokens: int = 96
    temperature: float = 1.0


class Rollout(NamedTuple):
    """Answers of the policy as it was, and all that learning from them needs."""

    examples: list[Example]
    rows: Rows
    counts: Bool[Tensor, "B T"]
    logprobs: Float[Tensor, "B T"]
    reference: Float[Tensor, "B T"]
    values: Float[Tensor, "B T"]
    advantages: Float[Tensor, "B T"]
    returns: Float[Tensor, "B T"]
    scores: Float[Tensor, " B"]


def values_of(forward: Forward, rows: Rows) -> Float[Tensor, "B U"]:
    """What is expected before each token but the first, which nobody chose."""
    return forward(rows.tokens)[:, :-1, 0]


@torch.no_grad()
def roll_out(
    policy: Llama,
    value: Llama,
    reference: Forward,
    reward: Reward,
    prompts: Sequence[list[int]],
    chosen: Sequence[int],
    stop_ids: set[int],
    how: Ppo,
    chance: torch.Generator,
) -> Rollout:
    """Answer the prompts with the numbers ``chosen``, and share out what the answers are worth."""
    asked = [prompts[i] for i in chosen]
    answers = sample(policy, asked, how.max_tokens, stop_ids, temperature=how.temperature, generator=chance)
    examples = as_examples(asked, answers)
    rows = pad(examples)
    counts = predicted(rows)
    scores = reward(chosen, examples)
    ended = torch.tensor([a[-1] in stop_ids for a in answers])
    scores = torch.where(ended, scores, scores.clamp(max=0) - how.unfinished)
    logprobs = logprobs_of(forward_of(policy), rows)
    apart = logprobs_of(reference, rows)
    values = values_of(forward_of(value), rows)
    kl = kl_estimates(logprobs, apart, how.estimator)
    advantages, returns = gae(token_rewards(scores, kl, counts, how.kl), values, counts, how.gamma, how.lam)
    advantages = whiten(advantages, counts)
    return Rollout(examples, rows, counts, logprobs, apart, values, advantages, returns, scores)


def learn_from(
    rollout: Rollout, policy: Learner, value: Learner, how: Ppo, step: int, chance: torch.Generator
) -> Metrics:
    """``how.epochs`` times through the rollout, one update of both models a mini-batch."""
    learnt: Metrics = {}
    went: list[Metrics] = []
    forwards = [forward_of(learner.model) for learner in (policy, value)]
    for _ in range(how.epochs):
        for at in torch.randperm(len(rollout.scores), generator=chance).split(how.minibatch):
            rows, counts = Rows(*(column[at] for column in rollout.rows)), rollout.counts[at]
            logprobs = logprobs_of(forwards[0], rows)
            old, advantages = rollout.logprobs[at], rollout.advantages[at]
            loss = mean_over(policy_losses(logprobs, old, advantages, how.clip), counts)
            learnt = policy.learn(loss, step)
            values = values_of(forwards[1], rows)
            errors = value_losses(values, rollout.values[at], rollout.returns[at], how.clip)
            value.learn(mean_over(errors, counts), step)
            went.append(moved(logprobs.detach(), old, counts, how.clip))
    return learnt | {name: sum(one[name] for one in went) / len(went) for name in went[0]}


def moved(
    logprobs: Float[Tensor, "B T"], old: Float[Tensor, "B T"], counts: Bool[Tensor, "B T"], clip: float
) -> Metrics:
    """The share of tokens whose ratio left 1 ± ε, and how far the policy is from the one that drew them."""
    outside = ((logprobs - old).exp() - 1).abs() > clip
    return {
        "clipped": mean_over(outside.float(), counts).item(),
        "update_kl": mean_over(kl_estimates(old, logprobs, "k3"), counts).item(),
    }


def ppo(
    policy: Llama,
    reward: Reward,
    prompts: Sequence[list[int]],
    stop_ids: set[int],
    how: Ppo,
    folder: Path | None = None,
    *,
    value: Llama | None = None,
    reference: Llama | None = None,
    resume: bool = False,
    after_step: Callable[[int, Rollout], None] = lambda done, rollout: None,
) -> list[Metrics]:
    """Train ``policy`` in place; ``how.policy.batch_size`` prompts an iteration. The metrics of each.

    ``value`` (a scalar head; by default one on a copy of the policy) learns to foresee the reward;
    ``reference`` is by default the policy as it comes in, frozen.
    """
    reference_forward = forward_of((reference or copy.deepcopy(policy)).eval())
    value = value or with_scalar_head(policy)
    both = policy.train(), value.train()
    values_how = Tuning(**{**how.policy.__dict__, "lr": how.value_lr})
    learners = {"model": Learner.of(both[0], how.policy), "value": Learner.of(both[1], values_how)}
    last: list[Rollout] = []

    def step(i: int) -> Metrics:
        chance = generator(how.policy.seed, i)
        chosen = drawn(len(prompts), i, how.policy.batch_size, how.policy.seed)
        rollout = roll_out(policy, value, reference_forward, reward, prompts, chosen, stop_ids, how, chance)
        last[:] = [rollout]
        return described(rollout, stop_ids) | learn_from(rollout, *learners.values(), how, i, chance)

    options = {"resume": resume, "save_every": how.policy.save_every, "show": "reward kl"}
    made = run_steps(
        how.policy.steps, step, learners, folder, after_step=lambda done: after_step(done, last[0]), **options
    )
    policy.eval()
    return made


def described(rollout: Rollout, stop_ids: set[int]) -> Metrics:
    """What a rollout was like, before anything is learnt from it; ``kl`` in nats an answer."""
    apart = (rollout.logprobs - rollout.reference) * rollout.counts
    return {
        "reward": rollout.scores.mean().item(),
        "kl": apart.sum(1).mean().item(),
        "explained": explained_variance(rollout.values, rollout.returns, rollout.counts),
        "length": rollout.counts.sum(1).float().mean().item(),
        "ended": sum(e.ids[-1] in stop_ids for e in rollout.examples) / len(rollout.examples),
        "surprise": mean_over(-rollout.logprobs, rollout.counts).item(),
    }
