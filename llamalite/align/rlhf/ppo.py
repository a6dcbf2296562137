"""Proximal policy optimisation, in plain functions of log-probabilities, values and masks.

Every function takes (B, T) tensors of which ``counts`` says what belongs to an answer, and returns a value a
token; nothing is reduced before it is asked for. ``ppo_training.py`` is the loop around them. What it leaves
out: an entropy bonus, and the γ, λ and value model of Llama 2, which were never published (facts H1).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Estimator = Literal["k1", "k2", "k3"]


# --- how far from the reference --------------------------------------------------------------------


def kl_estimates(
    logprobs: Float[Tensor, "*B"], reference: Float[Tensor, "*B"], which: Estimator = "k1"
) -> Float[Tensor, "*B"]:
    """KL(π ‖ π_ref) at each token that π drew, from the two log-probabilities of that token alone.

    With x = log π - log π_ref: k1 = x is right on average and noisy; k2 = x²/2 is steadier and a little off;
    k3 = exp(-x) - 1 + x is right on average, and never negative (Schulman 2020).

    >>> half, quarter = torch.tensor(0.5).log(), torch.tensor(0.25).log()
    >>> [round(kl_estimates(half, quarter, k).item(), 4) for k in ("k1", "k2", "k3")]
    [0.6931, 0.2402, 0.1931]
    """
    x = logprobs - reference
    if which == "k1":
        return x
    return x.square() / 2 if which == "k2" else torch.expm1(-x) + x


def token_rewards(
    scores: Float[Tensor, " B"],
    kl: Float[Tensor, "B T"],
    counts: Bool[Tensor, "B T"],
    beta: float,
) -> Float[Tensor, "B T"]:
    """-β·KL at every token of an answer, and what the whole answer is worth at its last (facts H3)."""
    places = torch.arange(counts.shape[1], device=counts.device)
    last = torch.where(counts, places, -1).amax(1, keepdim=True)
    return -beta * kl * counts + scores[:, None] * (places == last)


# --- who did how well ------------------------------------------------------------------------------


def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    counts: Bool[Tensor, "B T"],
    gamma: float = 1.0,
    lam: float = 0.95,
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """(advantages, returns) by generalised advantage estimation, backwards over each answer (facts H3).

    δ_t = r_t + γ V_{t+1} - V_t and Â_t = δ_t + γλ Â_{t+1}. Behind an answer nothing is expected: V and Â are
    0 there, whatever the model says of padding.
    """
    advantages = torch.zeros_like(rewards)
    ahead = value_ahead = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        here = counts[:, t]
        delta = rewards[:, t] + gamma * value_ahead - values[:, t]
        ahead = torch.where(here, delta + gamma * lam * ahead, 0.0)
        value_ahead = torch.where(here, values[:, t], 0.0)
        advantages[:, t] = ahead
    return advantages, torch.where(counts, advantages + values, 0.0)


def whiten(x: Float[Tensor, "*B"], counts: Bool[Tensor, "*B"], eps: float = 1e-8) -> Float[Tensor, "*B"]:
    """Mean 0 and variance 1 over what counts, 0 elsewhere."""
    n = counts.sum()
    mean = (x * counts).sum() / n
    variance = ((x - mean).square() * counts).sum() / n
    return (x - mean) / (variance + eps).sqrt() * counts


# --- the clipped losses ----------------------------------------------------------------------------


def policy_losses(
    logprobs: Float[Tensor, "*B"],
    old: Float[Tensor, "*B"],
    advantages: Float[Tensor, "*B"],
    clip: float = 0.2,
) -> Float[Tensor, "*B"]:
    """-min(ρ Â, clip(ρ, 1 - ε, 1 + ε) Â) with ρ = π / π_old (PPO, eq. 7): no reason to go further than ε."""
    ratio = (logprobs - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_losses(
    values: Float[Tensor, "*B"],
    old: Float[Tensor, "*B"],
    returns: Float[Tensor, "*B"],
    clip: float = 0.2,
) -> Float[Tensor, "*B"]:
    """Half the squared error, or that of the value held within ε of the old one, whichever is larger."""
    near = old + (values - old).clamp(-clip, clip)
    return torch.maximum((values - returns).square(), (near - returns).square()) / 2


# --- Llama 2's two rewards -------------------------------------------------------------------------

SAFE = 0.15  # facts H1: below it the safety model has precision 0.89 and recall 0.55 on Meta's test


def llama2_reward(
    helpful: Float[Tensor, " B"], safe: Float[Tensor, " B"], about_safety: Bool[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Two probabilities become one reward: whiten(logit(R_c)), where R_c is the safety model's where the
    prompt is about safety or the answer is unsafe, and else the helpfulness model's (facts H1).

    An exhibit: nothing in this book needs a second reward. Whitening is over the batch.
    """
    combined = torch.where(about_safety | (safe < SAFE), safe, helpful)
    return whiten(torch.logit(combined), torch.ones_like(about_safety))


def explained_variance(
    values: Float[Tensor, "*B"], returns: Float[Tensor, "*B"], counts: Bool[Tensor, "*B"]
) -> float:
    """1 - Var(returns - values) / Var(returns): 1 foresees everything, 0 is no better than their mean."""
    apart, all_ = (returns - values)[counts], returns[counts]
    return 1 - (apart.var(correction=0) / all_.var(correction=0).clamp(min=1e-12)).item()
