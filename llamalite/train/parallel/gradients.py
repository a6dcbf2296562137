"""Gradients of many ranks: their mean over copies, their common norm, clipped together.

PyTorch's ``DistributedDataParallel`` takes the same mean, and hides the sending behind the backward pass;
here it stands in the open. What is a part of something larger (a ``DTensor``) is handled by its part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn import Parameter


def local(t: Tensor) -> Tensor:
    """The numbers that lie on this rank; writing to them writes to the whole."""
    return t.to_local() if isinstance(t, DTensor) else t


def settle(params: Iterable[Parameter]) -> None:
    """Add up gradients that are still sums waiting to be taken: a gain that each rank applied to its own
    positions has, on each rank, the gradient of those positions alone."""
    for p in params:
        if isinstance(p.grad, DTensor) and p.grad.placements != p.placements:
            p.grad = p.grad.redistribute(p.device_mesh, p.placements)


def average(params: Iterable[Parameter], group: dist.ProcessGroup) -> None:
    """The mean of every gradient over the copies of the model: one message for all of them together."""
    grads = [local(p.grad) for p in params]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat, group=group)
    flat /= dist.get_world_size(group)
    for g, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        g.copy_(part.view_as(g))


def copies(p: Parameter, data_copies: int) -> int:
    """How many ranks hold these same numbers of a parameter (or of its part)."""
    n = data_copies
    if isinstance(p, DTensor):
        sizes = zip(p.placements, p.device_mesh.shape, strict=True)
        n *= math.prod(size for placement, size in sizes if placement.is_replicate())
    return n


def total_norm(params: Iterable[Parameter], data_copies: int) -> float:
    """The norm of the whole model's gradient: every number of it counts once, wherever it lies."""
    params = list(params)
    squares = [local(p.grad).double().square().sum() / copies(p, data_copies) for p in params]
    total = torch.stack(squares).sum()
    dist.all_reduce(total)
    return total.sqrt().item()


def clip(params: Iterable[Parameter], norm: float, largest: float) -> None:
    """Shorten all gradients together to ``largest``, as ``clip_grad_norm_`` does in one process."""
    factor = min(1.0, largest / (norm + 1e-6))
    for p in params:
        local(p.grad).mul_(factor)
