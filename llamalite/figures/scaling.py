"""Figures of chapter ``scaling``: losses by size and text, the laws through them, what they advise."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREY, ORANGE, VERMILION, canvas, label_axes
from llamalite.train.scaling.fit import Runs, residuals
from llamalite.train.scaling.isoflop import Profile
from llamalite.train.scaling.law import INFERENCE, PUBLISHED, TRAINING, Law


def shades(n: int) -> list:
    """From light to dark, for what grows."""
    from matplotlib import colormaps

    return [colormaps["viridis_r"](x) for x in np.linspace(0.1, 0.95, n)]


def mark_tokens(ax: Any, tokens: ndarray) -> None:
    """A tick for each amount that was trained on: 32k for 32,768, as 1k is 1,024."""
    amounts = np.unique(tokens)
    ax.set_xticks(amounts, [f"{d / 1024:,.0f}k" for d in amounts])
    ax.minorticks_off()


def draw_runs(runs: Runs, floor: float, law: Law | None = None) -> Figure:
    """Held-out loss against tokens, a line a size, with what no model can beat; dashed: the law."""
    title = "Larger models and more text: every point is a run"
    title += ", every dashed line is the law" if law is not None else ""
    with canvas(title, width=9, height=4.6) as (figure, axes):
        ax = axes[0, 0]
        sizes = np.unique(runs.n_params)
        for size, colour in zip(sizes, shades(len(sizes)), strict=True):
            mine = runs.n_params == size
            d = runs.tokens[mine]
            ax.plot(d, runs.losses[mine], "o-" if law is None else "o", color=colour, label=f"{size:,.0f}")
            if law is not None:
                fine = np.geomspace(d.min(), d.max(), 50)
                ax.plot(fine, law.loss(size, fine), "--", color=colour, linewidth=1.2)
        ax.axhline(floor, color=GREY, linestyle=":", label=f"the floor, {floor:.3f}")
        ax.set(xscale="log", yscale="log")
        ax.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
        ax.yaxis.set_minor_formatter("")
        mark_tokens(ax, runs.tokens)
        ax.legend(title="parameters", loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "tokens, each seen once", "held out (nats a token)")
    return figure


def draw_residuals(runs: Runs, laws: Mapping[str, Law]) -> Figure:
    """How far runs are from a law, in percent, by tokens; a panel a law."""
    title = "What the law leaves over: pattern, not noise, means that the law is not the whole truth"
    with canvas(title, columns=len(laws), width=5.2 * len(laws), height=4) as (figure, axes):
        for ax, (name, law) in zip(axes[0], laws.items(), strict=True):
            sizes = np.unique(runs.n_params)
            for size, colour in zip(sizes, shades(len(sizes)), strict=True):
                mine = runs.n_params == size
                left = 100 * residuals(Runs(*(part[mine] for part in runs)), law)
                ax.plot(runs.tokens[mine], left, "o-", color=colour, linewidth=1, label=f"{size:,.0f}")
            ax.axhline(0, color=BLACK, linewidth=1)
            ax.set(xscale="log", title=name)
            mark_tokens(ax, runs.tokens)
            label_axes(ax, "tokens", "measured over predicted (%)")
        axes[0][-1].legend(title="parameters", loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return figure


def draw_profiles(profiles: Sequence[Profile], title: str) -> Figure:
    """Equal compute: losses of all sizes, the parabola through them, and its lowest point."""
    with canvas(title, width=9, height=4.6) as (figure, axes):
        ax = axes[0, 0]
        for each, colour in zip(profiles, shades(len(profiles)), strict=True):
            fine = np.geomspace(each.n_params.min(), each.n_params.max(), 80)
            ax.plot(each.n_params, each.losses, "o", color=colour, label=f"{each.flops:.1e}")
            ax.plot(fine, each.curve(fine), color=colour, linewidth=1.2)
            if each.inside:
                ax.plot(each.best, each.curve(np.array([each.best])), "*", color=VERMILION, markersize=13)
        ax.set(xscale="log", yscale="log")
        ax.set_yticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"])
        ax.minorticks_off()
        ax.legend(title="FLOPs", loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "parameters", "held out (nats a token)")
    return figure


def draw_unseen(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Excess loss on facts by heroes called, a panel a world; beside it what the unseen mass says.

    A row holds ``exponent``, ``calls``, ``measured``, ``never`` (what a perfect memory pays) and ``often``
    (what a memory pays that needs ``times`` meetings).
    """
    title = "A roll call: what is left to learn is who has not been met often enough"
    with canvas(title, columns=len(rows), width=4.2 * len(rows), height=4) as (figure, axes):
        for ax, row in zip(axes[0], rows, strict=True):
            ax.plot(row["calls"], row["measured"], "o-", color=BLUE, label="measured")
            ax.plot(row["calls"], row["never"], color=BLACK, linestyle=":", label="perfect memory")
            name = f"memory after {row['times']} meetings"
            ax.plot(row["calls"], row["often"], color=ORANGE, linestyle="--", label=name)
            ax.set(xscale="log", yscale="log", title=f"Zipf exponent {row['exponent']:g}")
            ax.legend(fontsize=8)
            label_axes(ax, "heroes called", "loss on facts (nats a token)")
    return figure


