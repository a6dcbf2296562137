"""Exercises of chapter ``rlhf``: margins, the best of n, credit, clipping, distance."""

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
        "-log σ(x) = log(1 + exp(-x)).",
        "np.logaddexp(0, -x) is that, and survives x = -900.",
    ),
    mistakes=(
        Mistake("no margin", loss_with(margins=0.0), "the margin is missing"),
        Mistake("added", loss_with(margins=1.0), "you add the margin: clear pairs would become easier"),
        Mistake("exchanged", loss_with(sign=-1), "chosen and rejected are exchanged"),
        Mistake("sum", loss_with(of=lambda x: np.logaddexp(0, -x).sum()), "a sum over pairs: take the mean"),
        Mistake("hinge", loss_with(of=lambda x: np.maximum(0, -x).mean()),
                "that is a hinge: it stops pushing at the margin, where -log σ still has log 2"),
        Mistake("mean first", loss_with(of=lambda x: np.logaddexp(0, -x.mean())),
                "the mean belongs around the logarithm: one loss a pair, then their mean"),
    ),
)  # fmt: skip

# --- rlhf.2: the best of n ---------------------------------------------------------------------------


def chances_of_best(p, rewards, n):
    order = np.argsort(rewards)
    chances = np.diff(np.cumsum(p[order]) ** n, prepend=0)
    found = np.empty_like(p)
    found[order] = chances
    return found


def by_enumeration(p, rewards, n):
    """The oracle draws nothing: it visits every row of n answers that there is."""
    found = np.zeros(len(p))
    for row in product(range(len(p)), repeat=n):
        found[max(row, key=lambda i: rewards[i])] += np.prod(p[list(row)])
    return found


def best_with(how):
    def answer(p, rewards, n):
        order = np.argsort(rewards)
        below = np.cumsum(p[order])
        found = np.empty(len(p))
        found[order] = {
            "worst": -np.diff((1 - below) ** n, prepend=1),
            "power": p[order] ** n / (p**n).sum(),
            "among": 1 - (1 - p[order]) ** n,
            "greedy": np.eye(len(p))[-1],
            "density": n * p[order] * below ** (n - 1),
            "once more": np.diff(below ** (n + 1), prepend=0),
        }[how]
        return found

    return answer


def unsorted(p, rewards, n):
    return np.diff(np.cumsum(p) ** n, prepend=0)


BANDIT = (np.array([0.4, 0.05, 0.25, 0.3]), np.array([0.2, 3.0, -1.0, 0.9]))
BEST = Exercise(
    title="chances_of_best(p, rewards, n): with which probability each answer is the best of n draws from p",
    cases=lambda: [
        (*BANDIT, 3),
        (np.array([0.2, 0.5, 0.3]), np.array([5.0, 1.0, 2.0]), 4),
        (np.array([0.2, 0.8]), np.array([0.0, 1.0]), 1),
    ],
    oracle=by_enumeration,
    solution=chances_of_best,
    why="The best of n is no better than an answer exactly if all n draws are no better: F to the n-th, "
    "where F adds up the probabilities of everything that is no better. The differences are the chances.",
    hints=(
        "Sort by reward. Ask first: how probable is it that all n draws are among the i worst?",
        "That is (p_1 + … + p_i) ** n, in order of reward.",
        "np.diff of it, with 0 in front; then put the chances back where their answers stand.",
    ),
    mistakes=(
        Mistake("worst", best_with("worst"), "that is the worst of n"),
        Mistake("power", best_with("power"), "p to the n-th sharpens the likely; the good were asked for"),
        Mistake("among", best_with("among"), "that it is among the n does not mean that it is their best"),
        Mistake("greedy", best_with("greedy"), "the best answer of all is not always among the n draws"),
        Mistake("density", best_with("density"),
                "n p F^(n-1) is the rule for a density; here answers repeat: take differences of F^n"),
        Mistake("unsorted", unsorted, "you add up in the order of the list; it must be that of the rewards"),
        Mistake("once more", best_with("once more"), "you draw n + 1 times"),
    ),
    properties=(
        Property("the chances must add up to one", lambda answer: np.isclose(answer(*BANDIT, 5).sum(), 1)),
    ),
)  # fmt: skip

