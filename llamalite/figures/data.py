"""Figures of chapter ``data``: mixes, the funnel, what hashes see, what filters find and eat."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from llamalite.figures.explore import explore
from llamalite.figures.style import BLUE, CYCLE, GREEN, GREY, ORANGE, SKY, VERMILION, canvas, label_axes
from llamalite.text.data.funnel import Funnel, steps
from llamalite.text.data.lsh import caught
from llamalite.text.data.minhash import standard_error

Record = Mapping[str, Any]


def draw_mixes(mixes: Mapping[str, Mapping[str, float]]) -> Figure:
    """What each Llama read, in shares of its tokens; an empty mix was not published."""
    with canvas("What they read, as far as it was published", width=10, height=4.6) as (figure, axes):
        ax = axes[0, 0]
        for row, mix in enumerate(mixes.values()):
            left = 0.0
            for i, (source, share) in enumerate(mix.items()):
                ax.barh(row, 100 * share, left=left, color=CYCLE[i % len(CYCLE)], edgecolor="white")
                wide = share > 0.09
                text = f"{source}\n{100 * share:g}%" if wide else f"{source} {100 * share:g}%"
                dark = CYCLE[i % len(CYCLE)] in (BLUE, VERMILION, "#000000", GREEN)
                ax.text(left + 50 * share, row, text, ha="center", va="center", fontsize=8.5 if wide else 7,
                        rotation=0 if wide else 90, color="white" if dark else "black")  # fmt: skip
                left += 100 * share
            if not mix:
                ax.text(1, row, "not published", va="center", color=GREY)
        ax.set_yticks(range(len(mixes)), list(mixes))
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        label_axes(ax, "share of the tokens (%)", "")
    return figure


def draw_epochs(sources: Mapping[str, tuple[float, float]]) -> Figure:
    """How often each source is read; ``sources``: name → (share, epochs)."""
    with canvas("A small source with a large weight is read again and again", width=8, height=3.4) as (
        figure,
        axes,
    ):
        ax = axes[0, 0]
        names = sorted(sources, key=lambda name: sources[name][1])
        times = [sources[name][1] for name in names]
        ax.barh(names, times, color=[VERMILION if t > 1.5 else BLUE for t in times])
        for i, name in enumerate(names):
            ax.text(
                times[i], i, f" {times[i]:.2f} times, {100 * sources[name][0]:g}% of the tokens", va="center"
            )
        ax.axvline(1, color=GREY, linestyle=":")
        ax.set_xlim(0, 1.6 * max(times))
        ax.grid(axis="y", visible=False)
        label_axes(ax, "epochs", "")
    return figure


def draw_funnel(found: Funnel) -> Figure:
    """Documents that are left after each filter, from top to bottom."""
    rows = steps(found)
    title = f"{found.n_in:,} documents came, {found.n_out:,} stay"
    with canvas(title, width=8.5, height=1.2 + 0.32 * len(rows)) as (figure, axes):
        ax = axes[0, 0]
        names = ["came in", *(why for why, _, _ in rows)]
        left = [found.n_in, *(n for _, _, n in rows)]
        gone = [0, *(n for _, n, _ in rows)]
        places = np.arange(len(names))
        ax.barh(places, left, color=BLUE, label="left")
        ax.barh(places, gone, left=left, color=VERMILION, label="gone by this filter")
        for place, a, b in zip(places, left, gone, strict=True):
            ax.text(a + b, place, f" {-b:,}" if b else f" {a:,}", va="center", fontsize=9)
        ax.set_yticks(places, names)
        ax.invert_yaxis()
        ax.set_xlim(0, 1.1 * found.n_in)
        ax.grid(axis="y", visible=False)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28 * 4 / len(rows)), ncols=2)
        label_axes(ax, "documents", "")
    return figure


def draw_estimates(exact: np.ndarray, estimated: np.ndarray, n_orders: int) -> Figure:
    """Estimated against exact Jaccard similarity, with the band of two standard errors."""
    title = f"{n_orders} numbers know the overlap, up to the error of theory"
    with canvas(title, width=7, height=4.2) as (figure, axes):
        ax = axes[0, 0]
        line = np.linspace(0, 1, 101)
        error = np.array([standard_error(x, n_orders) for x in line])
        ax.fill_between(line, line - 2 * error, line + 2 * error, color=SKY, alpha=0.4, linewidth=0,
                        label="two standard errors")  # fmt: skip
        ax.plot(exact, estimated, ".", color=BLUE, markersize=4, label="pairs of pages")
        ax.legend(loc="upper left")
        label_axes(ax, "exact similarity (Jaccard)", "estimated similarity (share of orders)")
    return figure


def draw_curves(rows: Sequence[int], n_orders: int, measured: Mapping[int, tuple[Any, Any]]) -> Figure:
    """The probability to be compared, by formula and as measured; ``measured``: rows → (s, share)."""
    title = "More rows a band: fewer are compared, and the curve moves right"
    with canvas(title, width=7, height=3.8) as (figure, axes):
        ax = axes[0, 0]
        s = np.linspace(0, 1, 201)
        for colour, r in zip(CYCLE, rows, strict=False):
            ax.plot(s, caught(s, n_orders // r, r), color=colour, label=f"{n_orders // r} bands of {r}")
            if r in measured:
                ax.plot(*measured[r], "o", color=colour)
        ax.legend()
        label_axes(ax, "similarity of two texts", "probability to be compared")
    return figure


def draw_eaten(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """Rule → language → share of the clean pages that it takes away."""
    names, languages = list(shares), list(next(iter(shares.values())))
    cells = np.array([[100 * shares[name][language] for language in languages] for name in names])
    title = "Good pages that a rule throws away (%): four rules know English prose only"
    with canvas(title, width=8, height=0.9 + 0.3 * len(names)) as (figure, axes):
        ax = axes[0, 0]
        ax.imshow(cells, cmap="Reds", vmin=0, vmax=130, aspect="auto")
        for i, row in enumerate(cells):
            for j, value in enumerate(row):
                ax.text(j, i, f"{value:.0f}" if value >= 0.5 or not value else "<1", ha="center", va="center",
                        fontsize=9, color=GREY if not value else "black")  # fmt: skip
        ax.set_xticks(range(len(languages)), languages)
        ax.set_yticks(range(len(names)), names)
        ax.grid(visible=False)
        label_axes(ax, "language of the page", "rule")
    return figure


def draw_scores(scores: Mapping[str, tuple[float, float]]) -> Figure:
    """Precision and recall of each filter, against the truth that was planted."""
    title = "What each filter finds, and how often it is right"
    with canvas(title, width=8, height=1.2 + 0.32 * len(scores)) as (figure, axes):
        ax = axes[0, 0]
        for i, (precision, recall) in enumerate(scores.values()):
            ax.plot([precision, recall], [i, i], color=GREY, linewidth=1)
            ax.plot(precision, i, "o", color=BLUE, label="precision" if not i else None)
            ax.plot(recall, i, "D", color=VERMILION, label="recall" if not i else None, markersize=5)
        ax.set_yticks(range(len(scores)), list(scores))
        ax.invert_yaxis()
        ax.set_xlim(-0.02, 1.04)
        ax.legend(loc="lower left")
        label_axes(ax, "share (1 is all)", "")
    return figure


def draw_stages(study: Record) -> Figure:
    """Bits a byte on clean tales that nobody has seen, after each filter: every run, and the mean."""
    rows = study["stages"]
    title = "The same tiny Llama, the same number of tokens, a cleaner text: each point is a run"
    with canvas(title, width=9, height=1.2 + 0.34 * len(rows)) as (figure, axes):
        ax = axes[0, 0]
        means = [row["scores"]["fresh"]["mean"] for row in rows]
        runs = [[run["fresh"] for run in row["runs"]] for row in rows]
        far = 1.15 * means[0]  # what is beyond is written at the edge
        for i, values in enumerate(runs):
            ax.plot(values, [i] * len(values), "o", color=BLUE, markersize=5)
            ax.plot(means[i], i, "|", color=ORANGE, markersize=18, markeredgewidth=3)
            if means[i] > far:
                ax.annotate(
                    f"{means[i]:.2f} →", (1, i), xycoords=("axes fraction", "data"), ha="right", va="center"
                )
        last = [row["name"] for row in rows].index("quality")
        ax.axhline(last + 0.5, color=GREY, linestyle=":")
        ax.axvline(means[0], color=GREY, linestyle=":")
        plus = [("+ " if 0 < i <= last else "") + row["name"] for i, row in enumerate(rows)]
        ax.set_yticks(range(len(rows)), plus)
        ax.invert_yaxis()
        shown = [value for values in runs for value in values if value <= far]
        room = 0.08 * (max(shown) - min(shown))
        ax.set_xlim(min(shown) - room, max(shown) + room)
        label_axes(ax, "clean held-out tales (bits a byte)", "")
    return figure


def draw_shares(study: Record, other: str) -> Figure:
    """Bits a byte of English and of another language, against the share of the latter in the mix."""
    rows = [row for row in study["mixes"] if other in row["shares"] or row["shares"].get("en") == 1]
    rows = sorted(rows, key=lambda row: row["shares"].get(other, 0))
    shares = [100 * row["shares"].get(other, 0) for row in rows]
    told = {"code": "Python", "ko": "Korean"}.get(other, other)
    title = f"A tenth of {told} teaches most of what can be had, and costs English little"
    with canvas(title, width=8, height=3.6) as (figure, axes):
        ax = axes[0, 0]
        for colour, name in ((BLUE, "en"), (VERMILION, other)):
            curves = np.array([[run[name] for run in row["runs"]] for row in rows])
            ax.plot(
                shares, curves.mean(1), color=colour, marker="o", label="English" if name == "en" else told
            )
            ax.fill_between(shares, curves.min(1), curves.max(1), color=colour, alpha=0.25, linewidth=0)
        ax.set_yscale("log")
        ticks = [0.6, 0.8, 1, 1.5, 2, 3, 4]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.legend()
        label_axes(ax, f"share of {told} in the mix (% of the bytes)", "held out (bits a byte)")
    return figure


def found_at(scores: np.ndarray, faulty: np.ndarray, threshold: float) -> tuple[float, float]:
    """(precision, recall) of whoever takes away all with a score of ``threshold`` or more.

    >>> found_at(np.array([0.9, 0.4, 0.8]), np.array([True, True, False]), 0.5)
    (0.5, 0.5)
    """
    taken = scores >= threshold
    right = float((taken & faulty).sum())
    return right / float(taken.sum()) if taken.any() else 1.0, right / max(float(faulty.sum()), 1.0)


def draw_threshold(name: str, scores: np.ndarray, faulty: np.ndarray, threshold: float) -> Figure:
    """Scores of the good and of the faulty, and what a threshold makes of them."""
    precision, recall = found_at(scores, faulty, threshold)
    title = f"{name}, from {threshold:.2f}: precision {precision:.3f}, recall {recall:.3f}"
    with canvas(title, columns=2, width=10, height=3.8) as (figure, axes):
        left, right = axes[0]
        edges = np.linspace(0, 1, 41)
        for colour, label, part in (
            (BLUE, "good", scores[~faulty]),
            (VERMILION, "with the fault", scores[faulty]),
        ):
            left.hist(part, edges, color=colour, alpha=0.6, label=f"{label} ({len(part):,})")
        left.axvline(threshold, color=GREY, linestyle="--")
        left.set_yscale("symlog", linthresh=10)
        left.legend(fontsize=9)
        label_axes(left, "score", "documents")
        curve = np.array([found_at(scores, faulty, t) for t in np.linspace(0.02, 1, 99)])
        right.plot(np.linspace(0.02, 1, 99), curve[:, 0], color=GREEN, label="precision")
        right.plot(np.linspace(0.02, 1, 99), curve[:, 1], color=ORANGE, label="recall")
        right.plot([threshold] * 2, [precision, recall], "o", color=GREY)
        right.legend(fontsize=9)
        label_axes(right, "threshold", "share (1 is all)")
    return figure


def explore_threshold(sightings: Mapping[str, tuple[np.ndarray, np.ndarray]], start: float = 0.5) -> None:
    """A menu of filters, each name → (scores, faulty), and a slider for the threshold."""

    def draw(filter: str, threshold: float) -> Figure:
        return draw_threshold(filter, *sightings[filter], threshold)

    names = list(sightings)
    explore(draw, filter=(names[0], names), threshold=(start, (0.02, 1.0, 0.02)))
