"""Direct preference optimisation: pairs of answers, one loss, and no reward model (Rafailov et al. 2023).

Also the two changes that Llama 3 made to it (facts H2), and two that others made. What it leaves out:
where pairs come from.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from llamalite.align.rlhf.reward import Pair
from llamalite.align.sft import Example, Forward, forward_of, logprobs_of, pad, predicted
from llamalite.align.tuning import Learner, Metrics, Tuning, drawn, run_steps
from llamalite.in_torch.llama import Llama

# --- the loss --------------------------------------------------------------------------------------


def answer_logprobs(
    logprobs: Float[Tensor, "B T"], counts: Bool[Tensor, "B T"], average: bool = False
) -> Float[Tensor, " B"]:
    """log π(answer | prompt): the sum over the answer's tokens, or their mean (length-normalised DPO).

    The derivation needs the sum; a mean changes what β means and does not favour long answers.
    """
    total = (logprobs * counts).sum(1)
    return total / counts.sum(1).clamp(min=1) if average else total


def dpo_logits(
    chosen: Float[Tensor, " B"],
    rejected: Float[Tensor, " B"],
    chosen_reference: Float[Tensor, " B"],
    rejected_reference: Float[Tensor, " B"],
    beta: float = 0.1,
) -> Float[Tensor, " B"]:
    """β times how much more the policy prefers the chosen answer than the reference does.

    These are the log-odds of Bradley and Terry for the reward β log(π / π_ref) (facts H3).
    """
    return beta * ((chosen - chosen_reference) - (rejected - rejected_reference))


def dpo_losses(logits: Float[Tensor, " B"], label_smoothing: float = 0.0) -> Float[Tensor, " B"]:
    """-log σ(logit) of every pair; where π = π_ref it is log 2.

    ``label_smoothing`` ε: the labels are believed with 1 - ε (conservative DPO, Mitchell 2023).
    """
    return -(1 - label_smoothing) * F.logsigmoid(logits) - label_smoothing * F.logsigmoid(-logits)


def without_end(counts: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
    """All tokens of an answer but its last: Llama 3 leaves formatting tokens out of the loss (facts H2).

    Headers are part of the prompt here, so that what is left to mask is the token that ends the turn.

    >>> without_end(torch.tensor([[False, True, True, False]])).int().tolist()
    [[0, 1, 0, 0]]
    """
    behind = F.pad(counts[:, 1:], (0, 1))
    return counts & behind


# --- the stage -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dpo:
    """β, and the variants. Llama 3: β 0.1, nll 0.2, mask_end."""

    how: Tuning = field(default_factory=lambda: Tuning(steps=150, lr=1e-4))
    beta: float = 0.1
    nll: float = 0.0  # coefficient of the chosen answer's negative log-likelihood
    nll_per_token: bool = True  # its mean over tokens, or its sum: Llama 3's paper does not say (facts H3)
    preference: float = 1.0  # coefficient of the DPO term; 0 leaves plain likelihood, the control
    mask_end: bool = False
    average: bool = False  # means for sums: length-normalised
    label_smoothing: float = 0.0


def pair_logprobs(
    forward: Forward, pairs: Sequence[Pair], s: Dpo
) -> tuple[Float[Tensor, "2 B"], Float[Tensor, " B"]]:
    """(log-probabilities of chosen and of rejected answers, NLL of the chosen ones).

    The NLL is over the whole answer, its end too: the model must not forget to stop.
    """
    examples: list[Example] = [p.chosen for p in pairs] + [p.rejected for p in pairs]
    rows = pad(examples)
    counts, logprobs = predicted(rows), logprobs_of(forward, rows)
    said = answer_logprobs(logprobs, without_end(counts) if s.mask_end else counts, s.average)
    half = len(pairs)
    return said.view(2, half), -answer_logprobs(logprobs[:half], counts[:half], s.nll_per_token)


@torch.no_grad()
def reference_logprobs(
    model: Llama, pairs: Sequence[Pair], s: Dpo, batch_size: int = 64
) -> Float[Tensor, "2 n"]:
    """Of all pairs, once, for the reference never changes; in eval mode, or dropout would change it."""
    forward = forward_of(model.eval())
    batches = [pairs[i : i + batch_size] for i in range(0, len(pairs), batch_size)]
    return torch.cat([pair_logprobs(forward, batch, s)[0] for batch in batches], dim=1)


def dpo(
    policy: Llama,
    pairs: Sequence[Pair],
    s: Dpo,
    folder: Path | None = None,
    *,
    reference: Llama | None = None,
    resume: bool = False,
    after_step: Callable[[int], None] = lambda done: None,
) -> list[Metrics]:
    """Train ``policy`` in place on pairs; ``reference`` is by default the policy as it comes in.

    ``chosen`` and ``rejected`` in the metrics are how far each side's log-probability has moved.
    """
    known = reference_logprobs(reference or copy.deepcopy(policy), pairs, s)
    learner = Learner.of(policy.train(), s.how)
    forward = forward_of(policy)

    def step(i: int) -> Metrics:
        at = drawn(len(pairs), i, s.how.batch_size, s.how.seed)
        said, nll = pair_logprobs(forward, [pairs[j] for j in at], s)
        base = known[:, at]
        logits = dpo_logits(said[0], said[1], base[0], base[1], s.beta)
        loss = s.preference * dpo_losses(logits, s.label_smoothing).mean() + s.nll * nll.mean()
        moved = (said.detach() - base).mean(1).tolist()
        metrics = {"accuracy": (logits > 0).float().mean().item(), "chosen": moved[0], "rejected": moved[1]}
        return learner.learn(loss, i) | metrics

    options = {"resume": resume, "save_every": s.how.save_every, "after_step": after_step}
    made = run_steps(s.how.steps, step, {"model": learner}, folder, show="loss chosen rejected", **options)
    policy.eval()
    return made


# --- a bandit: the optimum in closed form ----------------------------------------------------------


def regularised_optimum(
    reference: Float[Tensor, " A"], rewards: Float[Tensor, " A"], beta: float
) -> Float[Tensor, " A"]:
    """π*(a) ∝ π_ref(a) exp(r(a) / β): what maximises E[r] - β KL(π ‖ π_ref) (facts H3).

    >>> rewards = torch.tensor([1.0, 3.0]).log()
    >>> [round(p, 4) for p in regularised_optimum(torch.tensor([0.5, 0.5]), rewards, beta=1.0).tolist()]
    [0.25, 0.75]
    """
    return (reference.log() + rewards / beta).softmax(-1)
