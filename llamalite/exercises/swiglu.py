"""Exercises of chapter ``swiglu``: the activation, its slope, the layer, and the width."""

import math

import numpy as np

from llamalite.config import ffn_hidden
from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.in_numpy import swiglu as in_numpy

# --- swiglu.1: silu ----------------------------------------------------------------------------------


def silu(z):
    return 0.5 * z * (1 + np.tanh(0.5 * z))


SILU = Exercise(
    title="silu(z): z times its sigmoid, entry by entry, without overflow",
    cases=lambda: [(np.array([-3.0, -1.278, 0.0, 0.5, 4.0]),), normals((2, 3), seed=1)],
    oracle=lambda z: z * in_numpy.sigmoid(z),
    solution=silu,
    why="1 / (1 + e^-z) is (1 + tanh(z / 2)) / 2, and tanh never overflows: it only comes close to -1 and 1. "
    "np.exp(1000) does, and NumPy warns.",
    hints=(
        "sigmoid(z) = 1 / (1 + e^-z); silu(z) = z · sigmoid(z).",
        "For z = -1000 the power e^1000 is infinite. tanh(z / 2) says the same and stays finite.",
    ),
    mistakes=(
        Mistake("sigmoid alone", in_numpy.sigmoid, "that is the sigmoid: silu is z times the sigmoid of z"),
        Mistake("relu", lambda z: np.maximum(z, 0), "that is ReLU: silu is smooth, and dips below nought"),
        Mistake("tanh", lambda z: z * np.tanh(z), "tanh(z) is not the sigmoid: (1 + tanh(z/2)) / 2 is"),
        Mistake("sign", lambda z: z * in_numpy.sigmoid(-z), "your sigmoid falls: it is 1 / (1 + e^-z)"),
        Mistake("gelu", lambda z: z * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(z),
                "that is GELU, with the normal distribution in place of the sigmoid"),
    ),
    properties=(
        Property("silu(-1000) should be nought and raise no overflow: write the sigmoid with tanh",
                 lambda f: abs(quiet(f, np.array([-1000.0]))[0]) < 1e-9),
    ),
)  # fmt: skip


def quiet(f, z):
    with np.errstate(over="raise"):
        return f(z)


# --- swiglu.2: the slope -----------------------------------------------------------------------------


def silu_slope(z):
    s = 0.5 * (1 + np.tanh(0.5 * z))
    return s * (1 + z * (1 - s))


SLOPE = Exercise(
    title="silu_slope(z): the derivative of silu at z",
    cases=lambda: [(np.array([-4.0, -1.278, 0.0, 0.5, 3.0]),)],
    oracle=lambda z: in_numpy.sigmoid(z) + z * in_numpy.sigmoid(z) * in_numpy.sigmoid(-z),
    solution=silu_slope,
    why="The product rule: s + z·s', and the sigmoid's slope is s' = s (1 - s). At nought that is one half, "
    "and it is nought at z = -1.278, where silu has its lowest point.",
    hints=(
        "The product rule: the derivative of z · s(z) is s(z) + z · s'(z).",
        "The sigmoid's own derivative is s(z) · (1 - s(z)).",
    ),
    mistakes=(
        Mistake("sigmoid", in_numpy.sigmoid,
                "you derive z and leave the sigmoid as it is: the product rule has a second term"),
        Mistake("its slope", lambda z: in_numpy.sigmoid(z) * in_numpy.sigmoid(-z),
                "that is the slope of the sigmoid: silu is z times it"),
        Mistake("no first term", lambda z: z * in_numpy.sigmoid(z) * in_numpy.sigmoid(-z),
                "the first term of the product rule is missing: the sigmoid itself"),
        Mistake("step", lambda z: (z > 0) * 1.0, "that is the slope of ReLU"),
    ),
)  # fmt: skip

# --- swiglu.3: the layer -----------------------------------------------------------------------------


def swiglu(x, w_gate, w_up, w_down):
    gate, up = x @ w_gate.T, x @ w_up.T
    return (gate / (1 + np.exp(-gate)) * up) @ w_down.T


