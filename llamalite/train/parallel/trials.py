"""The same few steps of training in any layout, on real ranks, with everything measured that a layout
changes: to be called through ``launch``, and compared with ``alone``.

Left out: anything that lasts. A trial's data are ids that the caller brings.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.train.batches import batch
from llamalite.train.parallel import checksums, wire
from llamalite.train.parallel.crew import Crew
from llamalite.train.parallel.gradients import local
from llamalite.train.parallel.layout import Parallel
from llamalite.train.parallel.ranks import build_mesh
from llamalite.train.parallel.running import build_crew, build_part
from llamalite.train.parallel.sharded import put_away, tensors_of
from llamalite.train.training import Data, Settings, build_adamw, evaluate, losses, train_step

Arrays = dict[str, np.ndarray]


class Trial(NamedTuple):
    """What one rank saw; ``merged`` puts the ranks' gradients together."""

    losses: list[float]  # of every step, the whole batch's
    norm: float  # of step 0's gradient, before clipping
    gradients: Arrays  # of step 0, whole tensors, of the layers that this rank has
    nats: float  # a token of the held-out text, after the last step
    seconds: float  # of the steps
    sent: int  # bytes a step, as the kernel counted
    memory: dict[str, int]  # bytes of weights, gradients and optimiser state on this rank
    checksum: str  # of this rank's weights and optimiser state at the end


def sequence(seed: int, n: int, vocab_size: int) -> Data:
    """Random ids, with a held-out part of an awkward length."""
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, vocab_size, n))
    return Data(ids, ids[: n // 7], n // 7 - 1)


def start(cfg: LlamaConfig, s: Settings, dtype: torch.dtype):
    model = init_weights(Llama(cfg), s.seed).to(dtype)
    return model, build_table(cfg, s.seq_len, dtype=dtype)


def alone(cfg: LlamaConfig, s: Settings, dtype: torch.dtype = torch.float64) -> Trial:
    """The same in this process, by the loop that knows of no ranks."""
    model, table = start(cfg, s, dtype)
    forward, data = partial(model, table=table), sequence(s.seed, 20 * s.seq_len, cfg.vocab_size)
    x, y = batch(data.train, 0, s.batch_size, s.seq_len, s.seed)
    losses(forward, x, y, s).mean().backward()
    gradients = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    norm = sum(float(np.square(g).sum()) for g in gradients.values()) ** 0.5
    optimizer, began = build_adamw(model, s), time.perf_counter()
    found = [train_step(forward, optimizer, data, step, s).loss for step in range(s.steps)]
    seconds, nats = time.perf_counter() - began, evaluate(forward, data, s).nats_per_token
    memory, checksum = memory_of(model, optimizer), checksums.checksum(tensors_of(model, optimizer))
    return Trial(found, norm, gradients, nats, seconds, 0, memory, checksum)


def trial(p: Parallel, cfg: LlamaConfig, s: Settings, dtype: torch.dtype) -> Trial:
    """One layout, on this rank."""
    mesh, data = build_mesh(p), sequence(s.seed, 20 * s.seq_len, cfg.vocab_size)
    part, forward = build_part(*start(cfg, s, dtype), p, mesh)
    crew, optimizer = build_crew(part, p, mesh), build_adamw(part, s)
    norm, gradients = first_gradients(crew, part, forward, data, s)
    before, began = wire.traffic(), time.perf_counter()
    found = [crew.step(forward, optimizer, data, step, s).loss for step in range(s.steps)]
    seconds, after = time.perf_counter() - began, wire.traffic()
    sent = after.since(before).sent // s.steps if after else 0
    nats = crew.evaluate(forward, data, s).nats_per_token
    memory, checksum = memory_of(part, optimizer), checksums.checksum(tensors_of(part, optimizer))
    return Trial(found, norm, gradients, nats, seconds, sent, memory, checksum)


def trials(layouts: Sequence[Parallel], cfg: LlamaConfig, s: Settings, dtype=torch.float64) -> list[Trial]:
    """Several layouts of one number of ranks, in one launch: starting processes is what costs."""
    return [trial(p, cfg, s, dtype) for p in layouts]


def first_gradients(crew: Crew, part: nn.Module, forward, data: Data, s: Settings) -> tuple[float, Arrays]:
    """Of step 0, averaged and summed as in a step, but not clipped."""
    whole = batch(data.train, 0, s.batch_size, s.seq_len, s.seed)
    x, y = (ids.tensor_split(crew.p.data)[crew.place.data] for ids in whole)
    crew.forward_backward(forward, x, y, s)
    norm = crew.finish_gradients(list(part.parameters()))
    gradients = {name: whole_tensor(p.grad).numpy().copy() for name, p in part.named_parameters()}
    part.zero_grad()
    return norm, gradients


def whole_tensor(t: Tensor) -> Tensor:
    return t.full_tensor() if isinstance(t, DTensor) else t


def merged(trials_of_ranks: Iterable[Trial]) -> Arrays:
    """All gradients by name; ranks that know the same one agree, or an AssertionError names it."""
    found: Arrays = {}
    for one in trials_of_ranks:
        for name, gradient in one.gradients.items():
            known = found.setdefault(name, gradient)
            assert np.allclose(known, gradient, rtol=1e-12, atol=0), f"{name} differs between ranks"
    return found


def memory_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Bytes that lie on this rank. (Gradients as large as they are after a backward pass.)"""
    put_away(model)
    params = list(model.parameters())
    kept = [t for p in params for key, t in optimizer.state.get(p, {}).items() if key != "step"]
    groups = {
        "weights": params,
        "gradients": [p.grad for p in params if p.grad is not None],
        "optimizer": kept,
    }
    return {name: sum(local(t).numel() * t.element_size() for t in group) for name, group in groups.items()}
