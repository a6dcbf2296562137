"""Figures of chapter ``rlhf``: what rewards learn, what they are worth, and what it costs to follow them."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREEN, GREY, ORANGE, VERMILION, canvas, label_axes
from llamalite.tales.preferences import STRENGTHS

Record = Mapping[str, Any]
Curve = tuple[Float[ndarray, " n"], Float[ndarray, " n"]]  # KL, reward
Run = tuple[float, Mapping[str, Sequence[float]]]  # price of KL, curves
Way = tuple[Float[ndarray, " n"], Float[ndarray, " n"], Float[ndarray, " n"]]  # KL, learned, true
BY_PRICE = (VERMILION, BLUE, GREEN, ORANGE)  # cheapest first
PRICES = (100.0, 10.0, 5.0, 2.0, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02)


# --- reward models -----------------------------------------------------------------------------------


def draw_margins(margins: Mapping[str, float]) -> Figure:
    """The loss of a pair against the gap between its scores, one curve a margin."""
    gaps = np.linspace(-2, 6, 161)
    with canvas("A margin moves the loss to the right: the gap has to be wider", width=8) as (figure, axes):
        ax = axes[0, 0]
        for (name, margin), colour in zip(margins.items(), CYCLE, strict=False):
            ax.plot(gaps, np.logaddexp(0, margin - gaps), color=colour, label=f"{name}: margin {margin:.2f}")
            ax.plot(margin, np.log(2), "o", color=colour)
        ax.axhline(np.log(2), color=GREY, linewidth=1, linestyle=":")
        ax.text(6, np.log(2) + 0.05, "log 2", color=GREY, ha="right")
        ax.set_ylim(0, 3.5)
        ax.legend(fontsize=9)
        label_axes(ax, "score of the chosen less score of the rejected", "loss of the pair (nats)")
    return figure


def draw_rewards(rows: Sequence[Record]) -> Figure:
    """Accuracy by how clear the difference was, and confidence against the share that is right."""
    title = "A reward model is right where the difference is clear, and where it says that it is sure"
    with canvas(title, columns=2, width=11, height=4) as (figure, axes):
        plain = [row for row in rows if not row["margins"]]
        names = [name for _, name in STRENGTHS if name in plain[0]["by_strength"]]
        for i, name in enumerate(names):
            found = [row["by_strength"][name][0] for row in plain]
            axes[0, 0].bar(i, fmean(found), color=BLUE, alpha=0.5)
            axes[0, 0].plot([i] * len(found), found, "o", color=GREY, markersize=4)
        axes[0, 0].axhline(0.5, color=BLACK, linestyle=":", linewidth=1)
        axes[0, 0].set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
        axes[0, 0].set_ylim(0, 1)
        label_axes(axes[0, 0], "the chosen answer is …", "pairs in the right order (share)")
        first = [row for row in rows if row["seed"] == plain[0]["seed"]]
        for row, colour in zip(first, (BLUE, GREEN, VERMILION), strict=False):
            said, right, _ = np.array(row["calibration"]).T
            label = f"{row['margins']} margins" if row["margins"] else "no margins"
            axes[0, 1].plot(said, right, "o-", color=colour, label=label, markersize=4)
        axes[0, 1].plot([0.5, 1], [0.5, 1], color=BLACK, linestyle=":", label="as sure as it is right")
        axes[0, 1].set(xlim=(0.48, 1.01), ylim=(0.3, 1.03))
        axes[0, 1].legend(fontsize=9)
        label_axes(axes[0, 1], "confidence, σ(difference of scores)", "pairs in the right order (share)")
    return figure


# --- the best of n -----------------------------------------------------------------------------------


def draw_frontier(curves: Mapping[str, Curve], title: str) -> Figure:
    """What is gained against how far one goes for it; each curve from near to far."""
    with canvas(title, width=8, height=4.2) as (figure, axes):
        ax = axes[0, 0]
        markers = ("", "o", "s", "^", "D")
        for (name, (kl, reward)), colour, marker in zip(curves.items(), CYCLE, markers, strict=False):
            style = "-" if len(kl) > 1 else ""
            ax.plot(kl, reward, color=colour, marker=marker, linestyle=style, label=name, markersize=5)
        ax.legend(fontsize=9)
        label_axes(ax, "away from the reference (KL, nats an answer)", "mean reward")
    return figure


def draw_best_of_n(rows: Sequence[Record]) -> Figure:
    """The best of n by the learned reward: what the reward says of it, and what it is worth."""
    ns = sorted({row["n"] for row in rows})
    title = "The best of n by the learned reward: points are seeds, lines their mean"
    kinds = (
        (("reward", BLUE, "by the learned reward"),),
        (("by_truth", GREY, "if the truth could choose"), ("true", ORANGE, "chosen by the learned reward")),
    )
    with canvas(title, columns=2, width=11, height=4) as (figure, axes):
        for ax, lines in zip(axes[0], kinds, strict=True):
            for what, colour, label in lines:
                for n in ns:
                    found = [row[what] for row in rows if row["n"] == n]
                    ax.plot([n] * len(found), found, "o", color=colour, markersize=4)
                means = [fmean(row[what] for row in rows if row["n"] == n) for n in ns]
                ax.plot(ns, means, color=colour, label=label)
            ax.set_xscale("log", base=2)
            ax.set_xticks(ns, [str(n) for n in ns])
            ax.legend(fontsize=9, loc="upper left")
        label_axes(axes[0, 0], "answers to choose from, n", "learned reward (std of the first model)")
        label_axes(axes[0, 1], "answers to choose from, n", "true worth")
    return figure


# --- ppo ---------------------------------------------------------------------------------------------


def draw_estimators(true: Sequence[float], found: Mapping[str, Float[ndarray, "n 2"]]) -> Figure:
    """Bias and spread of one estimate, each divided by the divergence it estimates."""
    title = "Three estimates of one divergence: nearby k3 is the best of them, far away the noisiest"
    with canvas(title, columns=2, width=11, height=3.8) as (figure, axes):
        for i, (ax, label) in enumerate(
            zip(axes[0], ("mean less truth, over truth", "standard deviation, over truth"), strict=True)
        ):
            # k1 and k3 lie on one another where both are right: a wide line under a narrow one
            looks = zip((BLUE, ORANGE, GREEN), "os^", (4.5, 1.5, 1.5), strict=True)
            for (name, rows), (colour, marker, wide) in zip(found.items(), looks, strict=False):
                heights = rows[:, i] / np.asarray(true)
                ax.plot(
                    true,
                    heights,
                    color=colour,
                    marker=marker,
                    markersize=wide + 2,
                    linewidth=wide,
                    label=name,
                )
            ax.set_xscale("log")
            label_axes(ax, "true KL (nats a token)", label)
        axes[0, 1].set_yscale("log")
        axes[0, 1].set_yticks(ticks := (1, 3, 10, 30, 100), [str(tick) for tick in ticks])
        axes[0, 1].minorticks_off()
        axes[0, 0].legend()
    return figure


def draw_clip(clip: float) -> Figure:
    """What PPO makes large, against the ratio, for a token that did well and for one that did badly."""
    ratios = np.linspace(0, 2, 201)
    held = ratios.clip(1 - clip, 1 + clip)
    title = "Where the line is flat there is nothing to gain: no gradient"
    with canvas(title, columns=2, width=10, height=3.4) as (figure, axes):
        for ax, advantage, colour in zip(axes[0], (1, -1), (BLUE, VERMILION), strict=True):
            ax.plot(ratios, ratios * advantage, color=GREY, linestyle=":", label="ratio × advantage")
            ax.plot(
                ratios, np.minimum(ratios * advantage, held * advantage), color=colour, label="the lesser"
            )
            ax.plot(1, advantage, "o", color=BLACK)
            ax.set(title=f"advantage {advantage:+d}")
            ax.legend(fontsize=9)
            label_axes(ax, "probability now / when it was drawn", "objective")
    return figure


def draw_credit(tokens: Sequence[str], values: Float[ndarray, " T"], found: Mapping[str, Any]) -> Figure:
    """An answer token by token: what was expected before each, and what each is held to have brought."""
    title = "Who gets the credit: one reward at the end, shared out over the tokens"
    with canvas(title, rows=2, width=12, height=5) as (figure, axes):
        places = np.arange(len(tokens))
        axes[0, 0].plot(places, values, "o-", color=GREY, markersize=4)
        label_axes(axes[0, 0], "", "expected (value)")
        wide = 0.8 / len(found)
        for i, ((name, advantages), colour) in enumerate(
            zip(found.items(), (BLUE, ORANGE, GREEN), strict=False)
        ):
            axes[1, 0].bar(
                places + (i - (len(found) - 1) / 2) * wide, advantages, wide, color=colour, label=name
            )
        axes[1, 0].axhline(0, color=BLACK, linewidth=0.8)
        axes[1, 0].margins(y=0.2)
        axes[1, 0].legend(fontsize=9, ncols=3, loc="upper right")
        label_axes(axes[1, 0], "token", "advantage")
        axes[0, 0].set_xticks(places, [""] * len(tokens))
        axes[0, 0].set_xlabel(" ")
        for ax in axes[:, 0]:
            ax.set_xlim(-0.6, len(tokens) - 0.4)
        axes[1, 0].set_xticks(places, tokens, rotation=70, ha="right", fontsize=8.5)
    return figure


def draw_hacking(runs: Sequence[Run]) -> Figure:
    """PPO at several prices of KL, iteration by iteration: what is taught, what is meant, how far away."""
    colours = dict(zip(sorted({price for price, _ in runs}), BY_PRICE, strict=False))
    title = "At no price the learned reward is the highest, and what it was to stand for is gone"
    kinds = {"reward": "learned reward", "true": "true worth", "kl": "away from the reference (nats)"}
    with canvas(title, columns=3, width=13, height=3.8) as (figure, axes):
        for ax, (what, label) in zip(axes[0], kinds.items(), strict=True):
            told: set[float] = set()
            for price, curve in runs:
                name = None if price in told else f"KL price {price:g}"
                told.add(price)
                ax.plot(range(len(curve[what])), curve[what], color=colours[price], linewidth=1.4, label=name)
            label_axes(ax, "iteration of PPO", label)
        axes[0, 2].legend(fontsize=9)
    return figure


def draw_ways(ways: Mapping[str, Way], title: str, truth: str) -> Figure:
    """The learned reward, and beside it what it stands for, against the distance gone; in both alike."""
    with canvas(title, columns=2, width=12, height=4.4) as (figure, axes):
        for ax, at in zip(axes[0], (1, 2), strict=True):
            others, prices = iter((BLACK, GREY)), iter(BY_PRICE)
            for name, way in ways.items():
                colour = next(prices if name.startswith("PPO") else others)
                style = "o-" if len(way[0]) < 8 else "-"
                ax.plot(way[0], way[at], style, color=colour, markersize=4, linewidth=1.5, label=name)
                ends = [(way[0][i], way[at][i]) for i in (-1, -2)]
                ax.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": colour})
            label_axes(ax, "away from the reference (KL, nats an answer)", ("learned reward", truth)[at - 1])
        axes[0, 0].legend(fontsize=9)
    return figure


def smooth(
    values: Sequence[float] | Float[ndarray, " m"], start: float, n: int = 5
) -> Float[ndarray, " fewer"]:
    """Where it began, and then the means of every ``n`` iterations: one batch of answers is noisy."""
    whole = np.asarray(values)[: len(values) // n * n]
    return np.concatenate([[start], whole.reshape(-1, n).mean(1)])


# --- the price of KL ---------------------------------------------------------------------------------


def tilt(p: Float[ndarray, " n"], reward: Float[ndarray, " n"], beta: float) -> Float[ndarray, " n"]:
    """p exp(reward / β), divided by its sum: the optimum under a price of β a nat (facts H3)."""
    logits = np.log(p) + reward / beta
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def gone(q: Float[ndarray, " n"], p: Float[ndarray, " n"]) -> float:
    """KL(q ‖ p) in nats; answers that q never gives cost nothing."""
    given = q > 0
    return float((q[given] * np.log(q[given] / p[given])).sum())


def draw_price(
    p: Float[ndarray, " n"], learned: Float[ndarray, " n"], true: Float[ndarray, " n"], beta: float
) -> Figure:
    """The optimum at every price, and the one at ``beta``: the learned reward, and the true one."""
    policies = [tilt(p, learned, price) for price in np.geomspace(PRICES[0], PRICES[-1], 120)]
    kl = [gone(q, p) for q in policies]
    here = tilt(p, learned, beta)
    title = f"At a price of {beta:g} a nat: learned reward {here @ learned:.2f}, true worth {here @ true:.2f}"
    with canvas(title, columns=2, width=11, height=4) as (figure, axes):
        ax = axes[0, 0]
        for reward, colour, name in ((learned, BLUE, "learned reward"), (true, ORANGE, "true worth")):
            ax.plot(kl, [q @ reward for q in policies], color=colour, label=name)
            ax.plot(gone(here, p), here @ reward, "o", color=colour, markersize=8)
        ax.legend()
        label_axes(ax, "away from the reference (nats)", "mean over answers")
        ax = axes[0, 1]
        usual = p > p.mean()
        ax.scatter(true[~usual], learned[~usual], s=3, color=GREY, label="answers unlikely at first")
        ax.scatter(true[usual], learned[usual], s=9, color=BLUE, label="answers likely at first")
        likely = here > 1e-3
        ax.scatter(true[likely], learned[likely], s=10 + 600 * here[likely], color=VERMILION, alpha=0.6,
                   label="what the policy says, by its probability")  # fmt: skip
        ax.legend(fontsize=9, markerscale=0.6)
        label_axes(ax, "true worth", "learned reward")
    return figure


def explore_price(p: Float[ndarray, " n"], learned: Float[ndarray, " n"], true: Float[ndarray, " n"]) -> None:
    """A slider over the price of KL."""

    def draw(kl_price: float) -> Figure:
        return draw_price(p, learned, true, kl_price)

    explore(draw, kl_price=(0.3, (0.05, 2.0, 0.05)))
