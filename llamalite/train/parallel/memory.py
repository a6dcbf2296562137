"""Bytes of weights, gradients and optimiser state on a rank, counted tensor by tensor.

Left out: activations, which depend on the batch and on what is recomputed, and the buffers of libraries.
"""

from __future__ import annotations

import math

from llamalite.config import LlamaConfig
from llamalite.train.parallel.layout import Parallel, Place, layers_of_stage


def numbers_of_rank(cfg: LlamaConfig, p: Parallel, place: Place) -> int:
    """How many of the model's parameters lie on a rank."""
    mine = (shape for name, shape in cfg.param_shapes().items() if stage_of(name, cfg, p) == place.pipeline)
    return sum(part_of(shape, p, place) for shape in mine)


def stage_of(name: str, cfg: LlamaConfig, p: Parallel) -> int:
    """The pipeline stage that owns a parameter."""
    if name.startswith("tok_embeddings"):
        return 0
    if not name.startswith("layers."):
        return p.pipeline - 1
    layer = int(name.split(".")[1])
    stages = (layers_of_stage(cfg.n_layers, stage, p.pipeline) for stage in range(p.pipeline))
    return next(stage for stage, layers in enumerate(stages) if layer in layers)


def part_of(shape: tuple[int, ...], p: Parallel, place: Place) -> int:
    """Matrices are shared by the tensor ranks, gains are not; sharding deals out rows, the last get fewer."""
    numbers = math.prod(shape) // (p.tensor if len(shape) > 1 else 1)
    if not p.shard or p.data == 1:
        return numbers
    rows = rows_of(shape, p)
    each = math.ceil(rows / p.data)
    mine = max(0, min(each, rows - place.data * each))
    return numbers // rows * mine


def rows_of(shape: tuple[int, ...], p: Parallel) -> int:
    """Rows that sharding deals out. (A matrix cut by columns keeps them all; the count comes out alike.)"""
    return shape[0] // p.tensor if len(shape) > 1 and shape[0] % (p.tensor * p.data) == 0 else shape[0]


def bytes_of_rank(
    cfg: LlamaConfig, p: Parallel, place: Place, weights: int = 4, gradients: int = 4, moments: int = 8
) -> dict[str, int]:
    """By kind; the arguments are bytes a number. AdamW remembers two moments of every one."""
    n = numbers_of_rank(cfg, p, place)
    return {"weights": weights * n, "gradients": gradients * n, "optimizer": moments * n}
