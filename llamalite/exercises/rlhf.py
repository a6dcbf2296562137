"""Exercises of chapter ``rlhf``: margins, the best of n with ties, returns, clipping, distance."""

from itertools import product

import numpy as np
import torch
from torch.nn import functional as F

from llamalite.align.rlhf import ppo as in_torch
from llamalite.exercises.engine import Exercise, Mistake, Property, normals

# --- rlhf.1: the loss with a margin ------------------------------------------------------------------


def margin_loss(chosen, rejected, margin):
    return np.logaddexp(0, -(chosen - rejected - margin)).mean()


def by_pytorch(chosen, rejected, margin):
    logits = torch.tensor(chosen - rejected - margin)
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)).item()


def loss_with(sign=1, margins=-1.0, of=lambda x: np.logaddexp(0, -x).mean()):
    return lambda chosen, rejected, margin: of(sign * (chosen - rejected) + margins * margin)


MARGIN = Exercise(
    title="margin_loss(chosen, rejected, margin): the mean of -log σ(chosen - rejected - margin)",
    cases=lambda: [
        (*normals((6,), (6,), seed=1), np.array([0, 1 / 3, 2 / 3, 1, 3, 0])),
        (np.array([2.0, 0.5]), np.array([-1.0, 1.0]), np.array([1.0, 2 / 3])),
        (np.array([0.0, -900.0]), np.array([900.0, 0.0]), np.array([3.0, 0.0])),
    ],
    oracle=by_pytorch,
    solution=margin_loss,
    why="-log σ(x) is log(1 + exp(-x)). logaddexp(0, -x) computes it without overflow: for a pair that is "
    "wrong by 900 the loss is 900, where 1 / (1 + exp(900)) would be 0 and its logarithm minus infinity.",
    hints=(
        "A margin makes the pair harder: it is taken off the difference.",
        "-log σ(x) = log(1 + exp(-x)); np.logaddexp(0, -x) is that, and survives x = -900.",
    ),
    mistakes=(
        Mistake("no margin", loss_with(margins=0.0), "the margin is missing"),
        Mistake("added", loss_with(margins=1.0), "you add the margin: clear pairs would become easier"),
        Mistake("exchanged", loss_with(sign=-1), "chosen and rejected are exchanged"),
        Mistake("sum", loss_with(of=lambda x: np.logaddexp(0, -x).sum()), "a sum over pairs: take the mean"),
        Mistake("hinge", loss_with(of=lambda x: np.maximum(0, -x).mean()),
                "that is a hinge: it stops pushing at the margin, where -log σ still has log 2"),
    ),
)  # fmt: skip

# --- rlhf.2: the best of n, where rewards repeat ------------------------------------------------------


def chances_of_best(p, rewards, n):
    found = np.zeros(len(p))
    for level in set(rewards):
        here, below = p * (rewards == level), p[rewards < level].sum()
        found += here / here.sum() * ((below + here.sum()) ** n - below**n)
    return found


def by_enumeration(p, rewards, n):
    """The oracle draws nothing: it visits every row of n answers and shares it among its best draws."""
    found = np.zeros(len(p))
    for row in product(range(len(p)), repeat=n):
        best = [i for i in row if rewards[i] == max(rewards[list(row)])]
        for i in best:
            found[i] += np.prod(p[list(row)]) / len(best)
    return found


def by_levels(of):
    def answer(p, rewards, n):
        found = np.zeros(len(p))
        for level in set(rewards):
            here, below = rewards == level, p[rewards < level].sum()
            upto = below + p[here].sum()
            found[here] = of(p[here] / p[here].sum(), upto**n - below**n, below, upto, n)
        return found

    return answer


def one_by_one(last, p, rewards, n):
    """As in the chapter: one answer after the other by reward, so that one of two equals is the lower."""
    order = np.lexsort((np.arange(len(p)) * (1 if last else -1), rewards))
    found = np.empty(len(p))
    found[order] = np.diff(np.cumsum(p[order]) ** n, prepend=0)
    return found


