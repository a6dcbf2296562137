"""Figures of chapter ``llama``: losses of two halves, where parameters are, how a start goes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.config import LlamaConfig, preset, preset_names
from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, GREY, ORANGE, PINK, VERMILION, canvas, label_axes

PARTS = {
    "tok_embeddings": ("embedding", ORANGE),
    "attention": ("attention", BLUE),
    "feed_forward": ("feed-forward", VERMILION),
    "norms": ("norms", BLACK),
    "output": ("output head", PINK),
}
PUBLISHED = [name for name in preset_names() if "tiny" not in name and "stories" not in name]


def draw_training(losses: Sequence[float], floor: float) -> Figure:
    """Loss of every step, and the mean of each twenty; the dotted line cannot be passed."""
    smooth = np.convolve(losses, np.ones(20) / 20, mode="valid")
    title = "Half a minute of NumPy: from knowing nothing to telling tales"
    with canvas(title, height=3.8) as (figure, axes):
        ax = axes[0, 0]
        ax.plot(losses, color=BLUE, linewidth=0.6, alpha=0.5, label="each step")
        ax.plot(np.arange(19, len(losses)), smooth, color=BLUE, label="mean of twenty")
        ax.axhline(floor, color=GREY, linestyle=":", label="floor of the tales")
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "step", "loss (nats a token)")
    return figure


def draw_apart(apart: Mapping[str, ndarray], allowed: float) -> Figure:
    """How far the losses of two implementations are apart at each step; where they are equal, no point."""
    title = "The same weights, the same losses: apart by rounding alone"
    with canvas(title, height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for (name, values), colour in zip(apart.items(), (BLUE, VERMILION), strict=False):
            steps = np.flatnonzero(values)
            ax.semilogy(steps, values[steps], "o", color=colour, label=name)
        ax.axhline(allowed, color=GREY, linestyle=":", label="allowed in float64")
        ax.set_xticks(range(0, len(next(iter(apart.values()))), 5))
        ax.set_ylim(1e-17, 1e-3)
        ax.legend(loc="upper right", ncols=3)
        label_axes(ax, "step", "difference of the losses (nats)")
    return figure


def draw_start(sizes: Mapping[str, ndarray]) -> Figure:
    """The size of the residual stream after each block before training, one line a rule of initialisation."""
    title = "Divided at the start, the stream stays small; which factor is divided makes no difference"
    with canvas(title, height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for (name, values), look in zip(sizes.items(), ("-", ":", "--"), strict=False):
            ax.plot(values, look, label=name, linewidth=3 if look == ":" else 2)
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "block (number)", "root mean square of the stream")
    return figure


def draw_parameters(cfg: LlamaConfig, name: str, context: int) -> Figure:
    """Left: where the parameters are. Right: what a token costs in training, in products of each part."""
    counts = cfg.param_counts()
    flops = {part: 6 * n for part, n in counts.items() if part != "tok_embeddings"}
    flops["output"] = 6 * cfg.vocab_size * cfg.dim  # also if the head is tied: it is multiplied all the same
    scores = 12 * cfg.n_layers * cfg.dim * context
    total = (sum(flops.values()) + scores) / 1e9
    title = f"{name}: {cfg.n_params / 1e9:.2f}B parameters, {total:,.0f} GFLOP a token"
    with canvas(title, columns=2, width=9.6, height=3.6) as (figure, axes):
        left, right = axes[0]
        shown = [part for part in PARTS if counts[part] or part == "output"]
        left.barh([PARTS[p][0] for p in shown], [counts[p] / 1e9 for p in shown],
                  color=[PARTS[p][1] for p in shown])  # fmt: skip
        for place, part in enumerate(shown):
            left.text(
                counts[part] / 1e9, place, f" {counts[part] / cfg.n_params:.1%}", va="center", fontsize=9
            )
        label_axes(left, "parameters (billions)", "")
        bars = {PARTS[part][0]: n for part, n in flops.items() if part != "norms"} | {
            "scores and mixture": scores
        }
        right.barh(list(bars), [n / 1e9 for n in bars.values()], color=[BLUE, VERMILION, PINK, GREY])
        for place, n in enumerate(bars.values()):
            right.text(n / 1e9, place, f" {n / sum(bars.values()):.1%}", va="center", fontsize=9)
        label_axes(right, f"GFLOP a token, at {context:,} tokens", "")
        for ax in (left, right):
            ax.invert_yaxis()
            ax.set_xlim(right=1.2 * ax.get_xlim()[1])
    return figure


def explore_parameters(name: str = "llama1-7b") -> None:
    """A menu of all published Llamas, and a slider for the context (powers of two)."""

    def draw(model: str, log2_context: int) -> Figure:
        return draw_parameters(preset(model), model, 2**log2_context)

    explore(draw, model=(name, PUBLISHED), log2_context=(11, (9, 17, 1)))
