"""Figures of chapter ``comparison``: scores against compute, changes one by one, one model on two rulers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, VERMILION, canvas, label_axes
from llamalite.train.comparison.benchmarks import (
    Entry,
    apart,
    entries,
    generation,
    half_width,
    line,
    obstacles,
    train_compute,
)
from llamalite.train.comparison.published import TABLES, Table

Record = Mapping[str, Any]
GENERATIONS = {
    "before Llama": GREY,
    "Llama 1": ORANGE,
    "Llama 2": GREEN,
    "Llama 3": BLUE,
    "Llama 3.1": PINK,
}
MARKERS = dict(zip(GENERATIONS, "xos^D", strict=True))
HUMAN_EVAL = 164  # questions, as the printed intervals imply


def size(model: str) -> str:
    """
    >>> size("llama2-70b")
    '70B'
    """
    return model.partition("-")[2].upper()


def draw_compute(tables: Sequence[Table], benchmark: str) -> Figure:
    """Scores of one benchmark against training compute, a panel for each table, with its line."""
    title = f"{benchmark} against training compute: do the generations lie on one line?"
    with canvas(title, columns=len(tables), width=5.2 * len(tables), height=4.2) as (figure, axes):
        for ax, table in zip(axes[0], tables, strict=True):
            fit, drawn = line(table, benchmark), set()
            for e in entries([table], benchmark):
                x, name = train_compute(e.model), generation(e.model)
                ax.plot(x, e.percent, MARKERS[name], color=GENERATIONS[name], markersize=8,
                        label=None if name in drawn else name)  # fmt: skip
                # the older generation's names stand on the left: neighbours have the same compute
                older = name == generation(next(iter(table.scores)))
                place, side = ((-8, 4), "right") if older else ((8, -10), "left")
                ax.annotate(
                    size(e.model), (x, e.percent), place, textcoords="offset points", ha=side, fontsize=9
                )
                drawn.add(name)
            ends = np.array([min(map(train_compute, table.scores)), max(map(train_compute, table.scores))])
            ax.plot(ends, fit.slope * np.log10(ends) + fit.at_one, color=GREY, linestyle=":", zorder=0)
            ax.set(xscale="log")
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_title(f"{table.harness}: R² = {fit.explained:.2f}", fontsize=10.5)
            ax.legend()
            label_axes(ax, "6 · parameters · tokens (FLOPs)", f"{benchmark} (%)" if ax is axes[0][0] else "")
    return figure


def draw_changes(groups: Mapping[str, Sequence[Record]]) -> Figure:
    """Every run of every change, in groups; the dotted line is the mean of a group's first row."""
    title = "Each change alone and all together, at equal compute: each point is a run"
    heights = [len(rows) for rows in groups.values()]
    with canvas(title, width=8.5, height=0.36 * sum(heights) + 2) as (figure, axes):
        axes[0, 0].remove()
        grid = figure.add_gridspec(len(groups), 1, height_ratios=heights)
        first: Axes | None = None
        for i, (name, rows) in enumerate(groups.items()):
            ax = figure.add_subplot(grid[i], sharex=first)
            first = first or ax
            for y, row in enumerate(rows):
                scores = [run["bits_per_byte"] for run in row["runs"]]
                ax.plot(scores, [y] * len(scores), "o", color=BLUE, markersize=5)
                ax.plot(row["mean"], y, "|", color=VERMILION, markersize=16, markeredgewidth=3)
            ax.axvline(rows[0]["mean"], color=GREY, linestyle=":", linewidth=1)
            ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
            ax.set_ylim(len(rows) - 0.5, -0.5)
            ax.set_title(name, fontsize=10.5)
            label_axes(ax, "held out (bits a byte)", "")
    return figure


def draw_tokens(rows: Sequence[Record], floor: float) -> Figure:
    """Loss above the floor against tokens, a line for each shape; each point is a run."""
    title = "More tokens help every shape, and the first two change places (each dot is a run)"
    with canvas(title, width=8.5, height=4.2) as (figure, axes):
        ax = axes[0, 0]
        for shape in dict.fromkeys(row["shape"] for row in rows):
            some = [row for row in rows if row["shape"] == shape]
            x = [row["train_tokens"] for row in some]
            ax.plot(x, [row["mean"] - floor for row in some], color=GENERATIONS[shape], label=shape,
                    marker=MARKERS[shape])  # fmt: skip
            for row in some:
                scores = [run["bits_per_byte"] - floor for run in row["runs"]]
                ax.plot([row["train_tokens"]] * len(scores), scores, ".", color=GENERATIONS[shape])
        ax.set(xscale="log", yscale="log")
        ticks = [
            t
            for t in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
            if ax.get_ylim()[0] < t < ax.get_ylim()[1]
        ]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.set_xticks(x, [f"{n / 1e3:,.0f}K\n({row['tokens_of']})" for n, row in zip(x, some, strict=True)],
                      fontsize=8.5)  # fmt: skip
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_locator(NullLocator())
        ax.legend()
        label_axes(
            ax, "tokens seen (those of the largest model, in proportion)", "above the floor (bits a byte)"
        )
    return figure


