"""A run on many ranks from its first step to its last: the part that ``torchrun`` starts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from llamalite.config import LlamaConfig
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.in_torch.rope import RopeTable
from llamalite.train.parallel import sharded
from llamalite.train.parallel.crew import Crew
from llamalite.train.parallel.layout import Parallel, check_layout
from llamalite.train.parallel.ranks import build_mesh
from llamalite.train.parallel.splitting import parallelize
from llamalite.train.parallel.stages import Pipeline, Stage
from llamalite.train.runs import empty_llama
from llamalite.train.training import Data, Forward, Score, Settings, train


def build_part(model: Llama, table: RopeTable, p: Parallel, mesh: DeviceMesh) -> tuple[nn.Module, Forward]:
    """What this rank holds of ``model``, and how to call it. The whole may be forgotten afterwards."""
    if p.pipeline == 1:
        parallelize(model, mesh, p.shard)
        return model, partial(model, table=table)
    stage = Stage(model, mesh["pipeline"].get_local_rank(), p.pipeline, table)
    parallelize(stage, mesh, p.shard)
    return stage, stage


def build_crew(part: nn.Module, p: Parallel, mesh: DeviceMesh) -> Crew:
    pipeline = Pipeline(part, mesh["pipeline"], p, mean_loss) if p.pipeline > 1 else None
    return Crew(p, mesh, pipeline)


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits, targets).mean()


def train_on_ranks(
    folder: Path, cfg: LlamaConfig, data: Data, s: Settings, p: Parallel, resume: bool = False
) -> Score | None:
    """``runs.train_llama`` for every rank of a group that has been joined.

    However it ends, the newest complete checkpoint is left in the form that one process reads.
    """
    check_layout(p, cfg, s.batch_size, s.seq_len, s.accumulate)
    mesh = build_mesh(p, s.device.type)
    whole = init_weights(empty_llama(cfg, "cpu"), s.seed).to(s.device)
    part, forward = build_part(whole, build_table(cfg, s.seq_len, device=s.device), p, mesh)
    del whole
    crew, work = build_crew(part, p, mesh), cfg.train_flops_per_token(s.seq_len)
    try:
        return train(part, forward, data, s, folder, resume, flops_per_token=work, crew=crew)
    finally:
        if crew.speaks:
            sharded.export(folder)