# --- rlhf.3: credit ----------------------------------------------------------------------------------


def advantages(rewards, values, gamma, lam):
    found, ahead, value_ahead = np.zeros(len(rewards)), 0.0, 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * value_ahead - values[t]
        ahead = delta + gamma * lam * ahead
        value_ahead = values[t]
        found[t] = ahead
    return found


def by_sum(rewards, values, gamma, lam):
    """The oracle is the sum of facts H3, as one product with a triangle of powers."""
    deltas = rewards + gamma * np.append(values[1:], 0.0) - values
    apart = np.arange(len(rewards))[None, :] - np.arange(len(rewards))[:, None]
    return np.where(apart >= 0, (gamma * lam) ** np.maximum(apart, 0), 0.0) @ deltas


def credit_with(
    end=0.0, ahead_factor=lambda g, lam: g * lam, value_factor=lambda g: g, forward=False, minus=1
):
    def answer(rewards, values, gamma, lam):
        after = np.append(values[1:], values[-1] * end)
        deltas = rewards + value_factor(gamma) * after - minus * values
        found, ahead = np.zeros(len(deltas)), 0.0
        for t in range(len(deltas)) if forward else reversed(range(len(deltas))):
            found[t] = ahead = deltas[t] + ahead_factor(gamma, lam) * ahead
        return found

    return answer


def as_printed(rewards, values, gamma, lam):
    """The paper's eq. 11, with T - t + 1 at its last term."""
    T = len(rewards)
    deltas = rewards + gamma * np.append(values[1:], 0.0) - values
    right = by_sum(rewards, values, gamma, lam)
    t = np.arange(T)
    last = (gamma * lam) ** (T - t + 1.0) - (gamma * lam) ** (T - 1.0 - t)
    return right + last * deltas[-1]


CREDIT = Exercise(
    title="advantages(rewards, values, gamma, lam): generalised advantage estimation over one answer",
    cases=lambda: [
        (*normals((5,), (5,), seed=2), 0.9, 0.8),
        (*normals((7,), (7,), seed=3), 1.0, 0.95),
        (*normals((3,), (3,), seed=4), 0.5, 1.0),
    ],
    oracle=by_sum,
    solution=advantages,
    why="Backwards: what this token brought beyond what was expected (δ), and a share γλ of the same of "
    "all that follow. Behind the last token nothing is expected, so V is 0 there.",
    hints=(
        "δ_t = r_t + γ V_{t+1} - V_t; behind the last token V is 0.",
        "Â_t = δ_t + γλ Â_{t+1}: go backwards, and begin with 0.",
        "Keep two numbers between the steps: the advantage ahead and the value ahead.",
    ),
    mistakes=(
        Mistake("bootstrapped", credit_with(end=1.0), "behind the end nothing is expected: V is 0 there"),
        Mistake("no lambda", credit_with(ahead_factor=lambda g, lam: g), "λ is missing from the recursion"),
        Mistake("no gamma", credit_with(ahead_factor=lambda g, lam: lam), "γ is missing before λ"),
        Mistake("V undiscounted", credit_with(value_factor=lambda g: 1.0), "γ is missing before V_{t+1}"),
        Mistake("forward", credit_with(forward=True), "you go forwards: credit must flow back in time"),
        Mistake("one step", credit_with(ahead_factor=lambda g, lam: 0), "only δ: what follows is missing"),
        Mistake("returns", credit_with(minus=0), "what was expected must be taken off: - V_t"),
        Mistake("as printed", as_printed, "the exponent of the last term is T-1-t; T-t+1 is a misprint"),
    ),
)  # fmt: skip

# --- rlhf.4: clipping --------------------------------------------------------------------------------


def surrogate(ratio, advantage, clip):
    return np.minimum(ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage)