BANDIT = (np.array([0.4, 0.05, 0.25, 0.3]), np.array([0.2, 3.0, -1.0, 3.0]))
BEST = Exercise(
    title="chances_of_best(p, rewards, n): how probably each answer is the best of n; ties go by lot",
    cases=lambda: [
        (*BANDIT, 3),
        (np.array([0.2, 0.5, 0.1, 0.2]), np.array([5.0, 1.0, 1.0, 2.0]), 4),
        (np.array([0.2, 0.8]), np.array([0.0, 1.0]), 1),
        (np.array([0.2, 0.7, 0.1]), np.array([2.0, 2.0, 2.0]), 5),
    ],
    oracle=by_enumeration,
    solution=chances_of_best,
    why="The best of n is on a level or below exactly if all n draws are: F to the n-th, where F adds up all "
    "that is no better. The difference from the level below is the chance of the level; within it the lot "
    "falls on a draw, and of the draws on this level a share p_i / (their sum) is answer i.",
    hints=(
        "First the levels, not the answers: with which probability are all n draws on this level or below?",
        "That is (the sum of p over all that is no better) ** n; take off the same for the level below.",
        "Share the chance of a level among its answers, by how often each of them is drawn.",
    ),
    mistakes=(
        Mistake("last of equals", lambda *case: one_by_one(True, *case),
                "of two equally good answers you keep the one that stands later; let the lot decide"),
        Mistake("first of equals", lambda *case: one_by_one(False, *case),
                "of two equally good answers you keep the one that stands first; let the lot decide"),
        Mistake("alike", by_levels(lambda share, chance, *_: chance / len(share)),
                "equally good answers are not equally frequent: the lot is drawn among the draws"),
        Mistake("worst", by_levels(lambda share, _, low, high, n: share * ((1 - low) ** n - (1 - high) ** n)),
                "that is the worst of n"),
        Mistake("power", lambda p, rewards, n: p**n / (p**n).sum(),
                "p to the n-th sharpens the likely; the good were asked for"),
        Mistake("greedy", by_levels(lambda share, _, low, high, n: share * (high > 1 - 1e-9)),
                "the best answer of all is not always among the n draws"),
    ),
    properties=(Property("the chances must add up to one", lambda f: np.isclose(f(*BANDIT, 5).sum(), 1)),),
)  # fmt: skip

# --- rlhf.3: what the value model is taught -----------------------------------------------------------


def returns(rewards, values, lengths, gamma, lam):
    found = np.zeros(values.shape)
    for row, length in enumerate(lengths):
        ahead = value_ahead = 0.0
        for t in reversed(range(length)):
            delta = rewards[row, t] + gamma * value_ahead - values[row, t]
            ahead = delta + gamma * lam * ahead
            value_ahead = values[row, t]
            found[row, t] = ahead + value_ahead
    return found


def by_sum(rewards, values, lengths, gamma, lam):
    """The oracle is the sum of facts H3, as a product with a triangle of powers, one answer at a time."""
    found = np.zeros(values.shape)
    for row, n in enumerate(lengths):
        deltas = rewards[row, :n] + gamma * np.append(values[row, 1:n], 0.0) - values[row, :n]
        apart = np.arange(n)[None, :] - np.arange(n)[:, None]
        powers_of = np.where(apart >= 0, (gamma * lam) ** np.maximum(apart, 0), 0.0)
        found[row, :n] = powers_of @ deltas + values[row, :n]
    return found


