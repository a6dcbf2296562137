"""Exercises of chapter ``rope``: rotate a vector, translate a layout, stretch the waves, find the longest."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.in_numpy.rope import rope_frequencies

# --- rope.1: rotate one vector ---------------------------------------------------------------------


def rotate(x, m, theta):
    y = np.empty_like(x)
    for i in range(len(x) // 2):
        angle = m * theta ** (-2 * i / len(x))
        y[2 * i] = x[2 * i] * np.cos(angle) - x[2 * i + 1] * np.sin(angle)
        y[2 * i + 1] = x[2 * i] * np.sin(angle) + x[2 * i + 1] * np.cos(angle)
    return y


def rotate_complex(x, m, theta):
    """Each pair is a complex number, and a turn is a multiplication by e^(j angle)."""
    turn = np.exp(1j * m * float(theta) ** (-np.arange(0, len(x), 2) / len(x)))
    return (x.view(np.complex128) * turn).view(np.float64)


def rotate_half(x, m, theta):
    """Right formula, wrong partners: coordinate i turns with coordinate i + H/2."""
    order = np.arange(len(x)).reshape(2, -1).T.reshape(-1)
    y = np.empty_like(x)
    y[order] = rotate(x[order], m, theta)
    return y


def rotate_overwritten(x, m, theta):
    """The second coordinate is computed from a first one that has already been turned."""
    y, angles = rotate(x, m, theta), m * theta ** (-np.arange(0, len(x), 2) / len(x))
    y[1::2] = y[0::2] * np.sin(angles) + x[1::2] * np.cos(angles)
    return y


def rotate_cases() -> list[tuple]:
    x = np.random.default_rng(6).normal(size=16)
    return [(x[:8], 3, 10_000.0), (x, 12_345, 500_000.0), (x[:6], 131_071, 777.0)]


def depends_on_distance(rotate) -> bool:
    q, k = np.random.default_rng(7).normal(size=(2, 8))
    near = rotate(q, 9, 10_000.0) @ rotate(k, 4, 10_000.0)
    far = rotate(q, 1009, 10_000.0) @ rotate(k, 1004, 10_000.0)
    return np.allclose(near, far, rtol=0, atol=1e-6)


ROTATE = Exercise(
    title="rotate(x, m, theta): turn each pair of neighbours of x (H,) by the angle of position m",
    cases=rotate_cases,
    oracle=rotate_complex,
    solution=rotate,
    why="Pair i is the point (x[2i], x[2i+1]) of a plane. Turning it by m·theta^(-2i/H) keeps its length, "
    "and the angle between two points turned for m and n changes with m - n alone: that is how a dot "
    "product learns distance.",
    hints=(
        "Start with H = 2: the one pair has frequency theta^0 = 1, so position m turns it by m radians.",
        "Turning (a, b) by the angle t gives (a·cos t - b·sin t, a·sin t + b·cos t).",
        "Pair i is x[2i] and x[2i + 1]; its angle is m · theta ** (-2·i / H). Write into a new array: "
        "both new coordinates need both old ones.",
    ),
    mistakes=(
        Mistake("half layout", rotate_half,
                "your pairs are (i, i + H/2): that is Hugging Face's layout; "
                "this exercise asks for Meta's neighbours (2i, 2i + 1)"),
        Mistake("other way round", lambda x, m, theta: rotate(x, -m, theta),
                "you turn clockwise: check the signs of the two sines, and which of a pair comes first"),
        Mistake("exponent without 2", lambda x, m, theta: rotate(x, m, theta**0.5),
                "your frequencies fall too slowly: the exponent is -2i/H, and the factor 2 is missing"),
        Mistake("position ignored", lambda x, m, theta: rotate(x, 1, theta),
                "every position gets the same rotation: multiply the frequency by m"),
        Mistake("nothing turned", lambda x, m, theta: x, "x comes back as it went in: nothing has turned"),
        Mistake("slowest first", lambda x, m, theta: rotate(x[::-1], -m, theta)[::-1],
                "your first pair is the slowest: pair 0 turns by m radians, later ones by less"),
        Mistake("theta 10,000 built in", lambda x, m, theta: rotate(x, m, 10_000.0),
                "your theta is always 10,000: use the argument, for Llama 3 passes 500,000"),
        Mistake("old value overwritten", rotate_overwritten,
                "your second coordinate is made from a first one that was already turned: "
                "keep both old values until both new ones are computed"),
    ),
    properties=(
        Property("position 0 should leave x as it is, since it turns every pair by the angle 0",
                 lambda rotate: np.allclose(rotate(np.arange(8.0), 0, 10_000.0), np.arange(8.0))),
        Property("a rotation keeps the length of x, and yours changes it",
                 lambda rotate: np.isclose(np.linalg.norm(rotate(np.arange(8.0), 5, 10_000.0)), 140**0.5)),
        Property("q at position 9 and k at position 4 should give the same dot product as at 1009 and 1004; "
                 "yours depends on more than the distance", depends_on_distance),
    ),
)  # fmt: skip

# --- rope.2: from Meta's layout to Hugging Face's --------------------------------------------------


def to_half(wq, n_heads):
    rows, D = wq.shape
    H = rows // n_heads
    pairs = wq.reshape(n_heads, H // 2, 2, D)  # head, pair, which of the two, column
    return pairs.swapaxes(1, 2).reshape(rows, D)  # all first coordinates of a head, then all second ones


def to_half_by_rows(wq, n_heads):
    """Facts B3 word for word: HF row i is Meta row 2i, HF row H/2 + i is Meta row 2i + 1."""
    H = len(wq) // n_heads
    out = np.empty_like(wq)
    for head in range(n_heads):
        for i in range(H // 2):
            out[head * H + i] = wq[head * H + 2 * i]
            out[head * H + H // 2 + i] = wq[head * H + 2 * i + 1]
    return out


def to_interleaved(wq, n_heads):
    return wq.reshape(n_heads, 2, -1, wq.shape[1]).swapaxes(1, 2).reshape(wq.shape)


def exchange_pairs(wq, n_heads):
    return wq.reshape(n_heads, -1, 2, wq.shape[1])[:, :, ::-1].reshape(wq.shape)


def to_half_cases() -> list[tuple]:
    rng = np.random.default_rng(8)  # square, so that a permutation of the columns runs and can be named
    return [(rng.normal(size=(n * H, n * H)), n) for n, H in ((4, 8), (2, 6), (6, 4))]


def scores_survive(to_half, D) -> bool:
    """One query and one key through both layouts, each with its own rotation: the score must not change."""
    wq, wk = np.random.default_rng(9).normal(size=(2, 16, D))
    x, n_heads, H = np.linspace(-1, 1, D), 2, 8

    def score(wq, wk, turn):
        q, k = (w @ x for w in (wq, wk))
        return [turn(q[h : h + H], 7, 100.0) @ turn(k[h : h + H], 3, 100.0) for h in range(0, n_heads * H, H)]

    return np.allclose(score(wq, wk, rotate), score(to_half(wq, n_heads), to_half(wk, n_heads), rotate_half))


TO_HALF = Exercise(
    title="to_half(wq, n_heads): the rows of Meta's wq (n_heads·H, D) in Hugging Face's order",
    cases=to_half_cases,
    oracle=to_half_by_rows,
    solution=to_half,
    why="The rows of wq make the coordinates of q, so a coordinate moves by moving its row. Within each "
    "head, first coordinates (even rows) go to the front and second coordinates (odd rows) behind them. "
    "Queries and keys move alike, so no dot product changes if each layout has its own rotation.",
    hints=(
        "With one head of 8 rows, Hugging Face's order is Meta's rows 0, 2, 4, 6, 1, 3, 5, 7.",
        "Heads stay apart: cut the rows into n_heads blocks of H and reorder inside each block.",
        "Reshape to (n_heads, H/2, 2, D): axis 1 is the pair, axis 2 says which of the two. Swap them.",
    ),
    mistakes=(
        Mistake("heads ignored", lambda wq, n_heads: to_half(wq, 1),
                "you reorder the whole matrix as if it were one head: reorder inside each head"),
        Mistake("way back", to_interleaved,
                "that is the way back, from Hugging Face to Meta: which of the two axes is the pair?"),
        Mistake("columns", lambda wq, n_heads: to_half(wq.T, n_heads).T,
                "you move columns: the coordinates of q are the rows of wq, since weights are (out, in)"),
        Mistake("unchanged", lambda wq, n_heads: wq, "the rows come back in the order in which they came"),
        Mistake("H for n_heads", lambda wq, n_heads: to_half(wq, len(wq) // n_heads),
                "you took the number of heads for the size of a head: H is len(wq) // n_heads"),
        Mistake("second ones first", lambda wq, n_heads: to_half(exchange_pairs(wq, n_heads), n_heads),
                "your second coordinates (odd rows) stand in front: first coordinates come first"),
        Mistake("reversed pairs", lambda wq, n_heads: exchange_pairs(wq, n_heads),
                "you exchange the two rows of each pair: that is the reversed layout, not the half one"),
    ),
    properties=(
        Property("Hugging Face's rotation of your rows should give the scores that Meta's gave of the old "
                 "ones, and does not", lambda to_half: scores_survive(to_half, 16)),
        Property("wk has fewer rows than columns if heads share keys: n_heads·H are its rows, and D its "
                 "columns", lambda to_half: scores_survive(to_half, 24)),
    ),
)  # fmt: skip

# --- rope.3: Llama 3.1 stretches the long waves ----------------------------------------------------


def stretch(freqs, factor, low, high, original):
    wavelengths = 2 * np.pi / freqs
    s = (original / wavelengths - low) / (high - low)  # 0 at the long end of the ramp, 1 at the short end
    ramp = (1 - s) * freqs / factor + s * freqs
    short, long = wavelengths < original / high, wavelengths > original / low
    return np.where(short, freqs, np.where(long, freqs / factor, ramp))


def blend(freqs, factor, s):
    return (1 - s) * freqs / factor + s * freqs


def stretch_one_by_one(freqs, factor, low, high, original):
    """Facts B3, a frequency at a time, in turns within the original context."""

    def one(f):
        turns = original * f / (2 * np.pi)
        if not low <= turns <= high:
            return f if turns > high else f / factor
        return blend(f, factor, (turns - low) / (high - low))

    return np.array([one(f) for f in freqs])


def stretch_ramp_in_wavelength(freqs, factor, low, high, original):
    longest, shortest = original / low, original / high
    return blend(freqs, factor, np.clip((longest - 2 * np.pi / freqs) / (longest - shortest), 0, 1))


def kept(freqs, low, high, original):
    """How much of each frequency stays: 1 for short waves, 0 for long ones."""
    return np.clip((original * freqs / (2 * np.pi) - low) / (high - low), 0, 1)


def stretch_inverted_ramp(freqs, factor, low, high, original):
    s = kept(freqs, low, high, original)
    return blend(freqs, factor, np.where((s > 0) & (s < 1), 1 - s, s))


def stretch_cases() -> list[tuple]:
    spread = 10 ** np.random.default_rng(10).uniform(-5, 0, size=40)
    return [(rope_frequencies(128, 500_000.0), 32.0, 1.0, 4.0, 8192), (spread, 5.0, 2.0, 6.0, 1000)]


STRETCH = Exercise(
    title="stretch(freqs, factor, low, high, original): Llama 3.1's frequencies from Llama 3's",
    cases=stretch_cases,
    oracle=stretch_one_by_one,
    solution=stretch,
    why="A wave that turns more than `high` times within the original context was fully seen in training, "
    "and stays. One that turns less than `low` times would reach angles never seen, so it is slowed down "
    "by `factor`. Between them s counts turns from `low` to `high` and mixes the two.",
    hints=(
        "The wavelength of frequency f is 2π/f: how many positions until the pair is back where it was.",
        "Shorter than original/high: keep f. Longer than original/low: f/factor. Otherwise mix the two.",
        "The mixture is (1 - s)·f/factor + s·f and s = (original/wavelength - low) / (high - low).",
    ),
    mistakes=(
        Mistake("all divided", lambda f, factor, *_: f / factor,
                "you slow every wave down: short ones should stay, for they tell neighbours apart"),
        Mistake("factor 8 built in", lambda f, factor, *rest: stretch(f, 8.0, *rest),
                "your factor is always 8, Llama 3.1's: use the argument, for Llama 3.2 has 32"),
        Mistake("8192 built in", lambda f, factor, low, high, original: stretch(f, factor, low, high, 8192),
                "your original context is always 8192: use the argument"),
        Mistake("unchanged", lambda f, *_: f,
                "the frequencies come back unchanged: did you compare f itself, not its wavelength 2π/f?"),
        Mistake("no ramp, kept", lambda f, factor, *bounds: blend(f, factor, kept(f, *bounds) > 0),
                "waves between original/high and original/low should be mixed, and you keep them whole "
                "(low and high exchanged has the same effect)"),
        Mistake("no ramp, divided", lambda f, factor, *bounds: blend(f, factor, kept(f, *bounds) == 1),
                "waves between original/high and original/low should be mixed, and you divide them whole"),
        Mistake("bands exchanged", lambda f, factor, *bounds: blend(f, factor, 1 - kept(f, *bounds)),
                "you keep the long waves and divide the short ones: it should be the other way round"),
        Mistake("ramp inverted", stretch_inverted_ramp,
                "your ramp runs the wrong way: s multiplies the kept frequency and 1 - s the divided one"),
        Mistake("ramp in wavelength", stretch_ramp_in_wavelength,
                "your ramp is linear in the wavelength: Meta's is linear in turns, original/wavelength"),
        Mistake("wavelength 1/f", lambda *args: stretch(*args[:-1], args[-1] * 2 * np.pi),
                "your bands lie in the wrong place by a factor of 2π: the wavelength is 2π/f, not 1/f"),
        Mistake("multiplied", lambda f, factor, *rest: stretch(f, 1 / factor, *rest),
                "you multiply by the factor: that speeds the long waves up, and they should slow down"),
    ),
    atol=0.0,
)  # fmt: skip

# --- rope.4: the longest wave ----------------------------------------------------------------------


def longest_wavelength(head_dim, theta):
    slowest = theta ** (-(head_dim - 2) / head_dim)  # the last pair is i = head_dim/2 - 1
    return 2 * np.pi / slowest


LONGEST = Exercise(
    title="longest_wavelength(head_dim, theta): positions until the slowest pair is back where it was",
    cases=lambda: [(128, 10_000.0), (64, 500_000.0), (6, 50.0)],
    oracle=lambda head_dim, theta: 2 * np.pi / rope_frequencies(head_dim, theta).min(),
    solution=longest_wavelength,
    why="Pairs are counted from 0, so the last is i = H/2 - 1 and its frequency theta^(-(H-2)/H) is a little "
    "above 1/theta. For Llama 1, 2π/frequency is 54,410 positions; for Llama 3's theta it is 2,559,196.",
    hints=(
        "A full turn is 2π radians, and a pair of frequency f turns by f radians at each position.",
        "Which pair is the slowest? There are H/2 of them, and the first one is number 0.",
    ),
    mistakes=(
        Mistake("i = H/2", lambda H, theta: 2 * np.pi * theta,
                "you took i = H/2, but pairs are counted from 0: the last one is i = H/2 - 1"),
        Mistake("2π forgotten", lambda H, theta: theta ** ((H - 2) / H),
                "after that many positions the pair has turned by 1 radian: a full turn is 2π"),
        Mistake("the frequency", lambda H, theta: theta ** (-(H - 2) / H),
                "that is the frequency, in radians a position: how many positions make 2π radians?"),
        Mistake("multiplied", lambda H, theta: 2 * np.pi * theta ** (-(H - 2) / H),
                "you multiply 2π by the frequency: a slow pair needs more positions, so divide"),
        Mistake("the shortest", lambda H, theta: 2 * np.pi, "that is the shortest wave, pair 0's"),
        Mistake("exponent without 2", lambda H, theta: 2 * np.pi * theta ** ((H / 2 - 1) / H),
                "the exponent is too small: the factor 2 of theta^(-2i/H) is missing"),
    ),
)  # fmt: skip

EXERCISES = {"rope.1": ROTATE, "rope.2": TO_HALF, "rope.3": STRETCH, "rope.4": LONGEST}
