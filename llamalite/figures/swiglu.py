"""Figures of chapter ``swiglu``: activations, the gate's surface, families, and units that fire."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, GREY, ORANGE, VERMILION, canvas, label_axes
from llamalite.in_numpy.swiglu import sigmoid

SWITCHES: dict[str, Callable[[ndarray], ndarray]] = {
    "SiLU (SwiGLU)": lambda z: z * sigmoid(z),
    "sigmoid (GLU)": sigmoid,
    "ReLU (ReGLU)": lambda z: np.maximum(z, 0),
    "none (bilinear)": lambda z: z,
}


def draw_activations(curves: Mapping[str, Callable[[ndarray], ndarray]]) -> Figure:
    """Each activation and its slope over the same range."""
    z = np.linspace(-5, 5, 401)
    title = "Three ways to let only what is positive through"
    with canvas(title, columns=2, width=9.4, height=3.8) as (figure, axes):
        for name, curve in curves.items():
            axes[0, 0].plot(z, curve(z), label=name)
            axes[0, 1].plot(z, np.gradient(curve(z), z), label=name)
        axes[0, 0].legend()
        axes[0, 0].set_ylim(-0.6, 4)
        label_axes(axes[0, 0], "input z", "output")
        label_axes(axes[0, 1], "input z", "slope")
    return figure


def draw_surface(gate: float, up: float, switch: str) -> Figure:
    """What one hidden unit answers to each pair of projections, and two cuts through one place."""
    z = np.linspace(-4, 4, 161)
    answer = SWITCHES[switch](z)[None, :] * z[:, None]
    let_through = SWITCHES[switch](np.array([gate]))[0]
    title = "A gated unit multiplies: what is shut stays shut, whatever up says"
    with canvas(title, columns=2, width=9.4, height=4.2) as (figure, axes):
        left, right = axes[0]
        image = left.imshow(answer, extent=(-4, 4, -4, 4), origin="lower", cmap="PuOr", vmin=-8, vmax=8)
        left.plot([gate], [up], "o", color=BLACK, markersize=8, markerfacecolor="none", markeredgewidth=2)
        left.grid(False)
        left.set_title(switch)
        figure.colorbar(image, ax=left).ax.set_xlabel("answer")
        label_axes(left, "gate projection", "up projection")
        right.plot(z, SWITCHES[switch](z) * up, color=BLUE, label=f"up held at {up:g}")
        right.plot(z, let_through * z, color=VERMILION, label=f"gate held at {gate:g}")
        right.plot([gate, up], [let_through * up] * 2, "o", color=BLACK, fillstyle="none")
        right.set_ylim(-10, 10)
        right.legend()
        label_axes(right, "the other projection", "answer of the unit")
    return figure


def explore_surface() -> None:
    """Sliders: where gate and up stand; a menu: what the gate goes through."""
    explore(
        lambda gate, up, switch: draw_surface(gate, up, switch),
        gate=(-1.5, (-4.0, 4.0, 0.25)),
        up=(2.0, (-4.0, 4.0, 0.25)),
        switch=("SiLU (SwiGLU)", list(SWITCHES)),
    )


def draw_family(ways: Sequence[Mapping], floor: float) -> Figure:
    """Bits per byte of each feed-forward layer at each learning rate: a point a seed, a bar the mean."""
    lrs = [run["lr"] for run in ways[0]["runs"]]
    title = "Equal parameters, equal products: the same tales, three seeds"
    with canvas(title, width=9.4, height=4.2) as (figure, axes):
        ax = axes[0, 0]
        for place, way in enumerate(ways):
            for i, (run, colour) in enumerate(zip(way["runs"], (ORANGE, BLUE, VERMILION), strict=True)):
                x = place + 0.24 * (i - 1)
                ax.plot([x] * len(run["bits_per_byte"]), run["bits_per_byte"], "o", color=colour, alpha=0.5,
                        markersize=4)  # fmt: skip
                label = f"learning rate {lrs[i]:g}" if place == 0 else None
                ax.errorbar(x, run["mean"], run["std"], fmt="_", color=colour, markersize=12, capsize=3,
                            label=label)  # fmt: skip
        ax.axhline(floor, color=GREY, linestyle=":")
        ax.text(len(ways) - 0.5, floor, "floor", ha="right", va="bottom", color=GREY)
        ax.set_xticks(range(len(ways)), [way["name"] for way in ways])
        ax.legend()
        label_axes(ax, "feed-forward layer", "held-out bits per byte (low is good)")
    return figure


def draw_unit(tokens: Sequence[str], fires: ndarray, title: str) -> Figure:
    """A text whose tokens stand as bars as high as one hidden unit fires on them."""
    with canvas(title, width=10.0, height=3.4) as (figure, axes):
        ax = axes[0, 0]
        ax.bar(range(len(tokens)), fires, color=[VERMILION if f > 0.2 * fires.max() else GREY for f in fires])
        for i, token in enumerate(tokens):
            if fires[i] > 0.2 * fires.max():
                ax.text(i, fires[i], token.strip(), ha="center", va="bottom", fontsize=9, parse_math=False)
        ax.set_ylim(top=1.15 * fires.max())
        label_axes(ax, "token of the tale (number)", "answer of the unit")
    return figure