def credit_with(padding=False, peek=False, ahead_factor=lambda g, lam: g * lam, discount=True, add=1):
    def answer(rewards, values, lengths, gamma, lam):
        found = np.zeros(values.shape)
        for row, n in enumerate(lengths):
            ahead, beyond = 0.0, values[row, n] if peek else 0.0
            for t in reversed(range(values.shape[1] if padding else n)):
                delta = rewards[row, t] + (gamma if discount else 1) * beyond - values[row, t]
                ahead, beyond = delta + ahead_factor(gamma, lam) * ahead, values[row, t]
                found[row, t] = (ahead + add * beyond) * (t < n)
        return found

    return answer


def answers_of(lengths, seed):
    """Rewards and values of some answers; what stands behind their ends is loud and must not matter."""
    rewards, values = normals((len(lengths), max(lengths) + 2), (len(lengths), max(lengths) + 2), seed=seed)
    behind = np.arange(rewards.shape[1]) >= np.array(lengths)[:, None]
    return rewards + 5 * behind, values - 7 * behind, np.array(lengths)


CREDIT = Exercise(
    title="returns(rewards, values, lengths, gamma, lam): V + Â for a batch; 0 behind each answer's end",
    cases=lambda: [
        (*answers_of([5, 2, 7], seed=2), 0.9, 0.8),
        (*answers_of([1, 4], seed=3), 1.0, 0.95),
        (*answers_of([3], seed=4), 0.5, 1.0),
    ],
    oracle=by_sum,
    solution=returns,
    why="Backwards from the end of each answer: what a token brought beyond what was expected (δ), and a "
    "share γλ of the same of all that follow. Behind the last token nothing is expected, whatever the arrays "
    "hold there. The value model should have said V + Â.",
    hints=(
        "δ_t = r_t + γ V_{t+1} - V_t; at the last token of an answer, V_{t+1} is 0.",
        "Â_t = δ_t + γλ Â_{t+1}: go backwards from the last token of each answer, and begin with 0.",
        "The return is Â_t + V_t; the columns from lengths[row] on stay 0.",
    ),
    mistakes=(
        Mistake("from the end of the row", credit_with(padding=True),
                "you begin at the end of the array: padding flows back into the answer"),
        Mistake("bootstrapped", credit_with(peek=True),
                "behind the end nothing is expected: V is 0 there, whatever the array holds"),
        Mistake("no lambda", credit_with(ahead_factor=lambda g, lam: g), "λ is missing from the recursion"),
        Mistake("no gamma", credit_with(ahead_factor=lambda g, lam: lam), "γ is missing before λ"),
        Mistake("V undiscounted", credit_with(discount=False), "γ is missing before V_{t+1}"),
        Mistake("advantages", credit_with(add=0), "those are the advantages; V + Â was asked for"),
    ),
)  # fmt: skip

# --- rlhf.4: where clipping leaves a gradient ---------------------------------------------------------


def pull(ratio, advantage, clip):
    gone_far = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(gone_far, 0.0, ratio * advantage)


def by_autograd(ratio, advantage, clip):
    logprobs = torch.tensor(np.log(ratio), requires_grad=True)
    losses = in_torch.policy_losses(logprobs, torch.zeros_like(logprobs), torch.tensor(advantage), clip)
    losses.sum().backward()
    return -logprobs.grad.numpy()


def pulled(far):
    return lambda ratio, advantage, clip: np.where(far(ratio, advantage, clip), 0.0, ratio * advantage)


