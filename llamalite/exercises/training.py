"""Exercises of chapter ``training``: the schedule, a step of AdamW, clipping, and adding up micro-batches."""

import numpy as np
import torch

from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.train import schedule

# --- training.1: the schedule ------------------------------------------------------------------------


def rate(step, peak, warmup, steps):
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step + 1 - warmup) / (steps - warmup)
    return peak * (0.1 + 0.9 * (1 + np.cos(np.pi * progress)) / 2)


def rate_with(first=1, last=0, floor=0.1, from_start=False):
    """``first``: what is added to the step; ``last``: how many steps too many the cosine takes."""

    def answer(step, peak, warmup, steps):
        if step < warmup:
            return peak * (step + first) / warmup
        begin = 0 if from_start else warmup
        progress = (step + first - begin) / (steps + last - begin)
        return peak * (floor + (1 - floor) * (1 + np.cos(np.pi * progress)) / 2)

    return answer


def straight(step, peak, warmup, steps):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 - 0.9 * (step + 1 - warmup) / (steps - warmup))


RATE = Exercise(
    title="rate(step, peak, warmup, steps): up in a straight line to peak at step warmup - 1, then down a "
    "cosine to peak / 10 at step steps - 1; steps count from 0",
    cases=lambda: [(s, 3e-4, 4, 12) for s in range(12)] + [(s, 1.0, 10, 1000) for s in (0, 9, 10, 500, 999)],
    oracle=schedule.learning_rate,
    solution=rate,
    why="The step that is about to be made is the (step + 1)-th, so that the first one already moves and "
    "the last one makes the whole way. The cosine begins where the warm-up ends.",
    hints=(
        "While step < warmup: peak · (step + 1) / warmup.",
        "After that, progress = (step + 1 - warmup) / (steps - warmup) goes up to 1.",
        "(1 + cos(π · progress)) / 2 falls from 1 to 0; shrink it to 0.9 and lift it by 0.1.",
    ),
    mistakes=(
        Mistake("off by one", rate_with(first=0),
                "step 0 learns nothing, and the last step is not at the floor: the first step is number 1"),
        Mistake("to nought", rate_with(floor=0.0), "you fall to nought: the floor is a tenth of the peak"),
        Mistake("cosine from the start", rate_with(from_start=True),
                "your cosine has been falling since step 0: it begins where the warm-up ends"),
        Mistake("straight", straight, "you fall in a straight line: it is half a period of a cosine"),
        Mistake("one step short", rate_with(last=1),
                "your cosine would need one more step: at steps - 1 it must have arrived"),
    ),
)  # fmt: skip

# --- training.2: a step of AdamW ---------------------------------------------------------------------

BETAS, EPS, DECAY = (0.9, 0.95), 0.01, 0.3  # eps and decay so large that their places are seen


def adamw_step(w, g, m, v, step, lr):
    m = 0.9 * m + 0.1 * g
    v = 0.95 * v + 0.05 * g * g
    m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.95**step)
    return w - lr * 0.3 * w - lr * m_hat / (np.sqrt(v_hat) + 0.01)


def by_torch(w, g, m, v, step, lr):
    """PyTorch's own, its memory filled by hand."""
    p = torch.tensor(w, requires_grad=True)
    p.grad = torch.tensor(g)
    adam = torch.optim.AdamW([p], lr=lr, betas=BETAS, eps=EPS, weight_decay=DECAY)
    adam.state[p] = {
        "step": torch.tensor(step - 1.0),
        "exp_avg": torch.tensor(m),
        "exp_avg_sq": torch.tensor(v),
    }
    adam.step()
    return p.detach().numpy()


def adam_with(corrected=True, inside=False, coupled=False, decay=0.3, momentum=True, exponent=0):
    def answer(w, g, m, v, step, lr):
        g = g + 0.3 * w if coupled else g
        m = 0.9 * m + 0.1 * g if momentum else g
        v = 0.95 * v + 0.05 * g * g
        first, second = (1 - b ** (step + exponent) if corrected else 1 for b in BETAS)
        first = first if momentum else 1
        root = np.sqrt(v / second + 0.01) if inside else np.sqrt(v / second) + 0.01
        return w - (0 if coupled else lr * decay) * w - lr * (m / first) / root

    return answer


def adam_cases() -> list[tuple]:
    w, g, m, v = normals((3, 4), (3, 4), (3, 4), (3, 4))
    return [(w, g, 0.1 * m, 0.1 * v * v, 1, 0.2), (g, w, m, v * v, 7, 0.05)]


ADAMW = Exercise(
    title="adamw_step(w, g, m, v, step, lr): the new weights alone, after the gradient g, with the running "
    "means m and v from before; betas 0.9 and 0.95, eps 0.01, weight decay 0.3; step counts from 1",
    cases=adam_cases,
    oracle=by_torch,
    solution=adamw_step,
    why="m is which way, v is how large, and the quotient is a step of about the learning rate whatever the "
    "size of the gradient. Means that started at nought are too small at first: both are corrected. The "
    "decay acts on the weight itself and not through g, or v would divide it away: that is the W.",
    hints=(
        "First the means: m = 0.9 m + 0.1 g, v = 0.95 v + 0.05 g².",
        "Correct both: m / (1 - 0.9**step), v / (1 - 0.95**step).",
        "w - lr · 0.3 · w - lr · m_hat / (sqrt(v_hat) + 0.01).",
    ),
    mistakes=(
        Mistake("not corrected", adam_with(corrected=False),
                "m and v began at nought: divide them by 1 - beta**step"),
        Mistake("eps inside", adam_with(inside=True), "eps stands beside the root, not under it"),
        Mistake("coupled", adam_with(coupled=True),
                "you add the decay to the gradient: that is L2 regularisation, which Adam divides away; "
                "take lr · 0.3 · w off the weight itself"),
        Mistake("no decay", adam_with(decay=0.0), "the weight decay is missing"),
        Mistake("decay without lr", lambda w, g, m, v, n, lr: adam_with(decay=0.3 / lr)(w, g, m, v, n, lr),
                "the decay too is scaled by the learning rate: lr · 0.3 · w"),
        Mistake("step from 0", adam_with(exponent=1), "step counts from 1 already: do not add one to it"),
        Mistake("no momentum", adam_with(momentum=False), "you step along g: step along its running mean m"),
    ),
)  # fmt: skip

