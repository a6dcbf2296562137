"""Figures of chapter ``language_model``: each ``draw_…`` takes numbers and returns a figure, ``explore_…``
adds a slider and returns nothing."""

from collections.abc import Mapping, Sequence
from itertools import takewhile

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, GREY, ORANGE, SKY, canvas, label_axes

HEAT = LinearSegmentedColormap.from_list("heat", ["white", ORANGE])
WHOLE = 4.0  # nats at which the colour of a surprise is full
COLUMNS = 88  # characters in a line of a coloured text


# --- a small bigram model ----------------------------------------------------------------------------


def draw_bigrams(probs: ndarray, names: Sequence[str], title: str = "What comes after what") -> Figure:
    """One cell a pair (V, V): the row is the token before, the column the token after."""
    with canvas(title, width=6.4, height=4.6) as (figure, axes):
        ax = axes[0, 0]
        ax.imshow(probs, cmap=HEAT, vmin=0, vmax=1)
        for (row, column), p in np.ndenumerate(probs):
            ax.text(column, row, f"{p:.2f}", ha="center", va="center", color=BLACK if p else GREY, fontsize=9)
        ax.set_xticks(range(len(names)), names, rotation=45)
        ax.set_yticks(range(len(names)), names)
        ax.grid(False)
        label_axes(ax, "the token after", "the token before")
    return figure


# --- loss against the length of the context ----------------------------------------------------------


def draw_context_lengths(curves: Mapping[str, ndarray], floor: float, chosen: int | None = None) -> Figure:
    """Bits per byte against the number of tokens that an n-gram model looks back, over the floor."""
    with canvas("A longer context helps until it has been seen too seldom", height=4.4) as (figure, axes):
        plot_context_lengths(axes[0, 0], curves, floor, chosen)
    return figure


def plot_context_lengths(
    ax: Axes, curves: Mapping[str, ndarray], floor: float, chosen: int | None = None
) -> None:
    for label, bits in curves.items():
        ax.plot(range(len(bits)), bits, marker="o", markersize=4, label=label)
        if chosen is not None and chosen < len(bits):
            ax.plot(
                chosen, bits[chosen], marker="o", markersize=11, color=ax.lines[-1].get_color(), alpha=0.6
            )
    draw_floor(ax, floor)
    longest = max(map(len, curves.values())) - 1
    ax.set(yscale="log", xlim=(-0.3, longest + 0.3))
    ax.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2, 4], ["0.05", "0.1", "0.2", "0.5", "1", "2", "4"])
    ax.minorticks_off()
    ax.legend(loc="upper right")
    label_axes(ax, "context (tokens)", "loss (bits per byte)")


def draw_floor(ax: Axes, floor: float) -> None:
    ax.axhline(floor, color=BLACK, linewidth=1.4, linestyle="--")
    ax.text(0.995, floor, "the floor", transform=ax.get_yaxis_transform(), ha="right", va="bottom")


# --- a text, coloured by surprise --------------------------------------------------------------------


def draw_surprise(tokens: Sequence[str], surprise: ndarray, title: str = "Where the surprise is") -> Figure:
    """A text whose tokens are the darker, the more nats each of them cost."""
    with canvas(title, width=8.4, height=2.9) as (figure, axes):
        plot_surprise(axes[0, 0], tokens, surprise)
    return figure


def plot_surprise(ax: Axes, tokens: Sequence[str], surprise: ndarray) -> None:
    places = lay_out(tokens, COLUMNS)
    for token, nats, (line, column) in zip(tokens, surprise, places, strict=True):
        colour = HEAT(min(float(nats) / WHOLE, 1.0))
        ax.add_patch(Rectangle((column, -line - 0.45), len(token), 0.9, facecolor=colour, linewidth=0))
        for i, character in enumerate(token):  # one by one, so that letters stay in their boxes
            ax.text(
                column + i + 0.5, -line, character, ha="center", va="center", fontsize=9, family="monospace"
            )
    ax.set(xlim=(0, COLUMNS), ylim=(-places[-1][0] - 0.7, 0.7), xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"white: no surprise; full orange: {WHOLE:g} nats or more")


