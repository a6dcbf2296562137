"""Figures of chapter ``rope``: each ``draw_…`` takes numbers and returns a figure, each ``explore_…`` adds
sliders to it and returns nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from llamalite.config import RopeScaling
from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, CYCLE, GREY, ORANGE, SKY, canvas, label_axes
from llamalite.in_numpy.rope import pair_order, rope_frequencies


def two_digits(x: float) -> float:
    """A slider in logarithms gives crooked numbers; 10 ** 5.7 should read 500,000.

    >>> two_digits(10**5.7)
    500000.0
    """
    return float(f"{x:.1e}")


# --- pairs as clock hands --------------------------------------------------------------------------


def draw_clock_hands(
    head_dim: int = 8, theta: float = 10_000.0, positions: Sequence[int] = (0, 1, 2, 3, 4, 5)
) -> Figure:
    """One dial a pair, one hand a position: where (1, 0) points after its rotation."""
    freqs = rope_frequencies(head_dim, theta)
    colours = colormaps["cividis"](np.linspace(0, 0.92, len(positions)))
    title = f"Each pair turns at its own speed, the first fastest (theta {theta:,.0f})"
    with canvas(title, columns=len(freqs), width=8.4, height=3.1) as (figure, axes):
        for i, (ax, freq) in enumerate(zip(axes[0], freqs, strict=True)):
            draw_dial(ax, np.array(positions) * freq, colours)
            ax.set_title(f"pair {i}", loc="center")
            ax.set_xlabel(f"a turn in\n{2 * np.pi / freq:,.1f} positions")
        hands = axes[0, 0].get_lines()[: len(positions)]
        figure.legend(hands, [f"{m:,}" for m in positions], title="position", loc="outside right center")
    return figure


def draw_dial(ax: Axes, angles: ndarray, colours: ndarray) -> None:
    """Unit circle with one hand an angle (radians, anticlockwise from the right); later hands are shorter,
    so that none hides another."""
    lengths = np.linspace(1.0, 0.55, len(angles))
    for angle, colour, length in zip(angles, colours, lengths, strict=True):
        tip = length * np.cos(angle), length * np.sin(angle)
        ax.plot([0, tip[0]], [0, tip[1]], color=colour, marker="o", markevery=[1], markersize=5)
    ring = np.linspace(0, 2 * np.pi, 181)
    ax.plot(np.cos(ring), np.sin(ring), color=GREY, linewidth=1)
    ax.set(aspect="equal", xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def explore_clock_hands() -> None:
    """Sliders: log10 of theta, and how many positions lie between two hands."""

    def draw(log10_theta: float, step: int) -> Figure:
        return draw_clock_hands(8, two_digits(10**log10_theta), [step * j for j in range(6)])

    explore(draw, log10_theta=(4.0, (2.0, 6.0, 0.1)), step=(1, [1, 2, 5, 10, 100, 1000]))


# --- wavelengths -----------------------------------------------------------------------------------


def draw_wavelengths(
    head_dim: int = 128,
    thetas: Sequence[float] = (10_000.0, 500_000.0),
    scaling: RopeScaling | None = RopeScaling(),  # noqa: B008  (frozen)
    context: int = 131_072,
) -> Figure:
    """Positions that each pair needs for a full turn; ``scaling`` is applied to the last theta, and the
    pairs of its three bands are shaded."""
    pairs = np.arange(head_dim // 2)
    title = "A larger theta makes longer waves" + (
        "; Llama 3.1 stretches only the longest" if scaling else ""
    )
    with canvas(title, height=4.8) as (figure, axes):
        ax = axes[0, 0]
        for theta in thetas:
            waves = 2 * np.pi / rope_frequencies(head_dim, theta)
            ax.plot(pairs, waves, label=f"theta {theta:,.0f}")
        if scaling is not None:
            waves = 2 * np.pi / rope_frequencies(head_dim, thetas[-1], scaling)
            label = f"theta {thetas[-1]:,.0f}, long waves × {scaling.factor:g}"
            ax.plot(pairs, waves, linestyle="--", label=label)
            shade_bands(ax, head_dim, thetas[-1], scaling)
        original = context if scaling is None else scaling.original_max_seq_len
        draw_contexts(ax, {original: "original context", context: "context"})
        ax.set(yscale="log", xlim=(0, head_dim // 2 - 1), ylim=(2, 1e9))
        ax.legend(loc="upper left")
        label_axes(ax, "pair (index)", "wavelength (positions)")
    return figure


def shade_bands(ax: Axes, head_dim: int, theta: float, scaling: RopeScaling) -> None:
    """Llama 3.1's bands, by pair: frequencies kept, mixed on the ramp, divided by the factor."""
    last = head_dim // 2 - 1
    bounds = [scaling.original_max_seq_len / f for f in (scaling.high_freq_factor, scaling.low_freq_factor)]
    # 2π·theta^(2i/H) = bound, solved for i
    start, end = np.clip(head_dim / 2 * np.log(np.array(bounds) / (2 * np.pi)) / np.log(theta), 0, last)
    bands = ((0, start, "kept", "none"), (start, end, "ramp", ORANGE), (end, last, "divided", SKY))
    for left, right, name, colour in bands:
        ax.axvspan(left, right, color=colour, alpha=0.25, linewidth=0)
        if right - left > last / 15:  # else the word is wider than its band
            middle = (left + right) / 2
            ax.text(middle, 0.03, name, transform=ax.get_xaxis_transform(), ha="center", color=GREY)


