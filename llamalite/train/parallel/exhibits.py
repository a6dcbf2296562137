"""What goes wrong on many ranks, and what a schedule looks like in time: small experiments for ``launch``.

The bugs are planted for the length of one call, in the processes that run it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from unittest import mock

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from torch import Tensor, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

from llamalite.config import LlamaConfig
from llamalite.train.batches import batch
from llamalite.train.parallel import checksums, gradients
from llamalite.train.parallel.bubbles import Job
from llamalite.train.parallel.crew import Crew
from llamalite.train.parallel.gradients import local
from llamalite.train.parallel.layout import Parallel
from llamalite.train.parallel.ranks import build_mesh
from llamalite.train.parallel.running import build_part
from llamalite.train.parallel.sharded import tensors_of
from llamalite.train.parallel.trials import Trial, sequence, start, trial
from llamalite.train.training import Settings, build_adamw

# --- two bugs that everybody writes once -----------------------------------------------------------


def summed(params, group) -> None:
    """``gradients.average`` without the division."""
    for p in params:
        dist.all_reduce(local(p.grad), group=group)


def counted_everywhere(p, data_copies: int) -> int:
    """``gradients.copies`` by someone who thinks that every rank holds numbers of its own."""
    return 1


BUGS = {"average": summed, "copies": counted_everywhere}


def with_bug(name: str, p: Parallel, cfg: LlamaConfig, s: Settings, dtype: torch.dtype) -> Trial:
    with mock.patch.object(gradients, name, BUGS[name]):
        return trial(p, cfg, s, dtype)


# --- a gather whose way back is wrong --------------------------------------------------------------


class Gather(torch.autograd.Function):
    """Every rank's part, one after the other; backward, each rank's part of the sum of all gradients."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        g = g.clone(memory_format=torch.contiguous_format)  # a transposed view is sent in its own order
        dist.all_reduce(g)
        return g.chunk(dist.get_world_size())[dist.get_rank()]


