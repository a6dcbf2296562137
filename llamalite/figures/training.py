"""Figures of chapter ``training``, and of ``llamalite plot``: what a learning curve can tell."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREY, VERMILION, canvas, label_axes

Record = Mapping[str, Any]


def draw_runs(
    runs: Mapping[str, Sequence[Mapping[str, float]]], floors: Mapping[str, float | None] | None = None
) -> Figure:
    """Loss against tokens: of training, a thin line a run and its running mean; of held-out text, with the
    floor. Every second run is dashed, so that runs which lie on each other are both seen.

    ``runs`` holds the rows of each ``metrics.jsonl``; ``floors`` the bits a byte that no model can beat.
    """
    title = "Training loss, and what is left to learn of text that was held out"
    with canvas(title, columns=2, width=11, height=4.2) as (figure, axes):
        left, right = axes[0]
        for i, (name, rows) in enumerate(runs.items()):
            colour, dashes = CYCLE[i % len(CYCLE)], ["-", "--"][i % 2]
            tokens, loss = (np.array([row[key] for row in rows]) for key in ("tokens", "loss"))
            left.plot(tokens, loss, color=colour, alpha=0.25, linewidth=0.8)
            left.plot(tokens, running_mean(loss), color=colour, linestyle=dashes, label=name)
            spikes = [row for row in rows if row.get("spike")]
            left.plot([r["tokens"] for r in spikes], [r["loss"] for r in spikes], "v", color=BLACK)
            scored = [row for row in rows if "val_bits_per_byte" in row]
            right.plot([row["tokens"] for row in scored], [row["val_bits_per_byte"] for row in scored],
                       color=colour, linestyle=dashes, marker="o", markersize=4, label=name)  # fmt: skip
        for floor in sorted({f for f in (floors or {}).values() if f is not None}):
            right.axhline(floor, color=GREY, linestyle=":", label=f"floor {floor:.3f}")
        right.set_ylim(bottom=0)
        left.legend(title="running mean (thin: each step)", alignment="left")
        right.legend()
        label_axes(left, "tokens", "loss (nats a token)")
        label_axes(right, "tokens", "held out (bits a byte)")
    return figure


def colours(n: int) -> list[str]:
    return [CYCLE[i % len(CYCLE)] for i in range(n)]


def running_mean(values: ndarray, share: float = 0.05) -> ndarray:
    """Each the mean of itself and of those before it, over a twentieth of all.

    >>> running_mean(np.array([4.0, 2.0, 6.0]), share=0.7).tolist()
    [4.0, 3.0, 4.0]
    """
    reach = max(round(share * len(values)), 1)
    sums = np.cumsum(np.concatenate(([0.0], values)))
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(ends - reach, 0)
    return (sums[ends] - sums[begins]) / (ends - begins)


def draw_schedules(schedules: Mapping[str, ndarray], title: str) -> Figure:
    """Learning rates, arrays (steps): the whole, the first eight steps, the last eight at their own scale."""
    with canvas(title, columns=3, width=12, height=3.6) as (figure, axes):
        parts = {"the whole": slice(None), "the first steps": slice(8), "the last steps": slice(-8, None)}
        for ax, (part, shown) in zip(axes[0], parts.items(), strict=True):
            for i, (name, values) in enumerate(schedules.items()):
                steps, marker = np.arange(len(values))[shown], "o" if part != "the whole" else None
                ax.plot(steps, values[shown], color=CYCLE[i], label=name, marker=marker,
                        linestyle=["-", "--"][i % 2])  # fmt: skip
            ax.set_title(part)
            label_axes(ax, "step (from 0)", "learning rate (of the peak)")
        axes[0, 1].legend()
    return figure


def draw_paths(
    loss: Callable[[ndarray, ndarray], ndarray], paths: Mapping[str, ndarray], title: str
) -> Figure:
    """Where each way to descend goes: arrays (steps, 2) over the lines of equal ``loss(x, y)``."""
    with canvas(title, height=3.8) as (figure, axes):
        ax = axes[0, 0]
        x, y = np.meshgrid(np.linspace(-1.2, 0.4, 80), np.linspace(-0.6, 0.6, 80))
        ax.contour(x, y, np.sqrt(loss(x, y)), levels=14, colors="#CCCCCC", linewidths=0.8)
        for (name, path), colour in zip(paths.items(), colours(len(paths)), strict=True):
            ax.plot(*path.T, color=colour, marker="o", markersize=3, linewidth=1.2, label=name)
        ax.plot(0, 0, "x", color=BLACK, markersize=9)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        label_axes(ax, "the gentle direction", "the steep direction")
    return figure


def draw_stuck(weights: Mapping[str, ndarray], title: str) -> Figure:
    """One weight that is pushed the same way at every step: arrays (steps), a line a number format."""
    with canvas(title, height=3.4) as (figure, axes):
        ax = axes[0, 0]
        for (name, values), colour in zip(weights.items(), (BLUE, VERMILION, GREY), strict=False):
            ax.plot(values, label=name, color=colour)
        ax.legend()
        label_axes(ax, "step", "weight")
    return figure


def draw_surface(record: Record, batch_size: int, lr: float) -> Figure:
    """Held-out score by learning rate and batch size at equal tokens; beside it the chosen runs' curves.

    ``record`` is ``data/studies/training.json``.
    """
    runs = record["runs"]
    batch_sizes, lrs = (sorted({run[key] for run in runs}) for key in ("batch_size", "lr"))
    scores = np.full((len(batch_sizes), len(lrs)), np.nan)
    for run in runs:
        found = [seed["bits_per_byte"] for seed in run["seeds"]]
        if None not in found:
            scores[batch_sizes.index(run["batch_size"]), lrs.index(run["lr"])] = np.mean(found)
    title = surface_title(scores, scores[batch_sizes.index(batch_size), lrs.index(lr)], batch_size, lr)
    with canvas(title, columns=2, width=11, height=4.2) as (figure, axes):
        surface, curves = axes[0]
        surface.imshow(np.log(scores), cmap="cividis", origin="lower", aspect="auto")
        middle = np.nanmean(np.log(scores))
        for (row, column), score in np.ndenumerate(scores):
            ink = "white" if np.log(score) < middle else BLACK
            chosen = (batch_sizes[row], lrs[column]) == (batch_size, lr)
            box = {"boxstyle": "round", "facecolor": "none", "edgecolor": VERMILION, "linewidth": 2.5}
            surface.text(column, row, f"{score:.2f}", ha="center", va="center", color=ink,
                         bbox=box if chosen else None)  # fmt: skip
        surface.set_xticks(range(len(lrs)), [f"{value:g}" for value in lrs])
        surface.set_yticks(range(len(batch_sizes)), batch_sizes)
        surface.set_title("held out (bits a byte)")
        surface.grid(False)
        label_axes(surface, "learning rate", "windows a step")
        draw_chosen(curves, record, batch_size, lr)
    return figure


def surface_title(scores: ndarray, score: float, batch_size: int, lr: float) -> str:
    end = "diverge" if np.isnan(score) else f"end at {score:.2f} bits a byte"
    best = np.nanmin(scores)
    return f"Equal tokens: {batch_size} windows a step at a rate of {lr:g} {end}, the best at {best:.2f}"


def draw_chosen(ax: Any, record: Record, batch_size: int, lr: float) -> None:
    tokens = record["settings"]["tokens"]
    for run in record["runs"]:
        chosen = (run["batch_size"], run["lr"]) == (batch_size, lr)
        style = {"color": VERMILION, "zorder": 3} if chosen else {"color": "#CCCCCC", "linewidth": 0.8}
        for seed in run["seeds"]:
            places = tokens * np.arange(1, len(seed["curve"]) + 1) / record["settings"]["points"]
            ax.plot(places, seed["curve"], **style)
    seeds = max(len(run["seeds"]) for run in record["runs"])
    ax.plot([], [], color=VERMILION, label=f"the chosen one ({seeds} seeds)")
    ax.plot([], [], color="#CCCCCC", linewidth=0.8, label="all others")
    ax.legend(frameon=True, framealpha=0.9, edgecolor="none")
    steps = tokens // (batch_size * record["settings"]["seq_len"])
    ax.set_title(f"this choice makes {steps:,} steps")
    label_axes(ax, "tokens", "training loss (nats a token)")


def explore_surface(record: Record) -> None:
    """Two sliders, for learning rate and batch size, each in steps of a factor."""
    batch_sizes, lrs = (sorted({run[key] for run in record["runs"]}) for key in ("batch_size", "lr"))

    def draw(batch_size: int, learning_rate: int) -> Figure:
        return draw_surface(record, batch_sizes[batch_size - 1], lrs[learning_rate - 1])

    explore(
        draw,
        batch_size=(math.ceil(len(batch_sizes) / 2), (1, len(batch_sizes), 1)),
        learning_rate=(2, (1, len(lrs), 1)),
    )
