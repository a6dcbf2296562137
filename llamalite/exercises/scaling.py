"""Exercises of chapter ``scaling``: a law's advice, a fit's loss, a parabola, the unseen, a bill."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.train.scaling.fit import Runs, objective
from llamalite.train.scaling.law import PUBLISHED, Law
from llamalite.train.scaling.unseen import unseen_mass

# --- scaling.1: what a law advises -----------------------------------------------------------------


def optimum(flops, A, B, alpha, beta):
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    n_params = G * (flops / 6) ** (beta / (alpha + beta))
    return np.array([n_params, flops / (6 * n_params)])


def by_law(flops, A, B, alpha, beta):
    return np.array(Law(0.0, A, B, alpha, beta).optimum(flops))


def optimum_with(swap=False, factor=6.0, ratio=True, reverse=False):
    def answer(flops, A, B, alpha, beta):
        total = alpha + beta
        G = ((alpha if ratio else 1) * A / ((beta if ratio else 1) * B)) ** (1 / total)
        n_params = G * (flops / factor) ** ((alpha if swap else beta) / total)
        found = np.array([n_params, flops / (factor * n_params)])
        return found[::-1] if reverse else found

    return answer


OPTIMUM = Exercise(
    title="optimum(flops, A, B, alpha, beta): the array [N, D] of least A/N^alpha + B/D^beta, 6ND = flops",
    cases=lambda: [(5.76e23, *PUBLISHED[name][1:]) for name in ("printed", "epoch")]
    + [(1e9, 30.0, 700.0, 0.5, 0.9)],
    oracle=by_law,
    solution=optimum,
    why="Put D = C/6N into the law and set its derivative by N to nought: alpha·A/N^alpha = beta·B/D^beta. "
    "At the optimum the two terms are not equal; their *slopes* are. Solved for N it gives N ∝ C^(beta/(alpha"
    "+beta)): the size grows with the power that belongs to the tokens.",
    hints=(
        "D is flops / (6 N), so there is one unknown.",
        "The derivative is nought where alpha · A / N^alpha equals beta · B / D^beta.",
        "N = (alpha A / (beta B))^(1/(alpha+beta)) · (flops/6)^(beta/(alpha+beta)).",
    ),
    mistakes=(
        Mistake("swapped", optimum_with(swap=True), "N grows with C^(beta/(alpha+beta)): beta is above"),
        Mistake("without six", optimum_with(factor=1.0), "a parameter and token cost six FLOPs, not one"),
        Mistake("inference", optimum_with(factor=2.0), "two FLOPs is reading; training costs six"),
        Mistake("equal terms", optimum_with(ratio=False), "you made the two terms equal: it is their slopes"),
        Mistake("reversed", optimum_with(reverse=True), "the order is [N, D]: parameters first"),
    ),
    rtol=1e-6,
)  # fmt: skip

# --- scaling.2: the loss of a fit ------------------------------------------------------------------


def huber_of_logs(predicted, measured, delta):
    r = np.abs(np.log(predicted) - np.log(measured))
    return np.sum(np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)))


def by_objective(predicted, measured, delta):
    """The package's objective, for laws that are constants: one run, one law."""
    total = 0.0
    for p, m in zip(predicted, measured, strict=True):
        theta = np.array([[np.log(p), -800.0, -800.0, 0.0, 0.0]])
        runs = Runs(np.ones(1), np.ones(1), np.array([m]))
        total += objective(theta, runs, np.ones((1, 1)), delta)[0][0]
    return total


def huber_with(transform=np.log, outside=0.5, square=False, mean=False):
    def answer(predicted, measured, delta):
        r = np.abs(transform(predicted) - transform(measured))
        far = delta * (r - outside * delta)
        each = r**2 / 2 if square else np.where(r <= delta, r**2 / 2, far)
        return each.mean() if mean else each.sum()

    return answer


