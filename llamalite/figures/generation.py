"""Figures of chapter ``generation``: what may come next, what the rules cut off, and what writing costs."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor

from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREY, VERMILION, canvas, label_axes
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

    Grey: what has no chance left. What is not shown is summed up in the last bar. A bar of one length
    means the same probability in every panel.
    """
    first = next(iter(choices.values()))
    order = np.argsort(-first, kind="stable")[:SHOWN]
    labels = [readable(names[i]) for i in order] + ["all others"]
    bars = {name: np.append(p[order], max(1 - p[order].sum(), 0.0)) for name, p in choices.items()}
    longest = max(lengths.max() for lengths in bars.values())
    with canvas(title, columns=len(choices), width=3.1 * len(choices) + 0.8, height=4.6) as (figure, axes):
        places = np.arange(len(labels))
        for ax, (name, lengths) in zip(axes[0], bars.items(), strict=True):
            ax.barh(places, lengths, color=BLUE)
            for place, length in zip(places, lengths, strict=True):
                gone = length < 5e-7
                ax.text(length, place, " –" if gone else f" {length:.1%}", va="center", fontsize=8,
                        color=GREY if gone else BLACK)  # fmt: skip
            ax.set(title=name, xlim=(0, 1.25 * longest))
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
    """How many tales are without any fault, and how differently those begin, for each rule."""
    title = "How many tales are right, and how many different beginnings the right ones have"
    with canvas(title, columns=2, width=11, height=4.2) as (figure, axes):
        for ax, rows, what in zip(
            axes[0], (right, openings), ("tales without a fault", "different openings of those"), strict=True
        ):
            for (name, values), colour, marker in zip(rows.items(), CYCLE, "osD^vP", strict=False):
                ax.plot(temperatures, values, color=colour, marker=marker, label=name)
            ax.set_ylim(0, 1.05)
            label_axes(ax, "temperature", f"{what} (share of all)")
        axes[0, 0].legend()
    return figure


def draw_rereading(ways: Mapping[str, Sequence[float]]) -> Figure:
    """Seconds for each token of a text: one way reads everything again, the other what is new.

    Each point is the fastest of nine neighbours: what disturbs the machine for a moment is not a cost.
    """
    with canvas("Who keeps keys and values pays for one token a token", width=8, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (name, seconds), colour in zip(ways.items(), CYCLE, strict=False):
            padded = np.pad(1e3 * np.asarray(seconds), 4, mode="edge")
            fastest = np.lib.stride_tricks.sliding_window_view(padded, 9).min(axis=-1)
            ax.plot(np.arange(1, len(seconds) + 1), fastest, color=colour, label=name)
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "token", "time for it (ms)")
    return figure


def draw_batches(
    batches: Sequence[int], per_second: Sequence[float], steps: Sequence[float], reading: float
) -> Figure:
    """Tokens a second for more and more texts at once, and what each of their readers waits for.

    ``reading`` is how many seconds it takes to read all weights once: no step can take less.
    """
    title = "One reading of the weights serves everybody"
    with canvas(title, columns=2, width=11, height=4) as (figure, axes):
        left, right = axes[0]
        left.plot(batches, per_second, color=BLUE, marker="o", label="measured")
        left.plot(batches, [per_second[0] * b for b in batches], color=GREY, linestyle=":",
                  label="if a step took as long for all as for one")  # fmt: skip
        left.plot(batches, [b / reading for b in batches], color=VERMILION, linestyle="--",
                  label="limit: all weights read once a step")  # fmt: skip
        left.set(yscale="log")
        left.legend(fontsize=9)
        label_axes(left, "texts at once", "tokens a second, of all texts")
        right.plot(batches, 1e3 * np.asarray(steps), color=BLUE, marker="o")
        right.axhline(1e3 * reading, color=VERMILION, linestyle="--")
        right.set(ylim=(0, None))
        label_axes(right, "texts at once", "time for one token of each (ms)")
        for ax in (left, right):
            ax.set_xscale("log", base=2)
            ax.set_xticks(batches, [str(b) for b in batches])
    return figure


def settings(temperature: float, top_k: int, top_p: float, min_p: float) -> str:
    """What differs from the model's own distribution, in words.

    >>> settings(1.5, 0, 0.9, 0.0), settings(1.0, 0, 1.0, 0.0)
    ('T = 1.5, top-p 0.9', 'T = 1.0')
    """
    cuts = ((top_k, 0, "top-k"), (top_p, 1, "top-p"), (min_p, 0, "min-p"))
    return ", ".join([f"T = {temperature:.1f}", *(f"{sign} {x:g}" for x, all_, sign in cuts if x != all_)])


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
            f"{settings(**rules)}: {kept:,} of {len(logits):,} tokens have a chance\nafter “{beginning}”",
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