def lay_out(tokens: Sequence[str], columns: int) -> list[tuple[int, int]]:
    """Line and column of each token; a word, which may be several tokens, stays in one line.

    >>> lay_out(["abc", " d", "e", " fg"], columns=7)
    [(0, 0), (0, 3), (0, 5), (1, 0)]
    """
    places, line, column = [], 0, 0
    for i, token in enumerate(tokens):
        rest = takewhile(lambda later: not later.startswith(" "), tokens[i + 1 :])
        word = len(token) + sum(map(len, rest)) if token.startswith(" ") else len(token)
        if column and column + word > columns:
            line, column = line + 1, 0
        places.append((line, column))
        column += len(token)
    return places


def explore_context_length(
    curves: Mapping[str, ndarray], floor: float, tokens: Sequence[str], surprise: ndarray
) -> None:
    """Slider: the number of tokens looked back. ``surprise`` (C, T) has a row for each."""

    def draw(context: int) -> Figure:
        title = f"With {context} tokens of context: the loss, and what a tale still surprises it with"
        with canvas(title, rows=2, width=8.4, height=6.6) as (figure, axes):
            plot_context_lengths(axes[0, 0], curves, floor, context)
            plot_surprise(axes[1, 0], tokens, surprise[context])
        return figure

    explore(draw, context=(min(4, len(surprise) - 1), (0, len(surprise) - 1, 1)))


# --- models against the floor ------------------------------------------------------------------------


def draw_scores(scores: Mapping[str, float], floor: float) -> Figure:
    """One row a model, in bits per byte: how far it is above the floor."""
    with canvas("How far each model is from the floor", height=0.9 + 0.48 * len(scores)) as (figure, axes):
        ax, rows, bits = axes[0, 0], range(len(scores)), list(scores.values())
        ax.hlines(rows, floor, bits, color=SKY, linewidth=4)
        ax.plot(bits, rows, "o", color=BLUE, markersize=9)
        for row, value in enumerate(bits):
            ax.text(value * 1.08, row, f"{value:.3f}", va="center")
        ax.axvline(floor, color=BLACK, linestyle="--", linewidth=1.4)
        ax.text(floor, -0.95, f" the floor, {floor:.3f}", va="center", ha="left")
        ax.set(xscale="log", xlim=(floor * 0.85, max(bits) * 1.6), ylim=(len(scores) - 0.5, -1.3))
        ax.set_yticks(rows, list(scores))
        ax.set_xticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
        ax.minorticks_off()
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("loss (bits per byte)")
    return figure


def draw_mentions(nats: Mapping[str, Mapping[str, float]], floor: Mapping[str, float]) -> Figure:
    """Groups of bars: the surprise of each kind of word, by model; a black line marks the exact floor."""
    kinds, height = list(floor), 0.8 / len(nats)
    title = "First mentions surprise everybody; only a long memory expects the second"
    with canvas(title, height=1.2 + 0.62 * len(kinds)) as (figure, axes):
        ax = axes[0, 0]
        for i, (model, costs) in enumerate(nats.items()):
            rows = np.arange(len(kinds)) + (i - (len(nats) - 1) / 2) * height
            ax.barh(rows, [costs[kind] for kind in kinds], height=height * 0.9, label=model)
        for row, kind in enumerate(kinds):
            ax.plot([floor[kind]] * 2, [row - 0.45, row + 0.45], color=BLACK, linewidth=2.2,
                    label="floor" if row == 0 else None)  # fmt: skip
        ax.set_yticks(range(len(kinds)), kinds)
        ax.set(ylim=(len(kinds) - 0.4, -0.6), xlim=(-0.06, None))
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("surprise (nats a mention)")
        figure.legend(loc="outside lower center", ncols=len(nats) + 1)
    return figure


# --- a loss averaged over padding --------------------------------------------------------------------


def draw_reported(reported: Mapping[str, ndarray], floor: float, every: int = 1) -> Figure:
    """Loss that a training reports against its steps, one line a way to average, over the floor."""
    with canvas("Two runs, equal but for the mask: the lower curve is no better model") as (figure, axes):
        ax = axes[0, 0]
        for label, losses in reported.items():
            ax.plot(np.arange(len(losses)) * every, losses, label=label)
        draw_floor(ax, floor)
        ax.set(yscale="log")
        ax.set_yticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
        ax.minorticks_off()
        ax.margins(x=0)
        ax.legend(loc="upper right")
        label_axes(ax, "step", "reported loss (nats a token)")
    return figure
