"""Exercises of chapter ``parallel``: bytes of a sharded step, a fair mean, a norm, a bubble, lost time."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, normals
from llamalite.train.parallel import bubbles

# --- parallel.1: what a sharded step sends -----------------------------------------------------------


def sharded_bytes(n, numbers, micro):
    gathered = 2 * micro * 2 * numbers
    dealt_out = 4 * numbers
    return (gathered + dealt_out) * (n - 1) / n


def by_parts(n, numbers, micro):
    """Part by part round the ring: n - 1 rounds for each gathering, as many for the dealing out."""
    part, sent = numbers / n, 0.0
    for _ in range(micro):
        for _ in ("forward", "backward"):
            sent += sum(2 * part for _ in range(n - 1))
    return sent + sum(4 * part for _ in range(n - 1))


RING = Exercise(
    title="sharded_bytes(n, numbers, micro): bytes a rank sends in a sharded step of micro micro-batches",
    cases=lambda: [(2, 100.0, 1), (4, 1e6, 3), (16, 3.2e10, 8)],
    oracle=by_parts,
    solution=sharded_bytes,
    why="Each gathering and each dealing out sends (n-1)/n of the whole. Weights are gathered twice for "
    "every micro-batch, in two bytes a number; gradients are dealt out once a step, in four.",
    hints=(
        "An all-gather or a reduce-scatter of S bytes makes each rank send (n - 1)/n · S.",
        "How often are weights gathered in a step? Forward and backward, for each micro-batch.",
        "(n - 1)/n · numbers · (2 · 2 · micro + 4).",
    ),
    mistakes=(
        Mistake("gathered once", lambda n, w, m: (n - 1) / n * w * (2 * m + 4),
                "dropped after the forward pass, the weights must be gathered again for the backward pass"),
        Mistake("once a step", lambda n, w, m: (n - 1) / n * w * (2 * 2 + 4),
                "between two micro-batches the weights are dropped as well: gather them for each"),
        Mistake("dealt out each time", lambda n, w, m: (n - 1) / n * w * m * (2 * 2 + 4),
                "the gradients stay whole until the last micro-batch: they are dealt out once"),
        Mistake("all-reduce", lambda n, w, m: (n - 1) / n * w * (4 * m + 2 * 4),
                "nobody needs the whole gradient: a reduce-scatter, half of an all-reduce"),
        Mistake("one width", lambda n, w, m: (n - 1) / n * w * 4 * (2 * m + 1),
                "weights travel in two bytes a number, gradients in four"),
        Mistake("no neighbour", lambda n, w, m: w * (4 * m + 4.0), "one of the n parts is at home already"),
    ),
)  # fmt: skip

# --- parallel.2: a fair mean ---------------------------------------------------------------------------


def global_gradient(gradients, windows):
    return windows @ gradients / windows.sum()


def window_by_window(gradients, windows):
    rows = [g for g, n in zip(gradients, windows, strict=True) for _ in range(int(n))]
    return np.mean(rows, axis=0)


MEAN = Exercise(
    title="global_gradient(gradients, windows): each rank's mean gradient, and its windows → the batch's",
    cases=lambda: [
        (normals((3, 5))[0], np.array([4.0, 1.0, 2.0])),
        (normals((2, 4))[0], np.array([1.0, 7.0])),
    ],
    oracle=window_by_window,
    solution=global_gradient,
    why="A rank's gradient is the mean over its own windows. The mean over all windows gives each rank the "
    "weight of its windows. With equal shares that is the plain mean of the ranks, which is why training "
    "programs insist on equal shares; with unequal ones the plain mean favours the windows of small shares.",
    hints=(
        "What would one process compute, that has all windows?",
        "Undo each rank's mean first: multiply by its number of windows.",
        "windows @ gradients / windows.sum().",
    ),
    mistakes=(
        Mistake("summed", lambda g, w: g.sum(0), "you sum over ranks: the step grows with their number"),
        Mistake("plain mean", lambda g, w: g.mean(0), "a rank with few windows weighs as much as others"),
        Mistake("not divided", lambda g, w: w @ g, "that is the sum over all windows, not yet their mean"),
        Mistake("twice", lambda g, w: w @ g / w.sum() / len(w), "you divide by the number of ranks as well"),
    ),
)  # fmt: skip

# --- parallel.3: a norm in parts -----------------------------------------------------------------------


def whole_norm(parts, gains):
    return np.sqrt((parts**2).sum() + (gains[0] ** 2).sum())


def by_putting_together(parts, gains):
    return np.linalg.norm(np.concatenate([parts.ravel(), gains[-1]]))


def with_copies(n, seed):
    parts, gain = normals((n, 6), (4,), seed=seed)
    return parts, np.tile(gain, (n, 1))


NORM = Exercise(
    title="whole_norm(parts, gains): norm of one gradient; ranks hold different parts, and the same gains",
    cases=lambda: [with_copies(2, 1), with_copies(4, 2)],
    oracle=by_putting_together,
    solution=whole_norm,
    why="Under tensor parallelism a matrix is cut, so its squares are added over the ranks. A norm's gain is "
    "copied, so its squares count once. Counted on every rank, the norm is too large, clipping begins too "
    "early, and nothing crashes.",
    hints=(
        "Write down the whole gradient as one long vector: what occurs in it how often?",
        "Squares are added, then the root is taken, once.",
        "Only one rank's gains count.",
    ),
    mistakes=(
        Mistake("gains everywhere", lambda p, g: np.sqrt((p**2).sum() + (g**2).sum()),
                "the gains are copies of one vector: count them once"),
        Mistake("sum of norms", lambda p, g: np.linalg.norm(p, axis=1).sum() + np.linalg.norm(g[0]),
                "norms do not add up; their squares do"),
        Mistake("first rank", lambda p, g: np.sqrt((p[0] ** 2).sum() + (g[0] ** 2).sum()),
                "that is the norm on one rank: each would clip differently"),
        Mistake("no root", lambda p, g: (p**2).sum() + (g[0] ** 2).sum(), "that is its square"),
        Mistake("no gains", lambda p, g: np.linalg.norm(p), "the gains belong to the gradient, too"),
    ),
)  # fmt: skip

# --- parallel.4: how many micro-batches ----------------------------------------------------------------


def micro_batches(p, v, share):
    least = (p - 1) * (1 - share) / (v * share)
    return p * int(np.ceil(least / p))


def by_simulation(p, v, share):
    """The oracle tries one multiple of p after the other, and looks at the schedule's gaps."""
    m = p
    while bubbles.waiting_share(bubbles.simulate("interleaved", p, m, v, forward=1.0, backward=1.0)) > share:
        m += p
    return m


