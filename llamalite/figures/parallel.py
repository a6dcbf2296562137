"""Figures of chapter ``parallel``: who sends what, who waits, what a rank holds, what failures cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from llamalite.figures.explore import explore
from llamalite.figures.style import (
    BLACK,
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    canvas,
    label_axes,
)
from llamalite.train.parallel import bubbles, failures
from llamalite.train.parallel.bubbles import Job

KINDS = {"weights": BLUE, "gradients": ORANGE, "optimizer": GREEN}


def draw_traffic(rows: Mapping[str, tuple[float, float, float]]) -> Figure:
    """Bytes a rank sends in a step: {scheme: (in an ideal ring, as gloo does it, measured)}."""
    title = "The kernel counts what gloo sends, and for two schemes that is more than the formula"
    with canvas(title, width=9, height=0.75 * len(rows) + 1.6) as (figure, axes):
        ax, places = axes[0, 0], np.arange(len(rows))
        names = ("ideal ring", "as gloo does it", "measured")
        for i, (name, colour) in enumerate(zip(names, (GREY, SKY, BLUE), strict=True)):
            sizes = [values[i] / 1e3 for values in rows.values()]
            ax.barh(places + 0.27 * (i - 1), sizes, 0.25, color=colour, label=name)
        ax.set_yticks(places, list(rows))
        ax.invert_yaxis()
        ax.legend(loc="lower right")
        label_axes(ax, "sent by one rank in one step (kB)", "")
    return figure


def draw_schedules(schedules: Mapping[str, Sequence[Job]], unit: str, title: str) -> Figure:
    """One panel a schedule, one row a rank: forward passes light, backward passes dark, gaps white."""
    with canvas(title, rows=len(schedules), width=9.5, height=2.1 * len(schedules) + 0.5) as (figure, axes):
        for ax, (name, jobs) in zip(axes[:, 0], schedules.items(), strict=True):
            end = max(job.end for jobs in schedules.values() for job in jobs)  # one time axis for all
            for job in jobs:
                colour = SKY if job.kind == "F" else ORANGE
                ax.barh(job.rank, job.end - job.begin, 0.8, left=job.begin, color=colour, edgecolor="white",
                        alpha=1.0 if job.chunk % 2 == 0 else 0.6)  # fmt: skip
                if job.end - job.begin > end / 60:
                    middle = (job.begin + job.end) / 2
                    ax.text(middle, job.rank, str(job.micro), ha="center", va="center", fontsize=8)
            held = bubbles.most_in_flight(list(jobs))
            waits = bubbles.waiting_share(list(jobs))
            ax.set_title(f"{name}: {waits:.0%} of the time is waiting; rank 0 remembers up to {held} passes")
            ax.set_yticks(range(1 + max(job.rank for job in jobs)))
            ax.set_xlim(0, end)
            ax.invert_yaxis()
            ax.grid(visible=False)
            label_axes(ax, f"time ({unit})", "rank")
    return figure


def draw_bubbles(ranks: Sequence[int], stages: Sequence[int], measured: Mapping[int, float]) -> Figure:
    """Share of waiting against micro-batches, by formula; {micro-batches: share} measured."""
    with canvas("More micro-batches, less waiting; and more stages a rank, less again", width=8.5) as (
        figure,
        axes,
    ):
        ax, micro = axes[0, 0], np.arange(1, 65)
        for p, colour in zip(ranks, CYCLE, strict=False):
            for v, line in zip(stages, ("-", "--", ":"), strict=False):
                share = [100 * bubbles.bubble_share(p, int(m), v) for m in micro]
                ax.plot(micro, share, line, color=colour, label=f"{p} ranks, {v} stage{'s' * (v > 1)} each")
        shares = [100 * x for x in measured.values()]
        ax.plot(list(measured), shares, "o", color=BLACK, label="measured, 4 ranks, better of two schedules")
        ax.set_xscale("log", base=2)
        ax.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
        ax.set_ylim(0, 100)
        ax.legend(fontsize=8.5, ncols=2)
        label_axes(ax, "micro-batches a step", "waiting (% of the time)")
    return figure


def draw_memory(rows: Mapping[str, Mapping[str, float]], unit: str, title: str, limit: float = 0.0) -> Figure:
    """Stacked bytes of a rank under each scheme; ``limit`` is what one device has."""
    with canvas(title, width=9, height=0.5 * len(rows) + 1.6) as (figure, axes):
        ax, left = axes[0, 0], np.zeros(len(rows))
        for kind, colour in KINDS.items():
            sizes = np.array([row[kind] for row in rows.values()])
            ax.barh(np.arange(len(rows)), sizes, left=left, color=colour, label=kind)
            left = left + sizes
        for place, size in enumerate(left):
            ax.text(size, place, f" {size:,.0f}" if size >= 10 else f" {size:.1f}", va="center")
        if limit:
            ax.axvline(limit, color=VERMILION, linestyle="--", label="one GPU has")
        ax.set_yticks(np.arange(len(rows)), list(rows))
        ax.set_xlim(0, (1.35 if limit else 1.15) * max(*left, limit))
        ax.invert_yaxis()
        ax.legend(loc="lower right")
        label_axes(ax, f"memory ({unit})", "")
    return figure


def draw_effective(
    save: float, restart: float, mtbf: float, dice: Mapping[float, float] | None = None
) -> Figure:
    """Useful share against the interval between saves, all in hours; ``dice`` are simulated points."""
    best = failures.best_interval(save, mtbf)
    top = failures.effective_share(best, save, restart, mtbf)
    title = f"Save every {60 * best:.3g} minutes, and {top:.1%} of the time is useful"
    with canvas(title, width=8.5) as (figure, axes):
        ax = axes[0, 0]
        hours = np.geomspace(max(best / 30, save / 10), best * 30, 200)
        share = [100 * failures.effective_share(float(x), save, restart, mtbf) for x in hours]
        ax.plot(60 * hours, share, color=BLUE, label="formula")
        if dice:
            ax.plot([60 * x for x in dice], [100 * y for y in dice.values()], "o", color=ORANGE, label="dice")
        ax.plot(60 * best, 100 * top, "*", color=VERMILION, markersize=15, label="best")
        for level in (90, 95):
            ax.axhline(level, color=GREY, linestyle=":")
            ax.text(60 * hours[-1], level + 0.6, f"{level}%", ha="right", color=GREY)
        ax.set(xscale="log", ylim=(max(0.0, min(60.0, 100 * top - 25)), 101))
        ax.legend(loc="lower center")
        label_axes(ax, "work between two saves (minutes)", "useful (% of all time)")
    return figure


def draw_causes(causes: Mapping[str, tuple[int, float, bool]]) -> Figure:
    """Interruptions by cause; what the report counts as the GPU's in another colour."""
    total = sum(count for count, _, _ in causes.values())
    title = f"{total} unexpected interruptions in 54 days, by cause"
    with canvas(title, width=9, height=5) as (figure, axes):
        ax = axes[0, 0]
        for place, (count, printed, gpu) in enumerate(causes.values()):
            share = 100 * count / total
            wrong = f"; printed {printed}%" if abs(share - printed) > 0.06 else ""
            ax.barh(place, count, color=VERMILION if gpu else BLUE)
            ax.text(count, place, f" {share:.1f}%{wrong}", va="center", fontsize=9)
        ax.set_yticks(range(len(causes)), list(causes))
        ax.set_xlim(0, 1.25 * max(count for count, _, _ in causes.values()))
        ax.invert_yaxis()
        label_axes(ax, "interruptions (orange: of a GPU)", "")
    return figure