def draw_rulers(scores: Mapping[str, tuple[float, float]]) -> Figure:
    """The same models by perplexity and by bits a byte: two rulers, two winners."""
    title = "The same models, the same text, two rulers"
    with canvas(title, columns=2, width=9, height=0.42 * len(scores) + 1.6) as (figure, axes):
        labels = ("perplexity (of its own tokens)", "bits a byte (of the same bytes)")
        for i, (ax, label) in enumerate(zip(axes[0], labels, strict=True)):
            values = [pair[i] for pair in scores.values()]
            best = int(np.argmin(values))
            ax.barh(
                range(len(values)), values, color=[BLUE if k == best else GREY for k in range(len(values))]
            )
            for k, value in enumerate(values):
                ax.text(value, k, f" {value:.3f}" + (", best" if k == best else ""), va="center", fontsize=9)
            ax.set_xlim(0, 1.35 * max(values))
            ax.set_yticks(range(len(values)), list(scores) if i == 0 else [""] * len(values))
            ax.invert_yaxis()
            label_axes(ax, label, "")
    return figure


def draw_shares(parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """What brought the difference, by several ways of reckoning: a bar each, its parts end to end."""
    title = "What made the difference? It depends on who goes first"
    with canvas(title, width=9, height=0.42 * len(parts) + 1.5) as (figure, axes):
        ax, names = axes[0, 0], list(dict.fromkeys(name for part in parts.values() for name in part))
        left = np.zeros(len(parts))
        for name, colour in zip(names, (ORANGE, BLUE, GREEN), strict=False):
            values = np.array([100 * part[name] for part in parts.values()])
            ax.barh(range(len(parts)), values, left=left, color=colour, label=name)
            for y, (start, value) in enumerate(zip(left, values, strict=True)):
                ax.text(
                    start + value / 2,
                    y,
                    f"{value:.0f}%",
                    ha="center",
                    va="center",
                    color=BLACK if colour == ORANGE else "white",
                )
            left += values
        ax.set_yticks(range(len(parts)), list(parts))
        ax.invert_yaxis()
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "of what the loss fell (%)", "")
    return figure


def draw_benchmark(benchmark: str, beside: str) -> Figure:
    """All that was printed for a benchmark; grey is what may not be set beside ``beside``, and why."""
    found = list(entries(TABLES, benchmark))
    here = next((e for e in found if e.model == beside), found[0])
    title = f"{benchmark}: what may be set beside {here.model} ({here.harness}, {here.stage})?"
    with canvas(title, width=10, height=0.3 * len(found) + 1.5) as (figure, axes):
        ax = axes[0, 0]
        for y, e in enumerate(found):
            may = not obstacles(here, e)
            ax.barh(y, e.percent, color=GENERATIONS[generation(e.model)] if may else "#CCCCCC")
            ax.text(e.percent, y, f" {e.percent:g}  {said_of(here, e)}", va="center", fontsize=8.5)
        ax.axvline(here.percent, color=BLACK, linestyle=":", linewidth=1)
        ax.set_xlim(0, 230)
        ax.set_ylim(len(found) - 0.4, -0.6)
        ax.grid(visible=False)
        ax.set_xticks(range(0, 101, 20))
        ax.set_yticks(range(len(found)), [e.model for e in found], fontsize=9)
        label_axes(ax, f"{benchmark} (%)", "")
    return figure


def said_of(here: Entry, e: Entry) -> str:
    """The words beside a bar."""
    if e == here:
        return "is compared"
    if reasons := obstacles(here, e):
        return f"no: {reasons[0]}" + (f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else "")
    points = f"{e.percent - here.percent:+.1f} points"
    if e.benchmark != "HumanEval":
        return points
    chance = "" if apart(here.percent, e.percent, HUMAN_EVAL) else ", within chance"
    return f"{points}{chance} (±{half_width(e.percent, HUMAN_EVAL):.1f})"


def explore_benchmarks(benchmarks: Sequence[str], models: Sequence[str]) -> None:
    """Choose a benchmark and a model; see what may be set beside it."""
    explore(draw_benchmark, benchmark=(benchmarks[0], list(benchmarks)), beside=(models[0], list(models)))