def draw_contexts(ax: Axes, names: Mapping[int, str]) -> None:
    """A line across for each length; the longest is named above its line, others below theirs."""
    for length, name in names.items():
        y, va = (length * 1.2, "bottom") if length == max(names) else (length / 1.2, "top")
        ax.axhline(length, color=GREY, linewidth=1.2, linestyle=":")
        ax.text(0.01, y, f"{name} {length:,}", transform=ax.get_yaxis_transform(), color=GREY, va=va)


def explore_wavelengths() -> None:
    """Sliders: log10 of theta, Llama 3.1's factor, and the context."""

    def draw(log10_theta: float, factor: int, context: int) -> Figure:
        return draw_wavelengths(
            128, (10_000.0, two_digits(10**log10_theta)), RopeScaling(float(factor)), context
        )

    log10_theta = (round(np.log10(500_000), 1), (3.0, 7.0, 0.1))
    explore(
        draw,
        log10_theta=log10_theta,
        factor=(8, (1, 32, 1)),
        context=(131_072, [2**k for k in range(11, 18)]),
    )


# --- score by distance -----------------------------------------------------------------------------


def score_by_distance(q: ndarray, k: ndarray, distances: ndarray, theta: float) -> ndarray:
    """q·k (H,) after rotation, for each distance: only the difference of positions enters.

    >>> score_by_distance(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([0, 1]), 100.0).round(4)
    array([1.    , 0.5403])
    """
    pairs = (q[0::2] + 1j * q[1::2]) * (k[0::2] - 1j * k[1::2])
    return (np.exp(1j * np.outer(distances, rope_frequencies(len(q), theta))) @ pairs).real


def draw_score_by_distance(
    head_dim: int = 128,
    thetas: Sequence[float] = (10_000.0, 500_000.0),
    furthest: int = 131_072,
    q: ndarray | None = None,
    k: ndarray | None = None,
) -> Figure:
    """Score q·k / H between the same q and k at growing distance; both are all ones by default."""
    plain = q is None and k is None and sorted(thetas) == list(thetas)
    q, k = (np.ones(head_dim) if v is None else v for v in (q, k))
    distances = np.unique(np.geomspace(1, furthest, 600).astype(int))
    title = "Two equal vectors grow unlike with distance, more slowly if theta is larger"
    with canvas(title if plain else "The score of one q and one k against distance") as (figure, axes):
        ax = axes[0, 0]
        for theta in thetas:
            score = score_by_distance(q, k, distances, theta) / len(q)
            ax.plot(distances, score, label=f"theta {theta:,.0f}", linewidth=1.6)
        ax.axhline(0, color=GREY, linewidth=1)
        ax.set(xscale="log", xlim=(1, furthest))
        ax.legend(loc="upper right")
        label_axes(ax, "distance (positions)", "score q·k / H")
    return figure


def explore_score_by_distance() -> None:
    """Sliders: log10 of theta, and the head size."""

    def draw(log10_theta: float, head_dim: int) -> Figure:
        return draw_score_by_distance(head_dim, (10_000.0, two_digits(10**log10_theta)))

    log10_theta = (round(np.log10(500_000), 1), (2.0, 7.0, 0.1))
    explore(draw, log10_theta=log10_theta, head_dim=(128, [16, 32, 64, 128]))