# --- training.3: clipping ----------------------------------------------------------------------------


def clip(grads, max_norm):
    norm = np.sqrt((grads * grads).sum())
    return grads * min(1.0, max_norm / norm)


def clip_with(factor):
    """``factor(own, all, max_norm)``, from the squared norm of each row and of all of them."""

    def answer(grads, max_norm):
        own = (grads * grads).sum(axis=1, keepdims=True)
        return grads * factor(own, own.sum(), max_norm)

    return answer


CLIP = Exercise(
    title="clip(grads, max_norm): each row of grads (P, n) is the gradient of one parameter; if the norm of "
    "all numbers together is longer than max_norm, all are shrunk by one factor to be that long",
    cases=lambda: [(*normals((3, 4)), 1.0), (*normals((2, 3), seed=1), 100.0)],
    oracle=lambda grads, max_norm: grads / max(1.0, np.linalg.norm(grads) / max_norm),
    solution=clip,
    why="One factor for all keeps the direction of the whole step. A gradient that is short enough is left "
    "alone: clipping is for the rare accident, not for every step.",
    hints=(
        "The norm of all numbers together: the root of the sum of all squares, over all rows.",
        "The factor is max_norm / norm, but never more than 1.",
        "min(1.0, max_norm / norm) times all of them.",
    ),
    mistakes=(
        Mistake("each alone", clip_with(lambda own, whole, c: np.minimum(1.0, c / np.sqrt(own))),
                "you clip each parameter by its own norm: that turns the step as a whole"),
        Mistake("always", clip_with(lambda own, whole, c: c / np.sqrt(whole)),
                "you also stretch what is short: the factor is never more than 1"),
        Mistake("number by number", lambda grads, c: np.clip(grads, -c, c),
                "you cut each number off: that changes the direction; shrink all by one factor"),
        Mistake("no root", clip_with(lambda own, whole, c: min(1.0, c / whole)),
                "you divide by the squared norm: take the root first"),
    ),
)  # fmt: skip

# --- training.4: adding up micro-batches --------------------------------------------------------------


def batch_gradient(x, y, w, parts):
    total = np.zeros_like(w)
    for rows in np.array_split(np.arange(len(x)), parts):
        residual = x[rows] @ w - y[rows]
        total += 2 * x[rows].T @ residual / len(x)
    return total


def parts_with(weigh):
    def answer(x, y, w, parts):
        pieces = np.array_split(np.arange(len(x)), parts)
        return sum(weigh(2 * x[r].T @ (x[r] @ w - y[r]), len(r), parts) for r in pieces)

    return answer


def last_only(x, y, w, parts):
    rows = np.array_split(np.arange(len(x)), parts)[-1]
    return 2 * x[rows].T @ (x[rows] @ w - y[rows]) / len(rows)


def one_batch_whatever_the_parts(f) -> bool:
    x, y, w = normals((7, 3), (7,), (3,), seed=9)
    return all(np.allclose(f(x, y, w, parts), f(x, y, w, 1)) for parts in (2, 3, 7))


ACCUMULATE = Exercise(
    title="batch_gradient(x, y, w, parts): the gradient with respect to w of the mean of (x @ w - y)² over "
    "all rows of x (n, D), added up over the parts np.array_split(np.arange(n), parts), not all equally long",
    cases=lambda: [(*normals((7, 3), (7,), (3,)), 3), (*normals((8, 2), (8,), (2,), seed=1), 4)],
    oracle=lambda x, y, w, parts: 2 * x.T @ (x @ w - y) / len(x),
    solution=batch_gradient,
    why="A mean over all is a sum over all, divided once by how many there are. Each part gives its sum, "
    "divided by the size of the whole. A mean of means is right only for parts of equal size, and a sum of "
    "means is as many times too large as there are parts.",
    hints=(
        "For some rows r, the gradient of the summed squares is 2 · x[r].T @ (x[r] @ w - y[r]).",
        "Add these up over the parts.",
        "Divide by len(x), not by the length of the part.",
    ),
    mistakes=(
        Mistake("sum of means", parts_with(lambda g, n, parts: g / n),
                "you add up means: the result is as many times too large as there are parts"),
        Mistake("mean of means", parts_with(lambda g, n, parts: g / n / parts),
                "a mean of means gives a row in a short part more weight: divide each sum by len(x)"),
        Mistake("sum", parts_with(lambda g, n, parts: g),
                "that is the gradient of the sum, not of the mean"),
        Mistake("last part", last_only, "only the last part is left: add the gradients up"),
    ),
    properties=(Property("the gradient is the same in however many parts", one_batch_whatever_the_parts),),
)  # fmt: skip

EXERCISES = {
    "training.1": RATE,
    "training.2": ADAMW,
    "training.3": CLIP,
    "training.4": ACCUMULATE,
}