def multiple_of(p, m):
    return p * int(np.ceil(m / p))


BUBBLE = Exercise(
    title="micro_batches(p, v, share): fewest micro-batches, a multiple of p, that wait at most this share",
    cases=lambda: [(4, 1, 0.1), (4, 2, 0.1), (2, 3, 0.05), (8, 2, 0.15), (4, 1, 0.7)],
    oracle=by_simulation,
    solution=micro_batches,
    why="The idle share is (p-1)/(v·m + p-1). It is at most s when v·m is at least (p-1)(1-s)/s: the bubble "
    "is p-1 units whatever m is, so that they must be a share s of everything. Then round up, to whole "
    "rounds of p.",
    hints=(
        "The idle share of all time is (p - 1) / (v·m + p - 1).",
        "Solve it for m: v·m ≥ (p - 1)(1 - share)/share.",
        "Round up to the next multiple of p.",
    ),
    mistakes=(
        Mistake("ratio", lambda p, v, s: multiple_of(p, (p - 1) / (v * s)),
                "that holds waiting over working time to the share; asked is waiting over all time"),
        Mistake("v forgotten", lambda p, v, s: multiple_of(p, (p - 1) * (1 - s) / s),
                "with v stages on a rank the bubble is v times smaller"),
        Mistake("not a multiple", lambda p, v, s: int(np.ceil((p - 1) * (1 - s) / (v * s))),
                "interleaving deals micro-batches out in rounds of p: round up to a multiple of p"),
        Mistake("rounded down", lambda p, v, s: max(p, multiple_of(p, (p - 1) * (1 - s) / (v * s)) - p),
                "you round down: that waits longer than allowed"),
        Mistake("p waits", lambda p, v, s: multiple_of(p, p / (v * s)), "each rank waits p - 1 units, not p"),
    ),
)  # fmt: skip

# --- parallel.5: lost time -----------------------------------------------------------------------------


def useful_share(interval, save, restart, mtbf):
    return interval / (mtbf * np.exp(restart / mtbf) * np.expm1((interval + save) / mtbf))


def by_counting_attempts(interval, save, restart, mtbf):
    """Attempts until one lasts: how many fail in the mean, and how long each of those had lasted. Then the
    same of the restarts, of which each failure of the work begins a series."""

    def until_one_lasts(need, after_each_failure):
        lasts = np.exp(-need / mtbf)
        lost = mtbf - need * lasts / (1 - lasts) if need else 0.0
        return need + (1 / lasts - 1) * (lost + after_each_failure)

    back = until_one_lasts(restart, 0.0)
    return interval / until_one_lasts(interval + save, back)


USEFUL = Exercise(
    title="useful_share(interval, save, restart, mtbf): useful work over all time; restarts may fail, too",
    cases=lambda: [(0.5, 0.05, 0.6, 3.0), (2.0, 0.1, 1.5, 3.0), (1.0, 0.2, 0.0, 5.0)],
    oracle=by_counting_attempts,
    solution=useful_share,
    why="The expected time until something that needs x has once been done without a failure is "
    "mtbf·(exp(x/mtbf) - 1), if a failure lets it begin again at once. That holds for a restart as well. "
    "So each failure of the work costs R = mtbf·(exp(restart/mtbf) - 1), and mtbf + R "
    "is mtbf·exp(restart/mtbf).",
    hints=(
        "The chapter's formula has mtbf + restart in it. What must take the place of restart?",
        "The expected time of a restart that may itself fail: mtbf·(exp(restart/mtbf) - 1).",
        "interval / (mtbf · exp(restart/mtbf) · (exp((interval + save)/mtbf) - 1)).",
    ),
    mistakes=(
        Mistake("of the chapter", lambda i, s, r, m: i / ((m + r) * np.expm1((i + s) / m)),
                "that is the chapter's formula: in it nothing ever fails during a restart"),
        Mistake("one piece", lambda i, s, r, m: i / (m * np.expm1((i + s + r) / m)),
                "you restart before every interval, failure or not"),
        Mistake("no failures", lambda i, s, r, m: i / (i + s), "nothing ever fails in your formula"),
        Mistake("no restart", lambda i, s, r, m: i / (m * np.expm1((i + s) / m)), "a restart takes time"),
        Mistake("save is free", lambda i, s, r, m: i / (m * np.exp(r / m) * np.expm1(i / m)),
                "saving takes time, too"),
        Mistake("nothing lost", lambda i, s, r, m: i / ((i + s) * (1 + r / m)),
                "a failure also loses what was done since the last save"),
    ),
)  # fmt: skip

EXERCISES = {
    "parallel.1": RING,
    "parallel.2": MEAN,
    "parallel.3": NORM,
    "parallel.4": BUBBLE,
    "parallel.5": USEFUL,
}