def draw_long(runs: Runs, floor: float, optimum: float, n_params: float) -> Figure:
    """One size, ever more text: the loss against the logarithm of tokens."""
    title = f"{n_params:,.0f} parameters: past the optimum, still better"
    with canvas(title, width=8, height=4) as (figure, axes):
        ax = axes[0, 0]
        mine = runs.n_params == n_params
        ax.plot(runs.tokens[mine], runs.losses[mine], "o-", color=BLUE, label="measured")
        ax.axvline(optimum, color=VERMILION, linestyle="--", label="compute-optimal for this size")
        ax.axhline(floor, color=GREY, linestyle=":", label="the floor")
        ax.set(xscale="log")
        mark_tokens(ax, runs.tokens[mine])
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "tokens, each seen once", "held out (nats a token)")
    return figure


def draw_advice(laws: Mapping[str, Law], models: Mapping[str, tuple[float, float]]) -> Figure:
    """Tokens a parameter that laws recommend for each budget, and what models took: name → (C, D/N)."""
    title = "Tokens a parameter: what the fits advise, and what was done"
    with canvas(title, width=9, height=4.6) as (figure, axes):
        ax = axes[0, 0]
        budgets = np.geomspace(1e19, 1e26, 60)
        for (name, law), colour in zip(laws.items(), CYCLE, strict=False):
            ax.plot(budgets, [law.optimum(c).tokens_per_param for c in budgets], color=colour, label=name)
        ax.axhline(20, color=GREY, linestyle=":", label="20")
        for name, (flops, ratio) in models.items():
            ax.plot(flops, ratio, "o", color=BLACK, markersize=5)
            side, ha = (-5, "right") if "llama1" in name else (5, "left")
            ax.annotate(name, (flops, ratio), (side, 3), textcoords="offset points", fontsize=8, ha=ha)
        ax.set(xscale="log", yscale="log", xlim=(1e19, 4e26))
        ticks = [10, 20, 50, 100, 200, 500, 1000, 2000]
        ax.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "training (FLOPs)", "tokens a parameter")
    return figure


def draw_intervals(columns: Mapping[str, ndarray], truths: Mapping[str, float]) -> Figure:
    """Bootstrap laws: a histogram a constant, with the true value where it is known."""
    title = "The same fit on runs drawn again: how sure the constants are"
    with canvas(title, columns=len(columns), width=3.6 * len(columns), height=3.2) as (figure, axes):
        for ax, (name, values) in zip(axes[0], columns.items(), strict=True):
            low, high = np.quantile(values, [0.005, 0.995])
            ax.hist(values[(values >= low) & (values <= high)], bins=24, color=BLUE)
            if name in truths:
                ax.axvline(truths[name], color=VERMILION, linewidth=2.5, label=f"true: {truths[name]:.3f}")
                ax.legend(fontsize=9)
            label_axes(ax, name, "resamples" if ax is axes[0][0] else "")
    return figure


# --- what it costs to train and to ask -------------------------------------------------------------------


