"""Figures of chapter ``llama3``: who sees whom, how far a stretched context reads, what switches bring."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from llamalite.config import preset
from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREEN, GREY, ORANGE, VERMILION, canvas, label_axes
from llamalite.in_torch.llama3 import memory

GIB = 2**30
Record = Mapping[str, Any]
NAMES = {
    "none": "nothing changed",
    "interpolation": "interpolation",
    "ntk": "NTK-aware theta",
    "bands": "Llama 3.1's bands",
}
COLOURS = dict(zip(NAMES, (GREY, ORANGE, GREEN, BLUE), strict=True))


def draw_masks(masks: Mapping[str, np.ndarray], words: Sequence[str]) -> Figure:
    """Who (row) may look at whom (column), a panel for each mask."""
    title = "Who may look at whom, with two documents in one row"
    with canvas(title, columns=len(masks), width=4.4 * len(masks), height=4.2) as (figure, axes):
        for ax, (name, mask) in zip(axes[0], masks.items(), strict=True):
            ax.imshow(mask, cmap="Blues", vmin=0, vmax=1.4)
            ax.set_xticks(range(len(words)), words, rotation=60, ha="right")
            ax.set_yticks(range(len(words)), words)
            ax.set_title(name)
            ax.grid(visible=False)
            label_axes(ax, "is looked at (token)", "looks (token)" if ax is axes[0][0] else "")
    return figure


def draw_stretched(frequencies: Mapping[str, np.ndarray], original: int, factor: float) -> Figure:
    """By how much each way slows down each wave, against the turns that it made in the old context."""
    plain = frequencies["none"]
    turns = original * plain / (2 * np.pi)
    title = f"What each way does to each wave, for a context {factor:g} times as long"
    with canvas(title, width=8.5, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (how, freqs), marker in zip(frequencies.items(), "so^D", strict=True):
            ax.plot(turns, plain / freqs, marker=marker, markersize=4, color=COLOURS[how], label=NAMES[how])
        for at, text in ((4, "short waves"), (1, "long waves")):
            ax.axvline(at, color=BLACK, linestyle=":", linewidth=1)
            ax.text(at, factor * 1.07, f" {text} →" if at == 4 else f"← {text} ",
                    ha="left" if at == 4 else "right", fontsize=9)  # fmt: skip
        ax.set(xscale="log", ylim=(0.6, factor * 1.2))
        ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "turns of the wave within the old context", "slowed down (times)")
    return figure


def draw_recall(
    found: Mapping[str, Mapping[str, np.ndarray]], lengths: Sequence[int], depths: Sequence[float], title: str
) -> Figure:
    """Needles found (%): length by depth; a column of panels for each way, a row for each moment."""
    moments = list(next(iter(found.values())))
    sizes = {"rows": len(moments), "columns": len(found), "height": 2.5 * len(moments) + 0.4}
    with canvas(title, width=3 * len(found), **sizes) as (figure, axes):
        for column, (how, grids) in enumerate(found.items()):
            for row, (moment, grid) in enumerate(grids.items()):
                ax = axes[row, column]
                ax.imshow(100 * grid, vmin=0, vmax=100, cmap="cividis", aspect="auto")
                for (i, j), share in np.ndenumerate(grid):
                    dark = share < 0.55
                    ax.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=8,
                            color="white" if dark else "black")  # fmt: skip
                ax.set_xticks(range(len(depths)), [f"{100 * d:.0f}" for d in depths])
                ax.set_yticks(range(len(lengths)), [f"{n:,}" for n in lengths])
                ax.grid(visible=False)
                ax.set_title(f"{NAMES.get(how, how)}\n{moment}", fontsize=10)
                label_axes(ax, "depth (% of the text)", "length (tokens)" if column == 0 else "")
    return figure


def mean_found(runs: Sequence[Record], theta: float) -> dict[str, dict[str, np.ndarray]]:
    """The stored needles, averaged over seeds: way → moment → (length, depth)."""
    chosen = [run for run in runs if run["theta"] == theta]
    found: dict[str, dict[str, np.ndarray]] = {}
    for ways in zip(*(run["ways"] for run in chosen), strict=True):
        moments = {"as it is": "before", "trained on": "after"}
        found[ways[0]["how"]] = {
            name: np.mean([way[key] for way in ways], axis=0) for name, key in moments.items()
        }
    return found


def draw_by_position(
    curves: Mapping[str, Sequence[float]], width: int, trained: int, title: str, unit: str = "nats a token"
) -> Figure:
    """Loss against position, in means of ``width`` positions; how far the model was trained is marked."""
    with canvas(title, width=8.5, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (name, curve), colour, marker in zip(curves.items(), CYCLE, "os^Dvx+*", strict=False):
            places = width * (np.arange(len(curve)) + 0.5)
            ax.plot(places, curve, color=colour, marker=marker, markersize=4, label=name)
        ax.set_yscale("log")
        ticks = [t for t in (0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10) if ax.get_ylim()[0] <= t <= ax.get_ylim()[1]]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.yaxis.set_minor_locator(NullLocator())
        ax.axvline(trained, color=BLACK, linestyle=":", linewidth=1)
        ax.text(trained, ax.get_ylim()[1], f" trained up to {trained}", va="top", fontsize=9)
        ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "position in the tale (tokens)", f"loss ({unit})")
    return figure


def draw_switches(rows: Sequence[Record], floor: float) -> Figure:
    """Every run of every switch, and the mean; lines where the mean of Llama 2 is, and where all ends."""
    title = "Each change alone and all together, at equal compute: each point is a run"
    with canvas(title, width=8.5, height=4) as (figure, axes):
        ax = axes[0, 0]
        for i, row in enumerate(rows):
            scores = [run["bits_per_byte"] for run in row["runs"]]
            ax.plot(scores, [i] * len(scores), "o", color=BLUE)
            ax.plot(row["mean"], i, "|", color=VERMILION, markersize=22, markeredgewidth=3)
        ax.axvline(rows[0]["mean"], color=GREY, linestyle=":", linewidth=1)
        ax.axvline(floor, color=BLACK, linestyle="--", linewidth=1)
        ax.text(floor, 0, " the floor", va="center", fontsize=9)
        ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
        ax.invert_yaxis()
        label_axes(ax, "held out (bits a byte)", "")
    return figure


def seconds_a_megabyte(row: Record) -> float:
    """Time to train on a million bytes of text, by the processor's own clock."""
    seconds = np.mean([run["cpu_seconds"] for run in row["runs"]])
    return float(1e6 * seconds / (row["train_tokens"] * row["bytes_per_token"]))


