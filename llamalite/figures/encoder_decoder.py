"""Figures of chapter ``encoder_decoder``: who may look at whom, what moves what, and what it costs."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.attention import NOTHING, WEIGHT
from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, VERMILION, canvas, label_axes

HANGUL = "HANGUL SYLLABLE "


class Influence(NamedTuple):
    """How much each output (row) moves if one input (column) is exchanged."""

    matrix: ndarray
    inputs: Sequence[str]
    outputs: Sequence[str]


def readable(text: str) -> str:
    """Hangul by the sound of its syllables: the fonts of a bare machine have none.

    >>> readable("리본 two")
    'ri·bon two'
    """
    sounds = [unicodedata.name(c, "").removeprefix(HANGUL).lower() + "·" if is_hangul(c) else c for c in text]
    return re.sub(r"·(?!\w)", "", "".join(sounds))


def is_hangul(character: str) -> bool:
    return unicodedata.name(character, "").startswith(HANGUL)


def draw_masks(masks: Mapping[str, ndarray]) -> Figure:
    """Boolean masks (T, S) side by side, blue where a query may look."""
    title = "One block, three masks: blue may be looked at"
    with canvas(title, columns=len(masks), width=3.2 * len(masks), height=3.4) as (figure, axes):
        for ax, (name, mask) in zip(axes[0], masks.items(), strict=True):
            ax.imshow(mask, cmap=ListedColormap([NOTHING, BLUE]), vmin=0, vmax=1)
            ax.set_title(name, fontsize=10.5)
            ax.set(xticks=range(mask.shape[1]), yticks=range(mask.shape[0]))
            ax.grid(False)
            label_axes(ax, "looked at (key)", "looking (query)")
    return figure


def plot_influence(ax: Axes, shown: Influence, row: int | None = None) -> None:
    faint = 0.2 * shown.matrix.max()  # a row of small numbers is noise and shall look like it
    shares = shown.matrix / np.maximum(shown.matrix.max(axis=1, keepdims=True), faint)
    ax.imshow(shares, cmap=WEIGHT, vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(shown.inputs)), shown.inputs, rotation=90, fontsize=8, parse_math=False)
    ax.set_yticks(range(len(shown.outputs)), shown.outputs, fontsize=8, parse_math=False)
    if row is not None:
        ax.axhline(row - 0.5, color=BLACK, linewidth=1)
        ax.axhline(row + 0.5, color=BLACK, linewidth=1)
    ax.grid(False)


def draw_influence(shown: Influence, row: int, title: str) -> Figure:
    """Left the whole matrix, each row by its own largest entry; right one of its rows."""
    height = 1.6 + 0.22 * len(shown.outputs)
    with canvas(title, columns=2, width=10.0, height=max(4.2, height)) as (figure, axes):
        left, right = axes[0]
        plot_influence(left, shown, row)
        label_axes(left, "input that is exchanged", "output that moves")
        right.barh(range(len(shown.inputs)), shown.matrix[row], color=BLUE)
        right.set_yticks(range(len(shown.inputs)), shown.inputs, fontsize=8, parse_math=False)
        right.invert_yaxis()
        right.set_title(f"what moves “{shown.outputs[row]}”", fontsize=10.5)
        right.title.set_parse_math(False)
        label_axes(right, "change (nats of the output's probability, or length)", "")
    return figure


def explore_influence(found: Mapping[str, Influence], start: int = 0) -> None:
    """A menu of models, and a slider over the outputs."""
    last = max(len(shown.outputs) for shown in found.values()) - 1

    def draw(model: str, output: int) -> Figure:
        shown = found[model]
        return draw_influence(
            shown, min(output, len(shown.outputs) - 1), f"{model}: which input moves which output"
        )

    explore(draw, model=(next(iter(found)), list(found)), output=(start, (0, last, 1)))


def draw_learning(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Training losses of several models, smoothed over ten steps."""
    with canvas("The same pairs, the same number of parameters", height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for name, losses in curves.items():
            ax.semilogy(np.convolve(losses, np.ones(10) / 10, mode="valid"), label=name)
        ax.legend()
        label_axes(ax, "step", "loss (nats a token of the answer)")
    return figure


def draw_rereading(turns: Sequence[int], read: Mapping[str, Sequence[int]]) -> Figure:
    """Tokens that have been sent through the model after each turn of a conversation."""
    title = "What sees both ways must read again whatever grows"
    with canvas(title, height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for (name, tokens), colour in zip(read.items(), (VERMILION, BLUE, BLACK), strict=False):
            ax.plot(turns, tokens, "o-", markersize=4, color=colour, label=name)
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "turn of the conversation", "tokens read so far")
    return figure
