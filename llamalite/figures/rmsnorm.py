"""Figures of chapter ``rmsnorm``: what a norm does to points, and what its place does to a deep stack."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, GREEN, GREY, VERMILION, canvas, label_axes

PLACE = {"pre": BLUE, "post": VERMILION, "none": GREY}
PLACE_LABEL = {"pre": "norm before (pre)", "post": "norm after (post)", "none": "no norm"}


def draw_points(x: ndarray, normed: Mapping[str, ndarray]) -> Figure:
    """Points (n, 2) before, and after each way to normalise them; a line joins a point to its image."""
    title = "RMSNorm keeps the direction; LayerNorm keeps, of two numbers, which is larger"
    with canvas(title, columns=len(normed), width=4.4 * len(normed), height=4.4) as (figure, axes):
        for ax, (name, images) in zip(axes[0], normed.items(), strict=True):
            ax.plot([x[:, 0], images[:, 0]], [x[:, 1], images[:, 1]], color=GREY, linewidth=0.6)
            ax.plot(*x.T, "o", color=GREY, markersize=4, label="before")
            ax.plot(*images.T, "o", color=BLUE, markersize=6, label="after")
            turn = np.linspace(0, 2 * np.pi, 200)
            ax.plot(math.sqrt(2) * np.cos(turn), math.sqrt(2) * np.sin(turn), color=GREY, linestyle=":")
            ax.set_aspect("equal")
            ax.set_title(name)
            label_axes(ax, "first number", "second number")
        axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_stream(sizes: Mapping[str, ndarray]) -> Figure:
    """The size of the residual stream after each block, one line a place of the norm: arrays (L + 1)."""
    with canvas("Without a norm the stream grows beyond all numbers", height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for place, values in sizes.items():
            finite = np.isfinite(values)
            ax.semilogy(np.flatnonzero(finite), values[finite], label=PLACE_LABEL[place], color=PLACE[place])
        ax.set_ylim(0.1, 1e6)  # what grows beyond all numbers leaves the picture
        ax.legend()
        label_axes(ax, "block (number)", "root mean square of the stream")
    return figure


def draw_gradients(gradients: Mapping[str, ndarray], title: str) -> Figure:
    """The gradient's norm in each block, one line a place of the norm: arrays (L)."""
    with canvas(title, height=3.8) as (figure, axes):
        ax = axes[0, 0]
        for place, values in gradients.items():
            if np.isfinite(values).all():
                ax.semilogy(range(len(values)), values, marker="o", markersize=3, color=PLACE[place],
                            label=PLACE_LABEL[place])  # fmt: skip
            else:
                ax.plot([], [], color=PLACE[place], label=f"{PLACE_LABEL[place]}: not a number")
        ax.legend()
        label_axes(ax, "block (number, 0 is next to the embedding)", "norm of the gradient of w_up")
    return figure


def explore_depth(gradients: Mapping[int, Mapping[str, ndarray]]) -> None:
    """A slider: how deep the stack is; a menu: where its norms are. ``gradients[depth][place]`` is (L), at
    depths that are equally far apart."""

    def draw(depth: int, norms: str) -> Figure:
        shown = gradients[depth] if norms == "all" else {norms: gradients[depth][norms]}
        return draw_gradients(shown, f"{depth} blocks at the start of training: the size of the gradient")

    first, second, *_ = depths = sorted(gradients)
    steps = (first, depths[-1], second - first)
    explore(draw, depth=(first, steps), norms=("all", ["all", *gradients[first]]))


def draw_trainability(ways: Sequence[Mapping], title: str, columns: int = 4) -> Figure:
    """One map a way: depth against learning rate, the mean loss as number and colour (dark is good)."""
    rows = math.ceil(len(ways) / columns)
    with canvas(title, rows=rows, columns=columns, width=2.7 * columns, height=2.9 * rows) as (figure, axes):
        for ax in axes.ravel()[len(ways) :]:
            ax.remove()
        for ax, way in zip(axes.ravel(), ways, strict=False):
            depths = sorted({run["depth"] for run in way["runs"]})
            lrs = sorted({run["lr"] for run in way["runs"]})
            losses = np.full((len(depths), len(lrs)), np.nan)
            for run in way["runs"]:
                if None not in run["losses"]:
                    losses[depths.index(run["depth"]), lrs.index(run["lr"])] = np.mean(run["losses"])
            ax.imshow(losses, cmap="cividis", vmin=1.5, vmax=6.0, aspect="auto", origin="lower")
            for (row, column), loss in np.ndenumerate(losses):
                ink = "white" if loss < 3.5 else BLACK
                said = "nan" if np.isnan(loss) else f"{loss:.1f}" if loss < 20 else "> 20"
                ax.text(column, row, said, ha="center", va="center", color=ink, fontsize=9)
            ax.set_xticks(range(len(lrs)), [f"{lr:g}" for lr in lrs], fontsize=8.5)
            ax.set_yticks(range(len(depths)), depths)
            ax.set_title(way["name"], fontsize=10.5)
            ax.grid(False)
            label_axes(ax, "learning rate", "blocks")
    return figure


def draw_gains(gains: Mapping[str, ndarray], title: str) -> Figure:
    """The learnt gains of each norm, sorted: arrays (D)."""
    with canvas(title, height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for name, values in gains.items():
            colour = GREEN if name == "norm" else VERMILION if "ffn" in name else BLUE
            style = "-" if ".0." in name or name == "norm" else "--"
            ax.plot(np.sort(values), label=name, color=colour, linestyle=style)
        ax.axhline(1, color=GREY, linestyle=":", linewidth=1)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        label_axes(ax, "feature (sorted)", "gain (1 at the start)")
    return figure