def pytorchs_gather(x: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # by now it warns of something else
        return torch.cat(differentiable.all_gather(x))


def gather_errors() -> dict[str, float]:
    """Largest error over largest gradient of two gathers, when the gradient that comes back lies in memory
    row by row and when it is a transposed view; the forward pass is exact every time."""
    ways = {"PyTorch's": pytorchs_gather, "ours": Gather.apply}
    rank, n, found = dist.get_rank(), dist.get_world_size(), {}
    full = torch.arange(12.0 * n).reshape(3 * n, 4)
    weights = torch.randn(4, 3 * n, generator=torch.Generator().manual_seed(0))
    for name, way in ways.items():
        for lies in ("in rows", "transposed"):
            x = full.chunk(n)[rank].clone().requires_grad_()
            whole = way(x)
            assert torch.equal(whole, full)
            back = weights.T if lies == "transposed" else weights.T.contiguous()
            whole.backward(back)
            right = n * weights.T.chunk(n)[rank]  # every rank sends the same gradient back
            found[f"{name}, {lies}"] = ((x.grad - right).abs().max() / right.abs().max()).item()
    return found


# --- a pipeline whose stages only sleep ------------------------------------------------------------


class Nap(torch.autograd.Function):
    """Work that takes time and no processor: two cores can act a pipeline of four."""

    @staticmethod
    def forward(ctx, x: Tensor, log: list, forward: float, backward: float) -> Tensor:
        ctx.log, ctx.backward = log, backward
        begin = time.perf_counter()
        time.sleep(forward)
        log.append(("F", begin, time.perf_counter()))
        return x.clone()

    @staticmethod
    def backward(ctx, g: Tensor):
        begin = time.perf_counter()
        time.sleep(ctx.backward)
        ctx.log.append(("B", begin, time.perf_counter()))
        return g, None, None, None


class Napping(nn.Module):
    def __init__(self, forward: float, backward: float):
        super().__init__()
        self.log: list[tuple[str, float, float]] = []
        self.w, self.times = nn.Parameter(torch.ones(1)), (forward, backward)

    def forward(self, x: Tensor) -> Tensor:
        return Nap.apply(x * self.w, self.log, *self.times)


def naps(schedule: str, micro: int, forward: float, backward: float) -> list[Job]:
    """This rank's jobs of one step of PyTorch's own schedule, in seconds since the step began for all."""
    rank, n = dist.get_rank(), dist.get_world_size()
    stage = Napping(0.0, 0.0)
    part = PipelineStage(stage, rank, n, torch.device("cpu"))
    kind = {"1f1b": Schedule1F1B, "gpipe": ScheduleGPipe}[schedule]
    runner = kind(part, n_microbatches=micro, loss_fn=lambda out, target: out.mean())
    inputs = (torch.ones(micro, 1),) if rank == 0 else ()
    outputs = {"target": torch.ones(micro, 1)} if rank == n - 1 else {}
    best, least = [], float("inf")
    for turn in range(3):  # in the first, without sleep, stages tell each other what they will send
        stage.log.clear()
        dist.barrier()
        began = time.perf_counter()
        runner.step(*inputs, **outputs)
        longest = torch.tensor(time.perf_counter() - began)
        dist.all_reduce(longest, op=dist.ReduceOp.MAX)
        if turn and longest.item() < least:  # of two, the one that was disturbed less
            best, least = [(kind, a - began, b - began) for kind, a, b in stage.log], longest.item()
        stage.times = (forward, backward)
    numbers = {"F": iter(range(micro)), "B": iter(range(micro))}
    return [Job(rank, a, b, kind, next(numbers[kind]), 0) for kind, a, b in best]


def all_naps(schedules: Sequence[str], micro: int, forward: float, backward: float) -> list[list[Job]]:
    return [naps(schedule, micro, forward, backward) for schedule in schedules]


# --- a flipped bit ---------------------------------------------------------------------------------


STRUCK = 3  # which number of the embedding


class Struck(Crew):
    """A crew one of whose ranks suffers a flipped bit at one step, in one of three places."""

    def strike(self, where: str, rank: int) -> None:
        self.where = where if dist.get_rank() == rank else "nowhere"

    def finish_gradients(self, params: list[nn.Parameter]) -> float:
        targets = {"gradient, before the mean": params[0].grad, "weight": params[0].data}
        if self.where in targets:
            checksums.flip_bit(targets[self.where], STRUCK, bit=20)
        norm = super().finish_gradients(params)
        if self.where == "gradient, after the mean":
            checksums.flip_bit(params[0].grad, STRUCK, bit=0)  # the last digit: too little to move a weight
        self.where = "nowhere"
        return norm


PLACES = ("nowhere", "weight", "gradient, after the mean", "gradient, before the mean")


def struck(cfg: LlamaConfig, s: Settings, rank: int) -> dict[str, tuple[list[int], list[int]]]:
    """Where the bit flipped → ranks that are odd after that step: by a checksum of the weights alone, and
    by one that has the optimiser's memory in it."""
    p, found = Parallel(data=dist.get_world_size()), {}
    mesh, data = build_mesh(p), sequence(s.seed, 20 * s.seq_len, cfg.vocab_size)
    for where in PLACES:
        part, forward = build_part(*start(cfg, s, torch.float32), p, mesh)
        crew, optimizer = Struck(p, mesh), build_adamw(part, s)
        crew.strike(where, rank)
        crew.step(forward, optimizer, data, 0, s)
        weights = dict(part.named_parameters())
        found[where] = checksums.compare(weights), checksums.compare(tensors_of(part, optimizer))
    return found


def asked_twice(cfg: LlamaConfig, s: Settings, rank: int) -> list[int]:
    """The cure for what the mean hides: all ranks compute the gradient of the same windows, and compare it
    before they average. Returns the ranks that the checksums call odd."""
    p = Parallel(data=dist.get_world_size())
    mesh, data = build_mesh(p), sequence(s.seed, 20 * s.seq_len, cfg.vocab_size)
    part, forward = build_part(*start(cfg, s, torch.float32), p, mesh)
    Crew(p, mesh).forward_backward(forward, *batch(data.train, 0, s.batch_size, s.seq_len, s.seed), s)
    found = {name: p.grad for name, p in part.named_parameters()}
    if dist.get_rank() == rank:
        checksums.flip_bit(next(iter(found.values())), STRUCK, bit=20)
    return checksums.compare(found)