def act(z):
    return z * in_numpy.sigmoid(z)


LAYER = Exercise(
    title="swiglu(x, w_gate, w_up, w_down): x is (T, D), weights are (out, in): (F, D), (F, D), (D, F)",
    cases=lambda: [normals((3, 4), (6, 4), (6, 4), (4, 6)), normals((2, 3), (3, 3), (3, 3), (3, 3), seed=2)],
    oracle=lambda *given: in_numpy.swiglu(*given)[0],
    solution=swiglu,
    why="Two projections of the same vector, one of them through silu, multiplied entry by entry, and "
    "projected back. Without silu on either side it would be bilinear; with silu on both, another function.",
    hints=(
        "Weights are (out, in), so a projection is x @ w.T.",
        "silu goes on the gate alone, then gate and up are multiplied entry by entry.",
    ),
    mistakes=(
        Mistake("swapped", lambda x, g, u, d: act(x @ u.T) * (x @ g.T) @ d.T,
                "your silu is on up: it belongs on the gate, and nothing but a test will ever tell you"),
        Mistake("both", lambda x, g, u, d: act(x @ g.T) * act(x @ u.T) @ d.T,
                "you put both through silu: only the gate goes through it"),
        Mistake("sigmoid", lambda x, g, u, d: in_numpy.sigmoid(x @ g.T) * (x @ u.T) @ d.T,
                "your gate goes through the sigmoid: that is GLU; SwiGLU has z · sigmoid(z)"),
        Mistake("added", lambda x, g, u, d: (act(x @ g.T) + x @ u.T) @ d.T,
                "you add gate and up: a gate multiplies"),
        Mistake("outside", lambda x, g, u, d: act((x @ g.T) * (x @ u.T)) @ d.T,
                "you multiply first and use silu after: silu goes on the gate before it multiplies"),
    ),
)  # fmt: skip

# --- swiglu.4: the width -----------------------------------------------------------------------------


def hidden_size(dim, multiple_of, multiplier):
    hidden = int(2 * (4 * dim) / 3)
    hidden = int(multiplier * hidden)
    return multiple_of * ((hidden + multiple_of - 1) // multiple_of)


WIDTH = Exercise(
    title="hidden_size(dim, multiple_of, multiplier): the feed-forward layer's width by Meta's rule",
    cases=lambda: [(5120, 256, 1.0), (8192, 4096, 1.3), (4096, 1024, 1.3), (16384, 4096, 1.2)],
    oracle=ffn_hidden,
    solution=hidden_size,
    why="Two thirds of four times dim, so that three matrices weigh as much as two of width 4·dim; then a "
    "factor that later models use to put more weight here; then up to a multiple that suits the hardware.",
    hints=(
        "First int(2 · (4 · dim) / 3), then int(multiplier · that).",
        "Then up, not down, to the next multiple of multiple_of.",
    ),
    mistakes=(
        Mistake("down", lambda d, m, f: m * (int(f * int(8 * d / 3)) // m),
                "you round down to a multiple: Meta's rule goes up"),
        Mistake("nearest", lambda d, m, f: m * round(int(f * int(8 * d / 3)) / m),
                "you round to the nearest multiple: Meta's rule goes up, always"),
        Mistake("no two thirds", lambda d, m, f: m * math.ceil(int(f * 4 * d) / m),
                "two thirds are missing: three matrices of that width would weigh half as much again"),
        Mistake("factor last", lambda d, m, f: int(f * m * math.ceil(int(8 * d / 3) / m)),
                "you round up first and multiply then: the multiplier comes before the rounding"),
        Mistake("no multiplier", lambda d, m, f: m * math.ceil(int(8 * d / 3) / m),
                "you do not use the multiplier"),
    ),
)  # fmt: skip

EXERCISES = {f"swiglu.{i}": e for i, e in enumerate((SILU, SLOPE, LAYER, WIDTH), start=1)}