def by_module(ratio, advantage, clip):
    old = torch.zeros(len(ratio), dtype=torch.float64)
    return -in_torch.policy_losses(torch.tensor(ratio).log(), old, torch.tensor(advantage), clip).numpy()


def clipped_with(of):
    return lambda ratio, advantage, clip: of(ratio, advantage, np.clip(ratio, 1 - clip, 1 + clip))


CLIP = Exercise(
    title="surrogate(ratio, advantage, clip): what PPO makes large, one number a token",
    cases=lambda: [
        (np.array([0.5, 0.9, 1.1, 1.5] * 2), np.repeat([2.0, -3.0], 4), 0.2),
        (np.array([0.2, 1.05, 4.0]), np.array([-1.0, 1.0, -0.5]), 0.1),
    ],
    oracle=by_module,
    solution=surrogate,
    why="The lesser of two: with the true ratio, and with the ratio held within the clip. A token that went "
    "far in the right direction gains nothing more, one that went far in the wrong is called back in full.",
    hints=(
        "Two products with the advantage: one with the ratio, one with the ratio held in [1 - ε, 1 + ε].",
        "Take the lesser, for either sign of the advantage.",
    ),
    mistakes=(
        Mistake("only clipped", clipped_with(lambda r, a, c: c * a),
                "what went wrong and far is held as well: nothing would call it back; take the lesser"),
        Mistake("not clipped", clipped_with(lambda r, a, c: r * a), "nothing is clipped"),
        Mistake("greater", clipped_with(lambda r, a, c: np.maximum(r * a, c * a)),
                "you take the greater of the two: it rewards going far"),
        Mistake("ratio", clipped_with(lambda r, a, c: np.minimum(r, c) * a),
                "the lesser ratio is the lesser product only where the advantage is positive"),
        Mistake("loss", clipped_with(lambda r, a, c: -np.minimum(r * a, c * a)),
                "that is the loss; what is made large has the other sign"),
    ),
)  # fmt: skip

# --- rlhf.5: how far from the reference --------------------------------------------------------------


def k3(logp, logq):
    x = logp - logq
    return np.exp(-x) - 1 + x


def by_estimator(logp, logq):
    return in_torch.kl_estimates(torch.tensor(logp), torch.tensor(logq), "k3").numpy()


def estimated(of):
    return lambda logp, logq: of(logp - logq)


DISTANCE = Exercise(
    title="k3(logp, logq): estimates of KL(p ‖ q) from tokens that p drew, right on average, never negative",
    cases=lambda: [tuple(-np.abs(x) for x in normals((6,), (6,), seed=5)), (np.log([0.5]), np.log([0.25]))],
    oracle=by_estimator,
    solution=k3,
    why="log p - log q is right on average; q / p - 1 has mean 0, because q adds up to one; their sum is "
    "right on average, too, and never negative, since a convex function lies above its tangent.",
    hints=(
        "Begin with x = log p - log q, whose mean over draws from p is the divergence.",
        "Add something of mean 0 that pulls against it: q / p - 1.",
        "q / p = exp(-x).",
    ),
    mistakes=(
        Mistake("k1", estimated(lambda x: x), "that is k1: right on average, but often negative, and noisy"),
        Mistake("k2", estimated(lambda x: x**2 / 2), "that is k2: never negative, but off on average"),
        Mistake("other way", estimated(lambda x: np.exp(x) - 1 - x),
                "p / q for q / p: its mean over draws from p is not 0"),
        Mistake("no one", estimated(lambda x: np.exp(-x) + x), "the mean of q / p is 1: take it off"),
        Mistake("negative", estimated(lambda x: 1 - np.exp(-x) - x), "the sign is turned round"),
        Mistake("weighted", lambda logp, logq: np.exp(logp) * (logp - logq),
                "p drew the tokens already: to weigh by p again counts it twice"),
    ),
)  # fmt: skip

EXERCISES = {"rlhf.1": MARGIN, "rlhf.2": BEST, "rlhf.3": CREDIT, "rlhf.4": CLIP, "rlhf.5": DISTANCE}