HUBER = Exercise(
    title="huber_of_logs(predicted, measured, delta): summed Huber loss of log predicted - log measured",
    cases=lambda: [
        (np.array([2.0, 3.0, 1.0, 0.5]), np.array([2.01, 2.5, 1.0, 0.6]), 0.05),
        (np.array([4.0, 0.3]), np.array([4.004, 0.31]), 0.001),
    ],
    oracle=by_objective,
    solution=huber_of_logs,
    why="Logarithms make a percent of a large loss as heavy as a percent of a small one. Within delta "
    "Huber's loss is r²/2; beyond it, it goes on along its tangent, delta·(r - delta/2), so that one bad run "
    "pulls no harder than a run that is a little off.",
    hints=(
        "r is the absolute difference of the logarithms.",
        "r²/2 where r ≤ delta; elsewhere a straight line that joins without a kink.",
        "The line is delta · (r - delta/2).",
    ),
    mistakes=(
        Mistake("linear space", huber_with(transform=lambda x: x), "take logarithms first: see the museum"),
        Mistake("base ten", huber_with(transform=np.log10), "natural logarithms: np.log, not np.log10"),
        Mistake("squares", huber_with(square=True), "beyond delta the loss is a straight line"),
        Mistake("a jump", huber_with(outside=1.0), "the parts do not meet at delta: subtract half of delta"),
        Mistake("mean", huber_with(mean=True), "the sum over all runs was asked for, not their mean"),
    ),
    properties=(
        Property("a perfect prediction costs nothing",
                 lambda answer: abs(answer(np.array([2.0]), np.array([2.0]), 0.1)) < 1e-12),
    ),
)  # fmt: skip

# --- scaling.3: the lowest point of a parabola -------------------------------------------------------


def best_size(sizes, losses):
    bend, slope, _ = np.polyfit(np.log(sizes), losses, 2)
    return np.exp(-slope / (2 * bend))


def by_normal_equations(sizes, losses):
    x = np.log(sizes)
    X = np.stack([np.ones_like(x), x, x * x], 1)
    _, slope, bend = np.linalg.lstsq(X, losses, rcond=None)[0]
    return float(np.exp(-slope / (2 * bend)))


def best_with(inner=np.log, outer=np.exp, divide=2.0, sign=-1.0):
    def answer(sizes, losses):
        bend, slope, _ = np.polyfit(inner(sizes), losses, 2)
        return outer(sign * slope / (divide * bend))

    return answer


def best_of_logs(sizes, losses):
    return best_size(sizes, np.log(losses))


def lowest_run(sizes, losses):
    return sizes[np.argmin(losses)]


PARABOLA = Exercise(
    title="best_size(sizes, losses): where the parabola through (log size, loss) is lowest",
    cases=lambda: [
        (np.array([1e4, 3e4, 1e5, 4e5]), np.array([0.92, 0.63, 0.55, 0.71])),
        (np.array([2.0, 5.0, 9.0, 30.0, 70.0]), np.array([3.0, 2.0, 1.7, 1.9, 2.6])),
    ],
    oracle=by_normal_equations,
    solution=best_size,
    why="A parabola c2·x² + c1·x + c0 is lowest at x = -c1 / (2·c2). x is the logarithm of the size, so the "
    "size is its exponential. The lowest *run* is only the nearest that happened to be made.",
    hints=(
        "np.polyfit(np.log(sizes), losses, 2) gives the highest power first.",
        "The derivative 2·c2·x + c1 is nought at the lowest point.",
        "np.exp(-c1 / (2 * c2)).",
    ),
    mistakes=(
        Mistake("lowest run", lowest_run, "that is the best run; the lowest point lies between runs"),
        Mistake("log left", best_with(outer=lambda x: x), "that is the logarithm of the size: take exp"),
        Mistake("log losses", best_of_logs, "you took the logarithm of the losses too, as the chapter's "
                "profile does; here the losses stay as they are"),
        Mistake("no log", best_with(inner=lambda x: x, outer=lambda x: x), "fit over the logarithm of sizes"),
        Mistake("no half", best_with(divide=1.0), "the derivative of x² is 2x: divide by 2·c2"),
        Mistake("sign", best_with(sign=1.0), "the sign: -c1 / (2·c2)"),
        Mistake("base", best_with(inner=np.log10), "log10 in, exp out: use one base for both"),
    ),
    rtol=1e-6,
)  # fmt: skip

