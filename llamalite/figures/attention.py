"""Figures of chapter ``attention``: each ``draw_…`` takes numbers and returns a figure, each ``explore_…``
adds sliders to it and returns nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.language_model import lay_out
from llamalite.figures.style import BLACK, BLUE, GREY, canvas, label_axes

WEIGHT = LinearSegmentedColormap.from_list("weight", ["white", BLUE])
NOTHING = "#E8E8E8"  # what a mask hides
NAMED = 40  # positions whose tokens can still be read along an axis
COLUMNS = 112  # characters in a line of a tale


def plot_weights(ax: Axes, weights: ndarray, tokens: Sequence[str] = (), numbers: bool = False) -> None:
    """One cell a query (row) and key (column), the darker the larger; grey where no query may look."""
    T, S = weights.shape
    hidden = ~np.tri(T, S, S - T, dtype=bool) & (weights == 0)
    ax.imshow(np.where(hidden, np.nan, weights), cmap=WEIGHT, vmin=0, vmax=1, aspect="auto")
    ax.set_facecolor(NOTHING)
    if numbers:
        for (row, column), w in np.ndenumerate(weights):
            if not hidden[row, column]:
                ink = "white" if w > 0.6 else BLACK
                ax.text(column, row, f"{w:.2f}", ha="center", va="center", fontsize=8.5, color=ink)
    if 0 < len(tokens) <= NAMED:
        ax.set_xticks(range(S), tokens[:S], rotation=90, fontsize=8, parse_math=False)
        ax.set_yticks(range(T), tokens[S - T :], fontsize=8, parse_math=False)
    ax.grid(False)


def draw_weights(weights: ndarray, tokens: Sequence[str], title: str) -> Figure:
    """The weights (T, T) of one head, each with its number."""
    with canvas(title, width=5.6, height=4.6) as (figure, axes):
        plot_weights(axes[0, 0], weights, tokens, numbers=True)
        label_axes(axes[0, 0], "looked at (key)", "looking (query)")
    return figure


def draw_heads(weights: ndarray, title: str = "Every head has its own habits") -> Figure:
    """All heads of a model: a row a layer, a column a head; weights (L, N, T, T), the light ones made visible
    by a square root."""
    L, N = weights.shape[:2]
    with canvas(title, rows=L, columns=N, width=2.35 * N, height=2.6 * L + 0.4) as (figure, axes):
        for (layer, head), ax in np.ndenumerate(axes):
            plot_weights(ax, np.sqrt(weights[layer, head]))
            ax.set_title(f"layer {layer}, head {head}", loc="center", fontsize=10)
            ax.set(xticks=[], yticks=[])
            label_axes(ax, "looked at (position)", "looking (position)" if head == 0 else "")
            ax.xaxis.label.set_size(9)
            ax.yaxis.label.set_size(9)
    return figure


def plot_look(ax: Axes, weights: ndarray, tokens: Sequence[str], query: int) -> None:
    """A text whose tokens are the bluer, the more ``query`` looks at them: weights (S,), by square root.
    The query is framed; what comes after it is grey, for nobody there can be looked at."""
    places = lay_out(tokens, COLUMNS)
    for i, (token, (line, column)) in enumerate(zip(tokens, places, strict=True)):
        if i <= query:
            colour, edge = WEIGHT(float(weights[i]) ** 0.5), BLACK if i == query else "none"
            box = Rectangle((column, -line - 0.45), len(token), 0.9, facecolor=colour, edgecolor=edge)
            ax.add_patch(box)
        dark = i <= query and weights[i] > 0.4
        ink = "white" if dark else BLACK if i <= query else "#AAAAAA"
        indent = len(token) - len(token.lstrip())
        middle = column + (len(token) + indent) / 2
        ax.text(middle, -line, token.strip(), ha="center", va="center", color=ink, parse_math=False,
                fontsize=9.2, family="monospace")  # fmt: skip
    ax.set(xlim=(-0.5, COLUMNS + 0.5), ylim=(-places[-1][0] - 0.7, 0.7), xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)


def draw_look(weights: ndarray, tokens: Sequence[str], query: int, title: str) -> Figure:
    """Where one query looks: weights (N, T, T) of a layer, the whole text once a head."""
    lines = lay_out(tokens, COLUMNS)[-1][0] + 1
    height = 0.6 + len(weights) * (0.19 * lines + 0.42)
    with canvas(title, rows=len(weights), width=9.4, height=height) as (figure, axes):
        for head, ax in enumerate(axes[:, 0]):
            row = weights[head, query, : query + 1]
            best = tokens[int(row.argmax())].strip()
            ax.set_title(f"head {head}: most of all at “{best}”, {row.max():.0%}", fontsize=10)
            ax.title.set_parse_math(False)
            plot_look(ax, row, tokens, query)
            ax.set_xlabel("framed: who looks; blue: at what" if head == len(weights) - 1 else " ", fontsize=8)
    return figure


def explore_heads(weights: ndarray, tokens: Sequence[str], query: int) -> None:
    """Sliders: the layer, and the token that looks; weights (L, N, T, T)."""

    def draw(layer: int, position: int) -> Figure:
        title = f"Layer {layer}: where each head looks from “{tokens[position].strip()}”"
        return draw_look(weights[layer], tokens, position, title)

    last = weights.shape[0] - 1
    explore(draw, position=(query, (0, len(tokens) - 1, 1)), layer=(last, (0, last, 1)))


def draw_costs(lengths: Sequence[int], seconds: Mapping[str, ndarray], scores: ndarray) -> Figure:
    """Time of one layer's attention for each way to compute it, and the bytes of its scores."""
    with canvas("Twice the context, four times the work", columns=2, width=9.0, height=3.8) as (figure, axes):
        for label, times in seconds.items():
            axes[0, 0].loglog(lengths, np.array(times) * 1e3, marker="o", markersize=4, label=label)
        axes[0, 0].loglog(
            lengths,
            np.array(lengths) ** 2 / lengths[-1] ** 2 * min(t[-1] for t in seconds.values()) * 1e3,
            color=GREY, linestyle=":", label="slope 2",
        )  # fmt: skip
        axes[0, 0].legend()
        label_axes(axes[0, 0], "context (tokens)", "time (ms)")
        axes[0, 1].loglog(lengths, np.array(scores) / 2**20, marker="o", markersize=4, color=BLACK)
        label_axes(axes[0, 1], "context (tokens)", "scores of all heads (MiB)")
        for ax in axes[0]:
            ax.set_xticks(lengths, [f"{n:,}" for n in lengths])
            ax.minorticks_off()
    return figure
