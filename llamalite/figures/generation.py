"""Figures of chapter ``generation``: what may come next, what the rules cut off, and what writing costs."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREY, canvas, label_axes
from llamalite.in_torch.sampling import keep_min_p, keep_top, keep_top_k

SHOWN = 16  # tokens in a picture
CHANGELESS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


def remaining(
    logits: Float[Tensor, " V"], temperature: float, top_k: int, top_p: float, min_p: float
) -> Float[Tensor, " V"]:
    """The distribution that ``sample`` draws from, each rule after the other.

    >>> remaining(torch.tensor([0.0, 1.0, 0.0]), 1.0, 1, 1.0, 0.0).tolist()
    [0.0, 1.0, 0.0]
    """
    probs = keep_top_k(torch.softmax(logits / temperature, -1), top_k or len(logits))
    return keep_min_p(keep_top(probs, top_p), min_p)


def draw_choices(choices: Mapping[str, ndarray], names: Sequence[str], title: str) -> Figure:
    """A panel for each distribution over the same tokens, likeliest of the first one on top.

    Grey: what has no chance left. What is not shown is summed up in the last bar.
    """
    first = next(iter(choices.values()))
    order = np.argsort(-first, kind="stable")[:SHOWN]
    labels = [readable(names[i]) for i in order] + ["all others"]
    with canvas(title, columns=len(choices), width=3.1 * len(choices) + 0.8, height=4.6) as (figure, axes):
        places = np.arange(len(labels))
        for ax, (name, probs) in zip(axes[0], choices.items(), strict=True):
            lengths = np.append(probs[order], max(1 - probs[order].sum(), 0.0))
            ax.barh(places, lengths, color=BLUE)
            for place, length in zip(places, lengths, strict=True):
                gone = length < 5e-7
                ax.text(length, place, " –" if gone else f" {length:.1%}", va="center", fontsize=8,
                        color=GREY if gone else BLACK)  # fmt: skip
            ax.set(title=name, xlim=(0, 1.15 * max(lengths.max(), 0.1)))
            ax.set_yticks(places, labels if ax is axes[0][0] else [""] * len(labels), fontsize=9)
            ax.invert_yaxis()
            label_axes(ax, "probability", "next token" if ax is axes[0][0] else "")
    return figure


def readable(text: str) -> str:
    """A token that can be seen: spaces and line ends have a sign; a bare dollar would begin mathematics.

    >>> readable(" was"), readable("\\n")
    ('·was', '↵')
    """
    return text.replace(" ", "·").replace("\n", "↵").replace("$", r"\$") or "?"


def draw_quality(
    temperatures: Sequence[float],
    right: Mapping[str, Sequence[float]],
    openings: Mapping[str, Sequence[float]],
) -> Figure:
    """How many tales are without any fault, and how many begin differently, for each rule."""
    title = "Right tales, and different ones: every rule trades one for the other"
    with canvas(title, columns=2, width=11, height=4.2) as (figure, axes):
        for ax, rows, what in zip(
            axes[0], (right, openings), ("tales without a fault", "different openings"), strict=True
        ):
            for (name, values), colour, marker in zip(rows.items(), CYCLE, "osD^vP", strict=False):
                ax.plot(temperatures, values, color=colour, marker=marker, label=name)
            ax.set_ylim(0, 1.05)
            label_axes(ax, "temperature", f"{what} (share)")
        axes[0, 0].legend()
    return figure


def draw_rereading(ways: Mapping[str, Sequence[float]]) -> Figure:
    """Seconds for each token of a text: one way reads everything again, the other what is new."""
    with canvas("Who keeps keys and values pays for one token a token", width=8, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (name, seconds), colour in zip(ways.items(), CYCLE, strict=False):
            ax.plot(np.arange(1, len(seconds) + 1), 1e3 * np.asarray(seconds), color=colour, label=name)
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "token", "time for it (ms)")
    return figure


def draw_batches(batches: Sequence[int], per_second: Sequence[float], steps: Sequence[float]) -> Figure:
    """Tokens a second for more and more texts at once, and what each of their readers waits for."""
    title = "One reading of the weights serves everybody"
    with canvas(title, columns=2, width=11, height=4) as (figure, axes):
        left, right = axes[0]
        left.plot(batches, per_second, color=BLUE, marker="o", label="measured")
        left.plot(batches, [per_second[0] * b for b in batches], color=GREY, linestyle=":",
                  label="if a step took as long for all as for one")  # fmt: skip
        left.set(xscale="log", yscale="log")
        left.legend()
        label_axes(left, "texts at once", "tokens a second, of all texts")
        right.plot(batches, 1e3 * np.asarray(steps), color=BLUE, marker="o")
        right.set(xscale="log", ylim=(0, None))
        label_axes(right, "texts at once", "time for one token of each (ms)")
    return figure


def explore_choice(moments: Mapping[str, Float[Tensor, " V"]], names: Sequence[str]) -> None:
    """Sliders over the rules, on the distributions that a model had after several beginnings."""

    def draw(beginning: str, temperature: float, top_p: float, top_k: int, min_p: float) -> Figure:
        logits = moments[beginning]
        rules = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        choices = {
            "the model's own": remaining(logits, **CHANGELESS),
            "drawn from": remaining(logits, **rules),
        }
        kept = int((choices["drawn from"] > 0).sum())
        return draw_choices(
            {name: probs.numpy() for name, probs in choices.items()},
            names,
            f"After “{beginning}”, tokens that have a chance: {kept:,} of {len(logits):,}",
        )

    beginnings = list(moments)
    explore(
        draw,
        beginning=(beginnings[0], beginnings),
        temperature=(1.5, (0.1, 3.0, 0.1)),
        top_p=(0.9, (0.0, 1.0, 0.05)),
        top_k=(0, (0, 50, 1)),
        min_p=(0.0, (0.0, 0.5, 0.01)),
    )