def explore_bubble() -> None:
    """Sliders over ranks, micro-batches and the schedule."""

    def draw(ranks: int, groups: int, schedule: str) -> Figure:
        v = 2 if schedule == "interleaved" else 1
        jobs = bubbles.simulate(schedule, ranks, ranks * groups, v)
        title = f"{ranks} ranks, {ranks * groups} micro-batches" + " (paler: a rank's second stage)" * (v > 1)
        return draw_schedules({schedule: jobs}, "forward passes", title)

    explore(
        draw,
        ranks=(4, (2, 8, 1)),
        groups=(2, (1, 4, 1)),
        schedule=("interleaved", ["gpipe", "1f1b", "interleaved"]),
    )


def explore_failures() -> None:
    """Sliders over GPUs, how long one lasts, and what saving and coming back cost."""

    def draw(gpus: int, years_of_a_gpu: float, save_seconds: int, restart_minutes: int) -> Figure:
        mtbf = failures.scaled_mtbf(24 * 365.25 * years_of_a_gpu, 1, gpus)
        return draw_effective(save_seconds / 3600, restart_minutes / 60, mtbf)

    explore(
        draw,
        gpus=(16_384, [8, 512, 2_048, 8_192, 16_384, 24_576, 100_000]),
        years_of_a_gpu=(6, (1, 20, 1)),
        save_seconds=(10, (1, 300, 1)),
        restart_minutes=(10, (0, 60, 1)),
    )
