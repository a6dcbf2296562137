"""Figures of chapter ``dpo``: what pulls, where the mass goes, and how four ways to learn compare."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    canvas,
    label_axes,
)

Record = Mapping[str, Any]
Curves = Mapping[str, Sequence[float]]  # "chosen" and "rejected", one number a step
Frontier = tuple[Float[ndarray, " n"], Float[ndarray, " n"]]  # KL, worth
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PINK, SKY, GREY, BLACK)
FORMS = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (ORANGE, "D"), (PINK, "v"), (SKY, "P"), (BLACK, "X"))


# --- the loss ----------------------------------------------------------------------------------------


def draw_pull(betas: Sequence[float]) -> Figure:
    """The loss of a pair and the pull on it, against how far the policy has moved the two apart."""
    gaps = np.linspace(-15, 15, 301)
    title = "With a large β a few nats settle a pair; with a small one nothing does, and it goes on pulling"
    with canvas(title, columns=2, width=11, height=3.8) as (figure, axes):
        for beta, (colour, _) in zip(betas, FORMS, strict=False):
            axes[0, 0].plot(gaps, np.logaddexp(0, -beta * gaps), color=colour, label=f"β = {beta:g}")
            axes[0, 1].plot(gaps, 1 / (1 + np.exp(beta * gaps)), color=colour, label=f"β = {beta:g}")
        axes[0, 0].plot(0, np.log(2), "o", color=BLACK)
        axes[0, 0].annotate("every run begins here: log 2", (0, np.log(2)), (2.5, 4.5), color=GREY,
                            arrowprops={"arrowstyle": "->", "color": GREY})  # fmt: skip
        axes[0, 0].set_ylim(0, 8)
        axes[0, 0].legend(loc="upper right")
        for ax, name in zip(axes[0], ("loss of the pair (nats)", "weight 1 - σ of the pair"), strict=True):
            label_axes(ax, "movement of the chosen less that of the rejected (nats)", name)
    return figure


# --- where the mass goes -----------------------------------------------------------------------------


def draw_displacement(
    thetas: Float[ndarray, " n"], shares: Float[ndarray, "n 3"], losses: Float[ndarray, " n"]
) -> Figure:
    """Three answers and one parameter: the loss of the one pair, and what becomes of each probability."""
    title = "The loss falls all the way; so, from some point on, does the chosen answer"
    names = ("rejected: one pinch", "chosen: two pinches", "never compared: five pinches")
    with canvas(title, columns=2, width=11, height=3.8) as (figure, axes):
        axes[0, 0].plot(thetas, losses, color=BLACK)
        label_axes(axes[0, 0], "how much the policy likes salt, θ", "DPO loss of the pair (nats)")
        for i, (name, colour) in enumerate(zip(names, (ORANGE, BLUE, VERMILION), strict=True)):
            axes[0, 1].plot(thetas, shares[:, i], color=colour, label=name)
        axes[0, 1].legend(fontsize=9)
        label_axes(axes[0, 1], "how much the policy likes salt, θ", "probability")
    return figure


def draw_moves(runs: Mapping[str, Curves], title: str) -> Figure:
    """How far the log-probabilities of chosen and rejected answers have moved, step by step."""
    lowest = min(min(curves["rejected"]) for curves in runs.values())
    with canvas(title, columns=len(runs), width=2.8 * len(runs), height=3.4) as (figure, axes):
        for ax, (name, curves) in zip(axes[0], runs.items(), strict=True):
            ax.set_ylim(1.1 * lowest, 1)
            for what, colour in (("chosen", BLUE), ("rejected", ORANGE)):
                ax.plot(curves[what], color=colour, linewidth=1.6, label=what)
            ax.axhline(0, color=GREY, linewidth=1)
            ax.set_title(name)
            label_axes(ax, "step", "moved (nats an answer)" if ax is axes[0, 0] else "")
        axes[0, 0].legend(fontsize=9, loc="lower left")
    return figure


def draw_plane(
    frontier: Frontier, points: Mapping[str, Sequence[tuple[float, float]]], title: str, truth: str
) -> Figure:
    """What policies are worth against how far they went; no policy is above the line."""
    with canvas(title, width=9, height=4.6) as (figure, axes):
        plane(axes[0, 0], frontier, points, truth)
    return figure


def plane(
    ax: Axes, frontier: Frontier, points: Mapping[str, Sequence[tuple[float, float]]], truth: str
) -> None:
    ax.plot(*frontier, color=GREY, linestyle="--", linewidth=1.4, label="the most that is possible")
    for (name, found), (colour, marker) in zip(points.items(), FORMS, strict=False):
        ax.plot(*zip(*found, strict=True), marker, color=colour, markersize=6, label=name)
    ax.legend(fontsize=9)
    label_axes(ax, "away from the reference (KL, nats an answer)", truth)


# --- β -----------------------------------------------------------------------------------------------


def draw_beta(runs: Mapping[float, Record], frontier: Frontier, beta: float) -> Figure:
    """One run of DPO, step by step, and where it ended among those at other β."""
    here = runs[beta]
    title = f"β = {beta:g}: KL {here['kl']:.2f} nats, worth {here['worth']:.2f}"
    with canvas(title, columns=2, width=11, height=4) as (figure, axes):
        ax = axes[0, 0]
        for what, colour in (("chosen", BLUE), ("rejected", ORANGE)):
            ax.plot(here["curve"][what], color=colour, label=f"{what} answers")
        ax.axhline(0, color=GREY, linewidth=1)
        ax.legend(fontsize=9, loc="lower left")
        label_axes(ax, "step", "log-probability, moved by (nats)")
        ax = axes[0, 1]
        plane(ax, frontier, {}, "true worth")
        for other, run in runs.items():
            chosen = other == beta
            ax.plot(
                run["kl"],
                run["worth"],
                "o",
                color=VERMILION if chosen else BLUE,
                markersize=11 if chosen else 6,
            )
            ax.annotate(
                f"{other:g}", (run["kl"], run["worth"]), (6, 5), textcoords="offset points", fontsize=9
            )
    return figure


def explore_beta(runs: Mapping[float, Record], frontier: Frontier) -> None:
    """A slider over the runs that were made, from the shortest leash to the longest."""
    betas = sorted(runs, reverse=True)

    def draw(beta: float) -> Figure:
        return draw_beta(runs, frontier, beta)

    explore(draw, beta=(betas[len(betas) // 2], betas))


# --- labels that are wrong ---------------------------------------------------------------------------


def draw_noise(
    found: Mapping[str, Mapping[float, Sequence[float]]], title: str, labels: Mapping[str, str]
) -> Figure:
    """A panel for each measure, against the share of labels that are wrong; a point is a run."""
    with canvas(title, columns=len(found), width=4.6 * len(found), height=3.6) as (figure, axes):
        for ax, (name, by_share), (colour, marker) in zip(axes[0], found.items(), FORMS, strict=False):
            for share, values in by_share.items():
                ax.plot([share] * len(values), values, marker, color=colour, markersize=5)
            ax.plot(list(by_share), [fmean(v) for v in by_share.values()], color=colour)
            label_axes(ax, "share of labels that are wrong", labels[name])
    return figure


# --- the studies -------------------------------------------------------------------------------------


def draw_stages(rows: Mapping[str, Sequence[Record]], controls: Mapping[str, Sequence[Record]]) -> Figure:
    """Win rates against SFT, with the interval of every seed; hollow: SFT itself, sampled colder."""
    title = "Win rate against SFT: a point is a seed with its 95% interval, a bar the mean of three"
    names = [*rows, *controls]
    hows = (("sampled", "temperature 1"), ("greedy", "temperature 0"))
    with canvas(title, columns=2, width=12, height=1.2 + 0.42 * len(names)) as (figure, axes):
        for ax, (how, label) in zip(axes[0], hows, strict=True):
            for i, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
                if name in rows:
                    draw_wins(ax, i, [row[how]["win"] for row in rows[name]], colour, colour)
                elif how == "sampled":
                    draw_wins(ax, i, [row["win"] for row in controls[name]], BLACK, "white")
            ax.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
            ax.set_yticks(range(len(names)), names if ax is axes[0, 0] else [""] * len(names))
            ax.set_ylim(len(names) - 0.5, -0.5)
            ax.set_title(label)
            label_axes(ax, f"win rate against SFT at {label}", "")
    return figure


def draw_wins(ax: Axes, row: int, wins: Sequence[Record], colour: str, face: str) -> None:
    for k, win in enumerate(wins):
        y = row + 0.18 * (k - 1)
        ax.plot([win["low"], win["high"]], [y, y], color=colour, linewidth=1.2)
        ax.plot(win["rate"], y, "o", color=colour, markerfacecolor=face, markersize=5)
    ax.plot([fmean(win["rate"] for win in wins)] * 2, [row - 0.35, row + 0.35], color=colour, linewidth=3)


def draw_betas(rows: Sequence[Record]) -> Figure:
    """DPO on tales at several β, with and without the likelihood term: moves, distance, marks."""
    title = "On tales, by β: the likelihood term holds the chosen answers up, and the policy near"
    kinds = {"none": "DPO alone", "sum": "0.2 of the sum", "mean": "0.2 of the mean"}
    with canvas(title, columns=3, width=13, height=3.8) as (figure, axes):
        for (name, label), (colour, marker) in zip(kinds.items(), FORMS, strict=False):
            here = sorted((r for r in rows if r["nll"] == name), key=lambda r: r["beta"])
            betas, style = [r["beta"] for r in here], {"color": colour, "marker": marker}
            for what, dash in (("chosen", "-"), ("rejected", ":")):
                axes[0, 0].plot(betas, [fmean(r["curve"][what][-10:]) for r in here], dash, **style)
            axes[0, 1].plot(betas, [r["sampled"]["kl"] for r in here], **style)
            axes[0, 2].plot(betas, [r["sampled"]["score"] for r in here], label=label, **style)
        axes[0, 0].axhline(0, color=GREY, linewidth=1)
        axes[0, 2].legend(fontsize=9, loc="lower right")
        names = (
            "moved (nats): — chosen, ⋯ rejected",
            "away from SFT (KL, nats an answer)",
            "judge's score at temperature 1",
        )
        for ax, y in zip(axes[0], names, strict=True):
            ax.set_xscale("log")
            ax.set_xticks([0.02, 0.1, 0.5, 2.0], ["0.02", "0.1", "0.5", "2"])
            ax.minorticks_off()
            label_axes(ax, "β", y)
    return figure
