"""Figures of chapter ``weights``: how a checkpoint is cut, and what a wrong load looks like."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy import ndarray

from llamalite.config import LlamaConfig, preset
from llamalite.figures.explore import explore
from llamalite.figures.style import BLACK, BLUE, CYCLE, GREY, ORANGE, VERMILION, canvas, label_axes
from llamalite.in_torch.weights.meta import PUBLISHED_FILES, shard_axis
from llamalite.in_torch.weights.names import meta_names

BLOCK = (
    "attention.wq", "attention.wk", "attention.wv", "attention.wo",
    "feed_forward.w_gate", "feed_forward.w_up", "feed_forward.w_down",
)  # fmt: skip
AS_PUBLISHED = "as published"


def draw_rows(head_dim: int) -> Figure:
    """Where the rows of one head go between Meta's layout and Hugging Face's."""
    title = "One head of wq: Meta's rows stand in pairs, Hugging Face's in halves"
    with canvas(title, width=9, height=2.8) as (figure, axes):
        ax = axes[0, 0]
        for i in range(head_dim):
            to = i // 2 + (i % 2) * head_dim // 2
            colour = CYCLE[i // 2 % len(CYCLE)]
            ax.plot([i, to], [1, 0], color=colour, linewidth=1.5)
            for x, y, marker in ((i, 1, "o"), (to, 0, "o")):
                ax.plot(x, y, marker, color=colour, markersize=14)
            ax.text(i, 1.25, str(i), ha="center", color=BLACK)
            ax.text(to, -0.4, str(i), ha="center", color=BLACK)
        ax.set(ylim=(-0.6, 1.5))
        ax.set_yticks([0, 1], ["Hugging Face", "Meta"])
        ax.grid(visible=False)
        label_axes(ax, "row of the head", "")
    return figure


def draw_loss_by_position(ways: Mapping[str, Sequence[float]], window: int = 8) -> Figure:
    """How surprised each way of loading is at each place of held-out texts: means over ``window`` places,
    each drawn over the middle of them.
    """
    title = "Fluent and wrong: what a wrong load costs, place by place"
    with canvas(title, width=10, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (name, losses), colour in zip(ways.items(), (BLUE, VERMILION, ORANGE, GREY, BLACK), strict=False):
            means = np.convolve(losses, np.full(window, 1 / window), mode="valid")
            ax.plot(np.arange(len(means)) + (window + 1) / 2, means, color=colour, label=name)
        ax.set_ylim(bottom=0)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        label_axes(ax, "place in the text (tokens)", f"loss (nats a token), mean of {window} places")
    return figure


def draw_errors(
    steps: Sequence[int], errors: Mapping[str, Sequence[float]], allowed: Sequence[float]
) -> Figure:
    """Difference of logits between two programs, for tokens that stand further and further apart."""
    title = "Equal on a short text proves little: the same tokens, further and further apart"
    with canvas(title, width=10, height=4) as (figure, axes):
        ax = axes[0, 0]
        for (name, values), colour in zip(errors.items(), CYCLE, strict=False):
            ax.plot(steps, np.maximum(values, 1e-17), color=colour, marker="o", label=name)  # 0 has no log
        ax.plot(steps, allowed, color=GREY, linestyle=":", label="what we allow float32")
        ax.set(xscale="log", yscale="log")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        label_axes(ax, "positions from one token to the next", "largest difference (of the largest logit)")
    return figure


def cut(cfg: LlamaConfig, name: str, shards: int) -> tuple[ndarray, tuple[int, int]]:
    """Which file holds each part of a matrix, as a small picture of it; and the shape of one part."""
    shape = cfg.param_shapes()[name]
    axis = shard_axis(meta_names(cfg)[name], 1 if cfg.rope_theta == 10_000 else 0)
    files = np.arange(shards)
    picture = files[:, None] if axis == 0 else files[None, :]
    part = tuple(size // shards if i == axis else size for i, size in enumerate(shape))
    return picture, (part[0], part[1])


def draw_cuts(name: str, files: int | str = AS_PUBLISHED) -> Figure:
    """The matrices of one layer and both ends of a model, each cut as Meta's files cut it."""
    cfg = preset(name)
    shards = PUBLISHED_FILES[name] if isinstance(files, str) else files
    names = ["tok_embeddings.weight", *(f"layers.0.{each}.weight" for each in BLOCK)]
    if not cfg.tied:
        names.append("output.weight")
    held = sum(np.prod(cut(cfg, each, shards)[1]) for each in names)
    title = (
        f"{name} in {shards} files: of one layer and both ends each holds {held / 1e6:,.0f} million numbers"
    )
    with canvas(title, columns=len(names), width=13, height=3.4) as (figure, axes):
        for ax, each in zip(axes[0], names, strict=True):
            picture, part = cut(cfg, each, shards)
            rows, columns = cfg.param_shapes()[each]
            ax.imshow(colours_of(picture), aspect="auto", extent=(0, columns, rows, 0))
            ax.set_title(each.removeprefix("layers.0.").removesuffix(".weight"), fontsize=8)
            ax.set_xticks([0, columns])
            ax.set_yticks([0, rows])
            ax.tick_params(labelsize=7)
            ax.grid(visible=False)
            label_axes(ax, f"part {part[0]:,} × {part[1]:,}", "")
            ax.xaxis.label.set_size(7)
        patches = [Patch(color=CYCLE[i], label=f"file {i:02}") for i in range(shards)]
        figure.legend(handles=patches, loc="outside lower center", ncols=shards, fontsize=8)
    return figure


def colours_of(files: ndarray) -> ndarray:
    """A picture of numbers of files, as red, green and blue."""
    return np.array([to_rgb(colour) for colour in CYCLE])[files]


def explore_cuts(names: Sequence[str]) -> None:
    """Choose a model and a number of files."""
    explore(draw_cuts, name=(names[0], list(names)), files=(AS_PUBLISHED, [AS_PUBLISHED, 1, 2, 4, 8]))
