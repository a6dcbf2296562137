"""Exercises of chapter ``parallel``: a ring's bytes, a fair mean, a norm in parts, a bubble, lost time."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, normals
from llamalite.train.parallel import bubbles

# --- parallel.1: what a ring sends -------------------------------------------------------------------


def ring_bytes(n, size):
    return 2 * (n - 1) / n * size


def by_passing_on(n, size):
    """n-1 rounds in which sums grow, n-1 in which they are passed on; each moves one part of n."""
    rounds = [size / n for _ in range(n - 1)] + [size / n for _ in range(n - 1)]
    return sum(rounds)


RING = Exercise(
    title="ring_bytes(n, size): bytes each of n ranks sends when size bytes are all-reduced in a ring",
    cases=lambda: [(2, 100.0), (4, 1e6), (16, 3.2e10)],
    oracle=by_passing_on,
    solution=ring_bytes,
    why="The bytes are cut into n parts. In n-1 rounds each part travels round the ring and collects sums; "
    "in n-1 further rounds the sums travel round once more. Each round, each rank sends one part. However "
    "many ranks there are, nobody sends more than twice the size.",
    hints=(
        "Cut the bytes into n parts; in every round each rank sends one of them to its neighbour.",
        "It takes n-1 rounds to add up, and as many to hand out the sums.",
        "2 · (n - 1) / n · size.",
    ),
    mistakes=(
        Mistake("to everybody", lambda n, size: (n - 1) * size, "you send all to everybody: cut it up"),
        Mistake("half", lambda n, size: (n - 1) / n * size, "the sums still have to be handed out again"),
        Mistake("no neighbour", lambda n, size: 2.0 * size, "one of the n parts is at home already"),
        Mistake("by a master", lambda n, size: 2 * (n - 1) * size, "so much would a single master carry"),
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

# --- parallel.4: a bubble ------------------------------------------------------------------------------


def bubble(p, m, v):
    return (p - 1) / (v * m + p - 1)


def by_simulation(p, m, v):
    jobs = bubbles.simulate("interleaved", p, m, v, forward=1.0, backward=1.0)
    return bubbles.waiting_share(jobs)


BUBBLE = Exercise(
    title="bubble(p, m, v): idle share of all time; p ranks, m micro-batches, v stages on each rank",
    cases=lambda: [(4, 8, 1), (4, 4, 2), (2, 6, 3)],
    oracle=by_simulation,
    solution=bubble,
    why="Call the forward and backward work of one micro-batch in one of a rank's v stages a unit. A rank "
    "has v·m of them. Work needs p-1 steps to reach the last rank, and its gradients p-1 steps to come back: "
    "each rank waits p-1 units in all, some before its first work and some after its last.",
    hints=(
        "Draw p = 2, m = 3, v = 1 and count boxes and gaps.",
        "Each rank waits p - 1 units, whatever m is.",
        "Waiting over everything: (p - 1) / (v·m + p - 1).",
    ),
    mistakes=(
        Mistake("ratio", lambda p, m, v: (p - 1) / (v * m), "that is waiting over working time"),
        Mistake("v forgotten", lambda p, m, v: (p - 1) / (m + p - 1), "with v stages, units are smaller"),
        Mistake("off by one", lambda p, m, v: p / (v * m + p), "with one rank nobody waits"),
        Mistake("working", lambda p, m, v: v * m / (v * m + p - 1), "that is the share in which it works"),
    ),
)  # fmt: skip

# --- parallel.5: lost time -----------------------------------------------------------------------------


def useful_share(interval, save, restart, mtbf):
    return interval / ((mtbf + restart) * np.expm1((interval + save) / mtbf))


def by_counting_attempts(interval, save, restart, mtbf):
    """Attempts until one lasts: how many fail in the mean, and how long each of those had lasted."""
    need = interval + save
    lasts = np.exp(-need / mtbf)
    lost = mtbf - need * lasts / (1 - lasts)
    return interval / (need + (1 / lasts - 1) * (lost + restart))


USEFUL = Exercise(
    title="useful_share(interval, save, restart, mtbf): useful work over all time, failures exponential",
    cases=lambda: [(0.5, 0.05, 0.2, 3.0), (2.0, 0.1, 0.5, 3.0), (1.0, 0.2, 0.0, 5.0)],
    oracle=by_counting_attempts,
    solution=useful_share,
    why="An attempt lasts interval + save = x and survives with probability exp(-x/mtbf). The expected time "
    "until one survives is (mtbf + restart)·(exp(x/mtbf) - 1): many short failures or few long ones, they "
    "add up to this. For x much smaller than mtbf that is x + x²/(2·mtbf) + restart·x/mtbf: work, half an "
    "interval lost a failure, and the restarts.",
    hints=(
        "How likely is it that nothing fails for interval + save? exp(-(interval + save)/mtbf).",
        "The expected time of one successful attempt, failures included, is mtbf·(exp(x/mtbf) - 1) "
        "without restarts.",
        "interval / ((mtbf + restart) · (exp((interval + save)/mtbf) - 1)).",
    ),
    mistakes=(
        Mistake("no failures", lambda i, s, r, m: i / (i + s), "nothing ever fails in your formula"),
        Mistake("no restart", lambda i, s, r, m: i / (m * np.expm1((i + s) / m)), "a restart takes time"),
        Mistake("save is free", lambda i, s, r, m: i / ((m + r) * np.expm1(i / m)), "saving takes time, too"),
        Mistake("nothing lost", lambda i, s, r, m: i / ((i + s) * (1 + r / m)),
                "a failure also loses what was done since the last save"),
        Mistake("first order", lambda i, s, r, m: 1 - s / i - i / (2 * m) - r / m,
                "good while the interval is short beside the mtbf; here the exact share is asked for"),
    ),
)  # fmt: skip

EXERCISES = {
    "parallel.1": RING,
    "parallel.2": MEAN,
    "parallel.3": NORM,
    "parallel.4": BUBBLE,
    "parallel.5": USEFUL,
}