# --- what float32 costs ----------------------------------------------------------------------------


def float32_angle_errors(head_dim: int, theta: float, positions: ndarray) -> ndarray:
    """|angle in float32 - angle in float64| in radians, measured: row = position, column = pair."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    freqs32 = np.float32(1) / np.float32(theta) ** exponents
    angles32 = np.outer(positions.astype(np.float32), freqs32)
    return np.abs(angles32.astype(np.float64) - np.outer(positions, rope_frequencies(head_dim, theta)))


def draw_float32_cost(head_dim: int = 128, theta: float = 500_000.0, furthest: int = 131_072) -> Figure:
    """Error of angles computed in float32, against position, for the worst and the median pair."""
    positions = np.unique(np.geomspace(1, furthest - 1, 400).astype(int))
    errors = float32_angle_errors(head_dim, theta, positions)
    worst = errors.max(axis=1)
    title = f"In float32 an angle is off by up to {worst.max():.1g} radians within {furthest:,} positions"
    with canvas(title) as (figure, axes):
        ax = axes[0, 0]
        step = np.spacing(positions.astype(np.float32)) / 2
        ax.plot(positions, worst, label="worst pair", linewidth=1.6)
        ax.plot(positions, np.median(errors, axis=1), label="median pair", linewidth=1.6)
        ax.plot(positions, step, color=BLACK, linestyle=":", label="half the gap of float32 numbers there")
        ax.set(xscale="log", yscale="log", xlim=(1, furthest))
        ax.legend(loc="upper left")
        label_axes(ax, "position", "error of the angle (radians)")
    return figure


def explore_float32_cost() -> None:
    """Sliders: log10 of theta, and the furthest position."""

    def draw(log10_theta: float, furthest: int) -> Figure:
        return draw_float32_cost(128, two_digits(10**log10_theta), furthest)

    log10_theta = (round(np.log10(500_000), 1), (2.0, 7.0, 0.1))
    explore(draw, log10_theta=log10_theta, furthest=(131_072, [2**k for k in range(12, 21)]))


# --- layouts, and what a wrong one does --------------------------------------------------------------

LAYOUTS = {"interleaved": "interleaved (Meta)", "half": "half (Hugging Face)", "reversed": "reversed"}


def draw_layouts(head_dim: int = 8) -> Figure:
    """The coordinates of one head in each layout: colour and number name the pair, a and b its members."""
    title = "Three orders of one head: cells of the same number turn together"
    with canvas(title, width=8.0, height=3.4) as (figure, axes):
        ax = axes[0, 0]
        for row, layout in enumerate(LAYOUTS):
            for j, cell in enumerate(pair_order(head_dim, layout)):
                colour = CYCLE[j // 2 % len(CYCLE)]
                ax.add_patch(
                    Rectangle((cell, -row), 0.94, 0.72, facecolor=colour, alpha=0.45, edgecolor=GREY)
                )
                ax.text(
                    cell + 0.47, 0.36 - row, f"{j // 2}{'ab'[j % 2]}", ha="center", va="center", fontsize=12
                )
        heights = 0.36 - np.arange(len(LAYOUTS))
        ax.set(xlim=(-0.1, head_dim), ylim=(0.62 - len(LAYOUTS), 1.0))
        ax.set_xticks(np.arange(head_dim) + 0.47, range(head_dim))
        ax.set_yticks(heights, LAYOUTS.values())
        ax.set_xlabel("coordinate of the head (index)")
        ax.grid(False)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def explore_layouts() -> None:
    """Menu: the head size."""
    explore(draw_layouts, head_dim=(8, [4, 8, 12, 16]))


def draw_loss_by_position(losses: Mapping[str, ndarray], title: str = "Loss by position") -> Figure:
    """One line a label: loss (nats a token) at each position of the context, each array (T,)."""
    with canvas(title) as (figure, axes):
        ax = axes[0, 0]
        for label, loss in losses.items():
            ax.plot(np.arange(len(loss)), loss, label=label, linewidth=1.6)
        ax.set_ylim(bottom=0)
        ax.margins(x=0)
        ax.legend(loc="best")
        label_axes(ax, "position in the context", "loss (nats a token)")
    return figure