def plain(x: float) -> str:
    """A number as one would say it.

    >>> plain(270528), plain(8.764)
    ('270,528', '8.76')
    """
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"


def draw_choice(rows: Sequence[Record], name: str) -> Figure:
    """What a switch does to loss, cache and speed, each as a share of what Llama 2 has."""
    base = rows[0]
    row = next(row for row in rows if row["name"] == name)
    parts = {
        "held out (bits a byte)": (row["mean"], base["mean"]),
        "cache (bytes a byte of text)": tuple(
            r["cache_bytes_per_token"] / r["bytes_per_token"] for r in (row, base)
        ),
        "parameters": (row["n_params"], base["n_params"]),
        "training work (FLOPs a byte of text)": tuple(
            r["train_flops_per_token"] / r["bytes_per_token"] for r in (row, base)
        ),
        "training time (s a MB of text)": tuple(
            1e6
            * np.mean([run["cpu_seconds"] for run in r["runs"]])
            / (r["train_tokens"] * r["bytes_per_token"])
            for r in (row, base)
        ),
    }
    with canvas(f"{name}, beside Llama 2", width=9, height=3) as (figure, axes):
        ax = axes[0, 0]
        shares = [100 * here / there for here, there in parts.values()]
        ax.barh(range(len(parts)), shares, color=[BLUE if share <= 100 else ORANGE for share in shares])
        for i, (share, (here, there)) in enumerate(zip(shares, parts.values(), strict=True)):
            ax.text(share, i, f" {plain(here)} (was {plain(there)})", va="center", fontsize=9,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
        ax.axvline(100, color=BLACK, linestyle=":")
        ax.set_xlim(0, 1.4 * max(*shares, 100))
        ax.set_yticks(range(len(parts)), list(parts))
        ax.invert_yaxis()
        label_axes(ax, "share of Llama 2's (%)", "")
    return figure


def explore_switches(rows: Sequence[Record]) -> None:
    """Choose a switch; see what it does to loss, memory and speed."""
    names = [row["name"] for row in rows]
    explore(lambda switch: draw_choice(rows, switch), switch=(names[-1], names))


def draw_reading(model: str, contexts: Sequence[int], texts: int) -> Figure:
    """Weights, keys and values, and the logits of every position, for several lengths of text."""
    cfg = preset(model)
    parts = np.array([memory(cfg, context, texts) for context in contexts]) / GIB
    title = f"{model}: memory to read {texts} text{'s' if texts > 1 else ''} of each length"
    with canvas(title, width=9, height=3.4) as (figure, axes):
        ax = axes[0, 0]
        left = np.zeros(len(contexts))
        labels = ("weights", "keys and values", "logits of every position")
        for label, part, colour in zip(labels, parts.T, (GREY, BLUE, ORANGE), strict=True):
            ax.barh(range(len(contexts)), part, left=left, color=colour, label=label)
            left += part
        for i, total in enumerate(left):
            ax.text(total, i, f" {total:,.1f}", va="center")
        names = [f"{n:,}" + ("" if n <= cfg.max_seq_len else " (beyond its context)") for n in contexts]
        ax.set_yticks(range(len(contexts)), names)
        ax.set_xlim(0, 1.15 * left.max())
        ax.invert_yaxis()
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.22), ncols=3)
        label_axes(ax, "memory (GiB; two bytes a number, logits four)", "text (tokens)")
    return figure


def explore_reading(names: Sequence[str], contexts: Sequence[int]) -> None:
    """Choose a model and a number of texts."""
    explore(
        lambda model, texts: draw_reading(model, contexts, texts),
        model=(names[0], list(names)),
        texts=(1, (1, 64, 1)),
    )
