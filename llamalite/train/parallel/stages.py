"""A pipeline: a Llama cut between its layers, and the order in which its stages work.

A ``Stage`` holds consecutive layers under the names they have in the whole, so checkpoints and first
weights need no translation. The schedules are PyTorch's own (``torch.distributed.pipelining``).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

from llamalite.in_torch.llama import Llama
from llamalite.in_torch.rope import RopeTable
from llamalite.train.parallel.layout import Parallel, layers_of_stage


class Stage(nn.Module):
    """Some layers of a Llama; the first stage also embeds, the last also predicts."""

    def __init__(self, model: Llama, stage: int, n_stages: int, table: RopeTable):
        super().__init__()
        self.cfg, self.table = model.cfg, table
        self.first, self.last = stage == 0, stage == n_stages - 1
        self.tok_embeddings = model.tok_embeddings if self.first else None
        mine = layers_of_stage(model.cfg.n_layers, stage, n_stages)
        self.layers = nn.ModuleDict({str(i): model.layers[str(i)] for i in mine})
        self.norm, self.output = (model.norm, model.output) if self.last else (None, None)

    def forward(self, x: Tensor) -> Tensor:
        """Token ids or hidden states in, hidden states or logits out: (B, T) or (B, T, D), (B, T, D or V)."""
        if self.first:
            x = self.tok_embeddings(x)
        for i, layer in self.layers.items():
            x = layer(x, self.table, None, None, None, int(i))
        return self.output(self.norm(x)) if self.last else x


class Pipeline:
    """One rank's end of a pipeline: a schedule for training, and the plain way through for validation."""

    def __init__(self, stage: Stage, mesh: DeviceMesh, p: Parallel, loss: Callable[[Tensor, Tensor], Tensor]):
        self.stage, self.loss, self.group = stage, loss, mesh.get_group()
        self.ranks = dist.get_process_group_ranks(self.group)
        self.index, self.device = mesh.get_local_rank(), next(stage.parameters()).device
        part = PipelineStage(stage, self.index, len(self.ranks), self.device, group=self.group)
        kind = {"1f1b": Schedule1F1B, "gpipe": ScheduleGPipe}[p.schedule]
        self.schedule = kind(part, n_microbatches=p.pieces, loss_fn=loss)

    def forward_backward(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss of these windows (0 but on the last stage); each stage's gradients of it in ``p.grad``.

        The schedule divides by the number of micro-batches, so that they are the gradients of the mean.
        """
        parts: list[Tensor] = []
        inputs = (x,) if self.stage.first else ()
        outputs = {"target": y, "losses": parts} if self.stage.last else {}
        self.schedule.step(*inputs, **outputs)
        return torch.stack(parts).mean().detach() if parts else torch.zeros((), device=self.device)

    def forward(self, x: Tensor, hidden: tuple[int, ...]) -> Tensor | None:
        """Logits on the last stage, None elsewhere; ``hidden`` is the shape of what stages hand on."""
        if not self.stage.first:
            x = torch.empty(hidden, dtype=next(self.stage.parameters()).dtype, device=self.device)
            dist.recv(x, self.ranks[self.index - 1], group=self.group)
        out = self.stage(x)
        if self.stage.last:
            return out
        dist.send(out.contiguous(), self.ranks[self.index + 1], group=self.group)
        return None