CLIP = Exercise(
    title="pull(ratio, advantage, clip): the gradient of PPO's objective for each token's log-probability",
    cases=lambda: [
        (np.array([0.5, 0.9, 1.1, 1.5] * 2), np.repeat([2.0, -3.0], 4), 0.2),
        (np.array([0.2, 1.05, 4.0]), np.array([-1.0, 1.0, -0.5]), 0.1),
    ],
    oracle=by_autograd,
    solution=pull,
    why="Where the lesser of the two is the held one there is no gradient. That is so only for what has gone "
    "far in the right direction: up where the advantage is positive, down where it is negative. Elsewhere "
    "the objective is ρÂ, and since ρ = exp(log π - log π_old), its derivative for log π is ρÂ again.",
    hints=(
        "For which tokens is the lesser of ρÂ and clip(ρ)Â the held one? There the gradient is 0.",
        "Elsewhere the objective is ρÂ; ρ is exp(log π - log π_old): its derivative for log π is ρ itself.",
    ),
    mistakes=(
        Mistake("both sides", pulled(lambda r, a, c: np.abs(r - 1) > c),
                "what went wrong and far is left alone as well: nothing would call it back"),
        Mistake("above only", pulled(lambda r, a, c: r > 1 + c),
                "with a negative advantage, down is the right direction: there it is ρ < 1 - ε that is held"),
        Mistake("wrong side", pulled(lambda r, a, c: np.where(a > 0, r < 1 - c, r > 1 + c)),
                "you hold what went in the wrong direction, and let the rest run"),
        Mistake("not clipped", pulled(lambda r, a, c: r < 0), "nothing is clipped"),
        Mistake("objective", lambda r, a, c: np.minimum(r * a, r.clip(1 - c, 1 + c) * a),
                "that is the objective; where it is held its gradient is 0"),
        Mistake("for the ratio", lambda r, a, c: np.where(pull(r, a, c) == 0, 0.0, a),
                "that is the gradient for the ratio; for its logarithm there is one more factor ρ"),
        Mistake("loss", lambda r, a, c: -pull(r, a, c),
                "that is the gradient of the loss; what is made large has the other sign"),
    ),
)  # fmt: skip

# --- rlhf.5: how far from the reference, seen from there ----------------------------------------------


def other_way(logp, logq):
    weight = np.exp(logq - logp)
    return weight * (logq - logp) - weight + 1


def by_estimator(logp, logq):
    """k3 as draws from q would have it, each weighed by how much more often q would have drawn it."""
    logp, logq = torch.tensor(logp), torch.tensor(logq)
    return ((logq - logp).exp() * in_torch.kl_estimates(logq, logp, "k3")).numpy()


def estimated(of):
    return lambda logp, logq: of(logq - logp)


DISTANCE = Exercise(
    title="other_way(logp, logq): KL(q ‖ p) from tokens that p drew, right on average, never negative",
    cases=lambda: [tuple(-np.abs(x) for x in normals((6,), (6,), seed=5)), (np.log([0.5]), np.log([0.25]))],
    oracle=by_estimator,
    solution=other_way,
    why="KL(q ‖ p) is the mean of log q/p over draws from q. With draws from p each token must be weighed by "
    "w = q/p: w log w. That is right on average and may be negative; 1 - w has mean 0 over draws from p and "
    "pulls against it, and w log w lies above its tangent at 1, which is w - 1.",
    hints=(
        "Write KL(q ‖ p) as a mean over draws from p: every token gets the weight w = q/p.",
        "w log w is right on average, and negative where w < 1. What has mean 0 and pulls against it?",
        "The mean of w over draws from p is 1: add 1 - w.",
    ),
    mistakes=(
        Mistake("k3 of the chapter", estimated(lambda x: np.exp(x) - 1 - x),
                "that is k3 of KL(p ‖ q); the divergence that is asked for begins with q"),
        Mistake("as if q drew", estimated(lambda x: np.exp(-x) - 1 + x),
                "that would be right if q had drawn the tokens; p drew them: weigh each by q / p"),
        Mistake("may be negative", estimated(lambda x: np.exp(x) * x),
                "right on average, but negative where q < p: add something of mean 0 that pulls against it"),
        Mistake("not weighed", estimated(lambda x: x),
                "its mean over draws from p is -KL(p ‖ q): the weights q / p are missing"),
    ),
)  # fmt: skip

EXERCISES = {"rlhf.1": MARGIN, "rlhf.2": BEST, "rlhf.3": CREDIT, "rlhf.4": CLIP, "rlhf.5": DISTANCE}
