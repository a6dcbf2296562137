"""Exercises of chapter ``rmsnorm``: the norm, its way back, its relative, and two foldings into weights."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.in_numpy import layernorm
from llamalite.in_numpy import rmsnorm as in_numpy

EPS = 0.3  # large, so that a misplaced one is seen

# --- rmsnorm.1: the norm -----------------------------------------------------------------------------


def rms_norm(x, w, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * w


def norm_cases() -> list[tuple]:
    return [(*normals((3, 4), (4,)), EPS), (*normals((2, 2, 5), (5,), seed=1), 0.01)]


NORM = Exercise(
    title="rms_norm(x, w, eps): every row of x (…, D) over the root of its mean square, times the gain w (D)",
    cases=norm_cases,
    oracle=lambda x, w, eps: in_numpy.rms_norm(x, w, eps)[0],
    solution=rms_norm,
    why="The mean of the squares is one number a row; its root is the row's size. eps stands inside the "
    "root, beside the mean square, so that a row of noughts stays a row of noughts.",
    hints=(
        "(x * x).mean(axis=-1, keepdims=True) is the mean square of each row, ready to broadcast.",
        "Add eps before you take the root.",
        "The gain multiplies each feature: w has one number a column.",
    ),
    mistakes=(
        Mistake("eps outside", lambda x, w, eps: w * x / (np.sqrt((x * x).mean(-1, keepdims=True)) + eps),
                "you add eps to the root: it belongs under it, beside the mean square"),
        Mistake("mean taken off", lambda x, w, eps: layernorm.layer_norm(x, w, 0 * w, eps)[0],
                "you take the mean off first: that is LayerNorm; RMSNorm leaves it where it is"),
        Mistake("sum", lambda x, w, eps: w * x / np.sqrt((x * x).sum(-1, keepdims=True) + eps),
                "you divide by the length of the row: take the mean of the squares, not their sum"),
        Mistake("no gain", lambda x, w, eps: x / np.sqrt((x * x).mean(-1, keepdims=True) + eps),
                "your rows are normalised, and the gain w is missing"),
        Mistake("no root", lambda x, w, eps: w * x / ((x * x).mean(-1, keepdims=True) + eps),
                "you divide by the mean square itself: take its root"),
        Mistake("over the batch", lambda x, w, eps: w * x / np.sqrt((x * x).mean(0, keepdims=True) + eps),
                "you normalise over the rows: each row, one token's vector, is normalised by itself"),
    ),
)  # fmt: skip

# --- rmsnorm.2: the way back -------------------------------------------------------------------------


def rms_norm_dx(dout, x, w, eps):
    inv_rms = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    normed, dnormed = x * inv_rms, dout * w
    return inv_rms * (dnormed - normed * (dnormed * normed).mean(axis=-1, keepdims=True))


def by_jacobian(dout, x, w, eps):
    """Row by row with the full matrix of derivatives, δ_ij / r - x_i x_j / (D r³)."""
    rows = []
    for d, row in zip(dout, x, strict=True):
        r = np.sqrt((row @ row) / len(row) + eps)
        rows.append((np.eye(len(row)) / r - np.outer(row, row) / (len(row) * r**3)) @ (d * w))
    return np.stack(rows)


def dx_with(along, gained=True, scaled=True):
    def answer(dout, x, w, eps):
        inv_rms = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
        normed, dnormed = x * inv_rms, dout * w if gained else dout
        return (inv_rms if scaled else 1) * (dnormed - along(normed, dnormed))

    return answer


def right_part(n, d):
    return n * (d * n).mean(-1, keepdims=True)


BACK = Exercise(
    title="rms_norm_dx(dout, x, w, eps): the gradient of x (T, D), from that of the output (T, D)",
    cases=lambda: [(*normals((3, 4), (3, 4), (4,)), EPS), (*normals((2, 5), (2, 5), (5,), seed=2), 0.01)],
    oracle=by_jacobian,
    solution=rms_norm_dx,
    why="Were the size a constant, the gradient would be dout · w over it. But a change along x itself "
    "changes the size as well, and the output not at all (but for eps): that part is taken off.",
    hints=(
        "First through the gain: dnormed = dout * w.",
        "With r the root, ∂(x_i / r)/∂x_j = δ_ij / r - x_i x_j / (D r³).",
        "Sum over i, and write normed for x / r: (dnormed - normed · mean(dnormed · normed)) / r.",
    ),
    mistakes=(
        Mistake("size is constant", dx_with(lambda n, d: 0),
                "you treat the size of the row as a constant: it too depends on x"),
        Mistake("sum", dx_with(lambda n, d: n * (d * n).sum(-1, keepdims=True)),
                "you take off D times too much: it is the mean of dnormed · normed, not the sum"),
        Mistake("gain forgotten", dx_with(right_part, gained=False),
                "the gradient has to go back through the gain first: dnormed = dout · w"),
        Mistake("not divided", dx_with(right_part, scaled=False),
                "divide by the size at the end: what was made smaller has a smaller gradient"),
        Mistake("mean of d", dx_with(lambda n, d: d.mean(-1, keepdims=True)),
                "you take off the mean, as for LayerNorm: RMSNorm takes off the part along normed"),
    ),
)  # fmt: skip

# --- rmsnorm.3: LayerNorm ----------------------------------------------------------------------------


def layer_norm(x, w, b, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps) * w + b


def layer_with(spread):
    return lambda x, w, b, eps: (x - x.mean(-1, keepdims=True)) / spread(x, eps) * w + b


LAYER = Exercise(
    title="layer_norm(x, w, b, eps): LayerNorm of every row of x (T, D), with gain w and bias b",
    cases=lambda: [(*normals((3, 4), (4,), (4,)), EPS), (*normals((2, 5), (5,), (5,), seed=3), 0.01)],
    oracle=lambda x, w, b, eps: layernorm.layer_norm(x, w, b, eps)[0],
    solution=layer_norm,
    why="RMSNorm of what is left when the mean is off, and a bias. The variance is the mean of the squared "
    "distances from the mean, over D and not over D - 1.",
    hints=(
        "Take the row's mean off, then do what RMSNorm does.",
        "The bias is added last, after the gain.",
    ),
    mistakes=(
        Mistake("D - 1", layer_with(lambda x, eps: np.sqrt(x.var(-1, keepdims=True, ddof=1) + eps)),
                "you divide the variance by D - 1, as statisticians do for a sample: LayerNorm takes D"),
        Mistake("RMS below", layer_with(lambda x, eps: np.sqrt((x * x).mean(-1, keepdims=True) + eps)),
                "you take the mean off above the line and leave it in below: the variance is without it too"),
        Mistake("eps outside", layer_with(lambda x, eps: x.std(-1, keepdims=True) + eps),
                "you add eps to the standard deviation: it belongs under the root, beside the variance"),
        Mistake("bias inside", lambda x, w, b, eps: (layernorm.layer_norm(x, 0 * w + 1, b, eps)[0]) * w,
                "your bias is multiplied by the gain: add it after the gain"),
    ),
)  # fmt: skip

# --- rmsnorm.4: the gain moves into the next matrix ---------------------------------------------------


def fold(w, matrix):
    return matrix * w


FOLD = Exercise(
    title="fold(w, matrix): the matrix (O, D) that does with x what `matrix` does with w * x; gain w (D)",
    cases=lambda: [normals((4,), (4, 4)), normals((3,), (3, 3), seed=4)],
    oracle=lambda w, matrix: matrix @ np.diag(w),
    solution=fold,
    why="matrix @ (w * normed) = (matrix @ diag(w)) @ normed: each column, which meets one feature, is "
    "multiplied by that feature's gain. Quantised models are often stored like this, without gains.",
    hints=(
        "matrix @ (w * x) is a sum over features: Σ_j matrix[i, j] · w[j] · x[j].",
        "So w[j] goes to column j of the matrix.",
    ),
    mistakes=(
        Mistake("rows", lambda w, m: m * w[:, None],
                "you multiply the rows: those are outputs; the gain belongs to what goes in, the columns"),
        Mistake("divided", lambda w, m: m / w,
                "you divide by the gain: then the gain would be cancelled, not taken along"),
        Mistake("applied", lambda w, m: np.outer(m @ w, np.ones(len(w))),
                "you multiply the matrix with the gain: it should stay a matrix, with its columns scaled"),
    ),
)  # fmt: skip

# --- rmsnorm.5: the mean moves into the matrix before -------------------------------------------------


def centre(matrix):
    return matrix - matrix.mean(axis=0)


CENTRE = Exercise(
    title="centre(matrix): as `matrix` (D, I), but what it writes to the stream has mean nought",
    cases=lambda: [normals((4, 4)), normals((5, 3), seed=5)],
    oracle=lambda matrix: (np.eye(len(matrix)) - 1 / len(matrix)) @ matrix,
    solution=centre,
    why="To take the mean of D outputs off is itself a matrix, 1 - (1/D), and two matrices in a row are one. "
    "If all that writes to the stream is centred, the stream has no mean, and LayerNorm is RMSNorm.",
    hints=(
        "The output's mean is the mean of the rows, times the input.",
        "Take the mean over the D rows off each column.",
    ),
    mistakes=(
        Mistake("columns", lambda m: m - m.mean(axis=1, keepdims=True),
                "you centre what comes in: the mean over the D outputs is a mean over the rows"),
        Mistake("all", lambda m: m - m.mean(),
                "you take off one number: each column has a mean of its own"),
        Mistake("twice", lambda m: m - 2 * m.mean(axis=0),
                "you take the mean off twice: what is left has the mean again, with the other sign"),
    ),
    properties=(
        Property("what your matrix writes should have mean nought, whatever it reads",
                 lambda f: np.allclose(f(np.arange(6.0).reshape(3, 2) ** 2).sum(axis=0), 0)),
    ),
)  # fmt: skip

EXERCISES = {f"rmsnorm.{i}": e for i, e in enumerate((NORM, BACK, LAYER, FOLD, CENTRE), start=1)}
