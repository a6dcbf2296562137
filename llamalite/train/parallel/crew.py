"""Many ranks in place of one process: the same step, validation, saving and stopping, done together.

``training.train`` runs on every rank, and calls this where a process alone would work for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.nn import functional as F

from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.train.batches import batch, document_windows, windows
from llamalite.train.device import autocast
from llamalite.train.interruption import RunFailed
from llamalite.train.parallel import gradients, sharded
from llamalite.train.parallel.layout import Parallel, place_of
from llamalite.train.parallel.stages import Pipeline
from llamalite.train.schedule import learning_rate
from llamalite.train.training import Alone, Data, Forward, Score, Settings, StepStats, losses


class Crew(Alone):
    """This rank's part in the work of all. ``pipeline`` is its end of one, if there is one."""

    def __init__(self, p: Parallel, mesh: DeviceMesh, pipeline: Pipeline | None = None):
        self.p, self.pipeline, self.size = p, pipeline, p.size
        self.place = place_of(dist.get_rank(), p)
        self.speaks = dist.get_rank() == 0
        self.copies = mesh["data"].get_group() if p.data > 1 and not p.shard else None
        self.data_copies = p.data if self.copies is not None else 1

    # --- a step ----------------------------------------------------------------------------------

    def step(
        self, forward: Forward, optimizer: torch.optim.Optimizer, data: Data, step: int, s: Settings
    ) -> StepStats:
        """``training.train_step``, shared: every rank draws the whole batch and takes its own windows."""
        lr = learning_rate(step, s.lr, s.warmup, s.steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        whole = batch(data.train, step, s.batch_size, s.seq_len, s.seed, data.starts)
        x, y = (ids.tensor_split(self.p.data)[self.place.data] for ids in whole)
        loss = self.forward_backward(forward, x, y, s)
        params = [p for group in optimizer.param_groups for p in group["params"]]
        norm = self.finish_gradients(params)
        stats = StepStats(self.mean_loss(loss), lr, norm)
        if not (math.isfinite(stats.loss) and math.isfinite(stats.grad_norm)):
            raise RunFailed(f"the loss is {stats.loss} (gradient norm {stats.grad_norm}) at step {step}")
        gradients.clip(params, norm, s.clip)
        optimizer.step()
        return stats

    def forward_backward(self, forward: Forward, x: Tensor, y: Tensor, s: Settings) -> Tensor:
        """The mean loss of this rank's windows, and its gradients in ``p.grad``."""
        if self.pipeline is not None:
            x, y = (ids.to(s.device).long() for ids in (x, y))
            with autocast(s.device, s.dtype):
                return self.pipeline.forward_backward(x, y)
        loss = torch.zeros((), device=s.device)
        for x_part, y_part in zip(x.tensor_split(s.accumulate), y.tensor_split(s.accumulate), strict=True):
            part = losses(forward, x_part, y_part, s).sum() / y.numel()
            part.backward()
            loss = loss + part.detach()
        return loss

    def finish_gradients(self, params: list[nn.Parameter]) -> float:
        """Parts become sums, sums become means over the copies; returns the norm of the whole gradient."""
        gradients.settle(params)
        if self.copies is not None:
            gradients.average(params, self.copies)
        return gradients.total_norm(params, self.data_copies)

    def mean_loss(self, loss: Tensor) -> float:
        """Over the data ranks; tensor ranks of a group all know it, of a pipeline only the last stage."""
        total = loss.double() / (self.p.data * self.p.tensor)
        dist.all_reduce(total)
        return total.item()

    # --- validation ------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self, forward: Forward, data: Data, s: Settings) -> Score:
        """The held-out text, each data rank every so-manieth batch of it; all take part equally often."""
        batches = list(held_out_batches(data, s))
        nats = torch.zeros((), dtype=torch.float64, device=s.device)
        for begin in range(0, len(batches), self.p.data):
            mine = begin + self.place.data
            x, y, counts = batches[min(mine, len(batches) - 1)]
            found = self.token_losses(forward, x, y, s)
            if mine < len(batches) and found is not None:
                nats += (found.double() * counts.to(s.device)).sum() / self.p.tensor
        dist.all_reduce(nats)
        tokens = len(data.held_out) - 1
        return Score(nats.item() / tokens, nats.item() / math.log(2) / data.held_out_bytes)

    def token_losses(self, forward: Forward, x: Tensor, y: Tensor, s: Settings) -> Tensor | None:
        if self.pipeline is None:
            return losses(forward, x, y, s)
        dim = self.pipeline.stage.cfg.dim
        with autocast(s.device, s.dtype):
            hidden = (x.shape[0], x.shape[1] // self.p.tensor, dim)
            logits = self.pipeline.forward(x.to(s.device).long(), hidden)
            return None if logits is None else cross_entropy(logits, y.to(s.device).long())

    # --- around the steps ------------------------------------------------------------------------

    def stopped(self, received: int | None) -> int | None:
        """A signal that any rank has heard stops all of them, after the same step."""
        signum = torch.tensor(received or 0, device=device_of_group())
        dist.all_reduce(signum, op=dist.ReduceOp.MAX)
        return int(signum.item()) or None

    def newest(self, folder: Path) -> Path | None:
        return sharded.latest(folder)

    def restore(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        if self.speaks:
            sharded.adopt(folder)
        dist.barrier()
        found = sharded.latest(folder)
        return sharded.load(found, model, optimizer) if found else 0

    def save(self, folder: Path, step: int, model, optimizer, score: Score | None, spike: int | None) -> None:
        sharded.save(folder, step, model, optimizer)


def device_of_group() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"


def held_out_batches(data: Data, s: Settings) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(inputs, targets, counts), all of one shape, as stages and parts of a sequence need it.

    What is filled up with zeros does not count, and stands to the right, where nobody looks at it.
    """
    if data.held_out_starts is None:
        found = ((x, y, torch.ones_like(y, dtype=torch.bool))
                 for x, y in windows(data.held_out, s.batch_size, s.seq_len))  # fmt: skip
    else:
        found = document_windows(data.held_out, data.held_out_starts, s.batch_size, s.seq_len)
    for parts in found:
        rows, columns = parts[0].shape
        missing = (0, s.seq_len - columns, 0, s.batch_size - rows)
        x, y, counts = (F.pad(part, missing) for part in parts)
        yield x, y, counts
