"""Figures of chapter ``gqa``: who shares with whom, what it saves, what it costs."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from llamalite.config import LlamaConfig, preset
from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREY, ORANGE, canvas, label_axes

GIB = 2**30
ONE_GPU = 80  # GiB, of a large one
HEADS = [1, 2, 4, 8, 16, 32, 64]
Record = Mapping[str, Any]


def draw_sharing(n_heads: int, kv_heads: Sequence[int]) -> Figure:
    """Query heads above, the key/value heads they read below; a panel for each number of the latter."""
    title = "Who reads whose keys and values"
    with canvas(title, columns=len(kv_heads), width=3.2 * len(kv_heads), height=2.8) as (figure, axes):
        for ax, n in zip(axes[0], kv_heads, strict=True):
            group = n_heads // n
            for i in range(n_heads):
                j = i // group
                below = (j + 0.5) * group - 0.5
                colour = CYCLE[j % len(CYCLE)]
                ax.plot([i, below], [1, 0], color=colour, linewidth=1.5)
                ax.plot(i, 1, "o", color=colour, markersize=11)
                ax.text(i, 1.22, str(i), ha="center")
            for j in range(n):
                below = (j + 0.5) * group - 0.5
                ax.plot(below, 0, "s", color=CYCLE[j % len(CYCLE)], markersize=13)
                ax.text(below, -0.36, str(j), ha="center")
            ax.set(title=f"{n} key/value heads" if n > 1 else "1 key/value head", ylim=(-0.6, 1.5))
            ax.set_yticks([0, 1], ["keys, values", "queries"] if ax is axes[0][0] else ["", ""])
            ax.set_xticks([])
            ax.grid(visible=False)
            label_axes(ax, "number of the head", "")
    return figure


def draw_caches(names: Sequence[str]) -> Figure:
    """Cache against length of the text, in two-byte numbers, each model up to its own context.

    A line that would hide another one is broken, so that both colours are seen.
    """
    title = "Memory that one text takes, beside the weights: longer contexts ate what sharing had saved"
    with canvas(title, width=9, height=4.6) as (figure, axes):
        ax, drawn = axes[0, 0], []
        for i, name in enumerate(names):
            cfg = preset(name)
            token = cfg.kv_cache_bytes_per_token(2)
            hidden = sum(abs(token / other - 1) < 0.05 for other in drawn)
            drawn.append(token)
            lengths = np.array([256, cfg.max_seq_len])
            ax.plot(lengths, lengths * token / GIB, color=CYCLE[i % len(CYCLE)], marker="o",
                    linestyle=("-", (0, (3, 3)), (0, (1, 3)))[min(hidden, 2)],
                    label=f"{name}, {cfg.n_kv_heads} of {cfg.n_heads} heads")  # fmt: skip
        ax.set(xscale="log", yscale="log")
        ax.set_xscale("log", base=2)
        ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
        label_axes(ax, "text (tokens)", "keys and values (GiB)")
    return figure


def draw_speed(
    kv_heads: Sequence[int], times: Mapping[str, Sequence[float]], ideal: Sequence[float]
) -> Figure:
    """Time of one decoding step's attention against the number of heads that the cache holds."""
    with canvas("Copying keys costs more than sharing saves", width=8, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (name, seconds), colour, marker in zip(times.items(), CYCLE, "osD^", strict=False):
            ax.plot(kv_heads, 1e3 * np.asarray(seconds), color=colour, marker=marker, label=name)
        ax.plot(kv_heads, 1e3 * np.asarray(ideal), color=GREY, linestyle=":", label="the cache read once")
        ax.set_xscale("log", base=2)
        ax.set_xticks(kv_heads, [str(n) for n in kv_heads])
        ax.set_yscale("log")
        ax.legend()
        label_axes(ax, "key/value heads", "attention of one layer, one token (ms)")
    return figure


def draw_uptraining(study: Record) -> Figure:
    """Bits a byte after the conversion and each share of further training: mean and range of the seeds."""
    shares = 100 * np.array(study["settings"]["uptrain"])
    n_heads = study["settings"]["n_heads"]
    kv_heads = sorted({run["n_kv_heads"] for run in study["converted"]} - {n_heads}, reverse=True)
    title = f"From {n_heads} key/value heads to fewer: what the conversion costs, and how soon it is repaid"
    with canvas(title, columns=len(kv_heads), width=4.2 * len(kv_heads), height=4) as (figure, axes):
        for ax, n in zip(axes[0], kv_heads, strict=True):
            for colour, how in zip((BLUE, ORANGE, GREY), ("mean", "first", "random"), strict=True):
                curves = curves_of(study, n, how)
                ax.plot(shares, curves.mean(0), color=colour, marker="o", label=how)
                ax.fill_between(shares, curves.min(0), curves.max(0), color=colour, alpha=0.2, linewidth=0)
            kept = curves_of(study, n_heads, "mean").mean(0)
            ax.plot(shares, kept, color=BLACK, linestyle=":", label="nothing shared, trained on alike")
            ax.set(title=f"{n} heads" if n > 1 else "1 head", yscale="log")
            ax.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
            label_axes(ax, "further training (% of the steps)", "held out (bits a byte)")
        axes[0][0].legend(fontsize=9)
    return figure


def curves_of(study: Record, n_kv_heads: int, how: str) -> np.ndarray:
    found = [
        r["bits_per_byte"] for r in study["converted"] if (r["n_kv_heads"], r["how"]) == (n_kv_heads, how)
    ]
    return np.array(found)


def draw_scores(study: Record) -> Figure:
    """Every run that shared from the start, and the mean of each number of heads, at equal parameters."""
    title = "Sharing from the start, at equal parameters: each point is a run"
    with canvas(title, width=8, height=4) as (figure, axes):
        ax = axes[0, 0]
        rows = study["from_the_start"]
        for row in rows:
            ax.plot([row["n_kv_heads"]] * len(row["scores"]), row["scores"], "o", color=BLUE)
        heads = [row["n_kv_heads"] for row in rows]
        ax.plot(heads, [fmean(row["scores"]) for row in rows], color=ORANGE, marker="_", markersize=24,
                linestyle="", markeredgewidth=3, label="mean")  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.set_xticks(heads, [str(n) for n in heads])
        ax.set_ylim(bottom=0)
        ax.legend()
        label_axes(ax, "key/value heads, of 8 query heads", "held out (bits a byte)")
    return figure


def draw_memory(cfg: LlamaConfig, name: str, n_kv_heads: int, context: int, batch: int) -> Figure:
    """Weights and cache side by side, with the model's own number of heads and with another."""
    ways = {f"as published: {cfg.n_kv_heads}": cfg, f"with {n_kv_heads}": cfg.with_(n_kv_heads=n_kv_heads)}
    caches = [c.kv_cache_bytes_per_token(2) * context * batch / GIB for c in ways.values()]
    weights = [2 * c.n_params / GIB for c in ways.values()]
    sizes = f"{caches[0]:,.1f} GiB of keys and values, {caches[1]:,.1f} GiB with {n_kv_heads} heads"
    with canvas(f"{name}, {batch} texts of {context:,} tokens: {sizes}", width=9, height=2.8) as (
        figure,
        axes,
    ):
        ax = axes[0, 0]
        places = np.arange(len(ways))
        ax.barh(places, weights, color=GREY, label="weights")
        ax.barh(places, caches, left=weights, color=BLUE, label="keys and values")
        ax.axvline(ONE_GPU, color=BLACK, linestyle=":", label=f"{ONE_GPU} GiB")
        for place, weight, cache in zip(places, weights, caches, strict=True):
            ax.text(weight + cache, place, f" {weight:,.0f} + {cache:,.1f}", va="center")
        ax.set_yticks(places, list(ways))
        ax.set_xlim(0, 1.2 * max(max(weights) + max(caches), ONE_GPU))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3)
        ax.invert_yaxis()
        label_axes(ax, "memory (GiB, two bytes a number)", "key/value heads")
    return figure


def explore_memory(names: Sequence[str]) -> None:
    """Sliders over heads, length and number of texts, for one of several published models."""

    def draw(model: str, n_kv_heads: int, context: int, batch: int) -> Figure:
        cfg = preset(model)
        possible = max(h for h in HEADS if h <= n_kv_heads and cfg.n_heads % h == 0)  # 64 of 32 are 32
        return draw_memory(cfg, model, possible, 2**context, batch)

    explore(
        draw,
        model=(names[0], list(names)),
        n_kv_heads=(32, HEADS),
        context=(13, (8, 17, 1)),
        batch=(16, (1, 128, 1)),
    )