def draw_bill(law: Law, trained_like: tuple[float, float], asked: float) -> Figure:
    """All sizes that reach one model's loss: FLOPs of training, of answering, and of both."""
    loss = float(law.loss(*trained_like))
    best, alone = law.cheapest(loss, asked), law.cheapest(loss, 0)
    title = (
        f"{asked:.1e} tokens asked: cheapest with {best.n_params / 1e9:,.1f}B parameters on "
        f"{best.tokens / 1e12:,.2f}T tokens ({best.tokens_per_param:,.0f} each)"
    )
    with canvas(title, width=9, height=4.4) as (figure, axes):
        ax = axes[0, 0]
        sizes = np.geomspace(0.25 * min(best.n_params, trained_like[0]), 4 * alone.n_params, 400)
        training = TRAINING * sizes * law.tokens_for(loss, sizes)
        training[np.isinf(training)] = np.nan
        asking = INFERENCE * sizes * asked
        ax.plot(sizes, training, color=BLUE, label="training to this loss")
        ax.plot(sizes, asking, color=ORANGE, label="reading and writing")
        ax.plot(sizes, training + asking, color=BLACK, linewidth=2.8, label="both")
        ax.plot(best.n_params, law.total_flops(loss, best.n_params, asked), "*", color=VERMILION,
                markersize=15, label="cheapest")  # fmt: skip
        n, d = trained_like
        ax.plot(n, law.total_flops(loss, n, asked), "D", color=BLACK, markersize=7,
                label=f"{n / 1e9:.0f}B on {d / 1e12:.0f}T")  # fmt: skip
        ax.axvline(alone.n_params, color=GREY, linestyle=":", label=f"optimum of training alone: "
                   f"{alone.n_params / 1e9:,.1f}B on {alone.tokens / 1e12:,.2f}T")  # fmt: skip
        ax.set(xscale="log", yscale="log", ylim=np.nanmin(training) * np.array([0.1, 300]))
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
        label_axes(ax, f"parameters of a model with a loss of {loss:.3f}", "FLOPs")
    return figure


def explore_bill(n_params: float, tokens: float) -> None:
    """Sliders: the law that is believed, and how many tokens will be asked of the model."""

    def draw(law: str, log10_tokens_asked: float) -> Figure:
        return draw_bill(PUBLISHED[law], (n_params, tokens), 10**log10_tokens_asked)

    explore(draw, law=("epoch", list(PUBLISHED)), log10_tokens_asked=(13.05, (11, 16, 0.05)))


def draw_budget(
    law: Law, log10_params: float, log10_tokens: float, models: Mapping[str, tuple[float, float]]
) -> Figure:
    """Lines of equal loss over size and tokens, the line of optima, ``models`` as (N, D), your point."""
    n, d = 10**log10_params, 10**log10_tokens
    flops = TRAINING * n * d
    best = law.optimum(flops)
    title = (
        f"{n:.2g} parameters, {d:.2g} tokens: {flops:.2g} FLOPs, loss {law.loss(n, d):.3f}; "
        f"at best {law.loss(*best):.3f}"
    )
    with canvas(title, width=8, height=4.6) as (figure, axes):
        ax = axes[0, 0]
        x, y = np.meshgrid(
            np.geomspace(n / 50, 150 * n, 80),
            np.geomspace(min(d, best.tokens) / 50, 50 * max(d, best.tokens), 80),
        )
        lines = ax.contour(x, y, np.log(law.loss(x, y)), levels=16, colors="#BBBBBB", linewidths=0.8)
        # Written upon the lines: room made for a label that is then dropped would leave a gap.
        for label in ax.clabel(lines, fmt=lambda level: f"{np.exp(level):.2f}", fontsize=7, inline=False):
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        budgets = np.geomspace(flops / 1e5, flops * 1e5, 50)
        ax.plot(*np.array([law.optimum(c) for c in budgets]).T, color=BLUE, label="optima")
        ax.plot(x[0], flops / TRAINING / x[0], color=GREY, linestyle="--", label="this budget")
        for name, point in models.items():
            ax.plot(*point, "o", color=GREY, markersize=4)
            turn, va = (-35, "top") if "llama1" in name else (35, "bottom")  # so that neighbours find room
            ax.annotate(name, point, (2, 0), textcoords="offset points", fontsize=7, va=va, rotation=turn,
                        rotation_mode="anchor", clip_on=True)  # fmt: skip
        ax.plot(n, d, "o", color=BLACK, label="your choice")
        ax.plot(*best, "*", color=VERMILION, markersize=14, label="best")
        ax.set(xscale="log", yscale="log", xlim=(x.min(), x.max()), ylim=(y.min(), y.max()))
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "parameters", "tokens")
    return figure


def explore_budget(law: Law, models: Mapping[str, tuple[float, float]]) -> None:
    """Sliders over size and text, in powers of ten, for one law; ``models`` stand in the plane as well."""
    explore(
        lambda log10_params, log10_tokens: draw_budget(law, log10_params, log10_tokens, models),
        log10_params=(9.9, (7, 12, 0.05)),
        log10_tokens=(13.2, (9, 14, 0.05)),
    )