# --- scaling.4: who was never met ----------------------------------------------------------------------


def unseen(p, n):
    return np.sum(p * np.exp(-n * p))


def by_poisson(p, n):
    return unseen_mass(np.asarray(p), n)


UNSEEN = Exercise(
    title="unseen(p, n): probability that the next hero never came in n tales (Poisson: e^-np for never)",
    cases=lambda: [
        (np.array([0.5, 0.3, 0.2]), 4),
        (np.arange(1, 200) ** -1.5 / np.sum(np.arange(1, 200) ** -1.5), 100),
    ],
    oracle=by_poisson,
    solution=unseen,
    why="Hero r comes next with probability p_r, and has never come with probability e^(-n p_r); both must "
    "happen. Summed over all heroes it is the mass of the unseen, not their number.",
    hints=(
        "For one hero: the probability to be next, times the probability not to have come.",
        "Not to have come in n tales, where n·p times are expected: e^(-n p).",
        "np.sum(p * np.exp(-n * p)).",
    ),
    mistakes=(
        Mistake("number", lambda p, n: np.sum(np.exp(-n * p)), "you counted the unseen: weigh each by its p"),
        Mistake("share", lambda p, n: np.mean(np.exp(-n * p)), "the share of heroes: weigh each by its p"),
        Mistake("seen", lambda p, n: 1 - np.sum(p * np.exp(-n * p)), "that is the mass of those who came"),
        Mistake("exact", lambda p, n: np.sum(p * (1 - p) ** n), "exact, but Poisson was asked for: e^(-n p) "
                "instead of (1 - p)^n"),
        Mistake("uniform", lambda p, n: np.exp(-n / len(p)), "heroes are not all alike: each has its own p"),
    ),
    properties=(
        Property("before the first tale nobody has been met",
                 lambda answer: abs(answer(np.array([0.7, 0.3]), 0) - 1) < 1e-12),
    ),
)  # fmt: skip

# --- scaling.5: the whole bill -------------------------------------------------------------------------


def bill(n_params, tokens, asked):
    return 6 * n_params * tokens + 2 * n_params * asked


def by_hand(n_params, tokens, asked):
    forward = 2 * n_params  # a multiplication and an addition
    return tokens * (forward + 2 * forward) + asked * forward


def bill_with(train=6, ask=2, times=1):
    return lambda n_params, tokens, asked: n_params * (train * tokens + ask * asked) * times


BILL = Exercise(
    title="bill(n_params, tokens, asked): FLOPs to train on `tokens`, then to read or write `asked` tokens",
    cases=lambda: [(8e9, 15e12, 1e13), (7e10, 1.4e12, 0.0), (3.0, 5.0, 7.0)],
    oracle=by_hand,
    solution=bill,
    why="A forward pass costs two FLOPs a parameter and token, a backward pass twice that. Training does "
    "both, answering only the first.",
    hints=(
        "Forward: a multiplication and an addition for every parameter.",
        "Backward costs twice as much as forward.",
        "6·N·D for training, 2·N for each token afterwards.",
    ),
    mistakes=(
        Mistake("training only", bill_with(ask=0), "the answers cost something as well"),
        Mistake("answers dear", bill_with(ask=6), "answering needs no backward pass: two FLOPs, not six"),
        Mistake("training cheap", bill_with(train=2), "training goes backwards as well: six FLOPs, not two"),
        Mistake("forgot backward weights", bill_with(train=4), "backward is twice forward: six in all"),
    ),
)  # fmt: skip

EXERCISES = {
    "scaling.1": OPTIMUM,
    "scaling.2": HUBER,
    "scaling.3": PARABOLA,
    "scaling.4": UNSEEN,
    "scaling.5": BILL,
}
