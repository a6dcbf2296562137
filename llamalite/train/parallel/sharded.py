"""Checkpoints that every rank writes its part of, and that any other number of ranks can read.

    RUN/sharded/step_000200/   PyTorch's distributed checkpoint: a file a rank, and .metadata, written last

``export`` makes of one what a single process writes: ``RUN/checkpoints/step_000200`` in safetensors.
The ``.metadata`` of PyTorch's format is a pickle, which can hold code: pass on the exported folder, and
load sharded ones only if they are your own.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.fsdp import FSDPModule

from llamalite.train import checkpoint
from llamalite.train.interruption import RunFailed

Tensors = dict[str, Tensor]


def tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    """This rank's parts, under the names that they have in the whole: ``model/…``, ``optimizer/…``."""
    put_away(model)
    state = {f"model/{name}": p.detach() for name, p in model.named_parameters()}
    memory = checkpoint.optimizer_tensors(model, optimizer)
    return state | {f"optimizer/{name}": t for name, t in memory.items()}


def put_away(model: nn.Module) -> None:
    """Back to parts. A pipeline's stages keep their weights whole between passes, and after a validation no
    backward pass has put them away: ``parameters()`` would be tensors that the optimiser has never seen,
    and a checkpoint would silently hold no optimiser state."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def save(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """All ranks together; the last two checkpoints are kept."""
    target = folder_of(folder, step)
    try:
        dcp.save(tensors_of(model, optimizer), checkpoint_id=target)
    except CheckpointException as error:
        raise RunFailed(
            f"could not save step {step} in {target}: {first_line(error)}; make room, then --resume"
        ) from error
    if dist.get_rank() == 0:
        for old in complete(folder)[:-2]:
            shutil.rmtree(old)


def load(found: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Fill this rank's parts from a checkpoint of any number of ranks; return its step."""
    for p in model.parameters():  # AdamW makes its memory at the first step; here it is needed before
        step = torch.zeros((), dtype=torch.float32, device=p.device)
        optimizer.state[p] = {
            "step": step,
            "exp_avg": torch.zeros_like(p, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(p, requires_grad=False),
        }
    try:
        dcp.load(tensors_of(model, optimizer), checkpoint_id=found)
    except CheckpointException as error:
        raise RunFailed(
            f"{found} does not fit this model ({first_line(error)}); resume with the run's own settings"
        ) from error
    return step_of(found)


def read_whole(found: Path) -> Tensors:
    """Every tensor of a checkpoint, put together in this process; needs no model and no group."""
    described = dcp.FileSystemReader(found).read_metadata().state_dict_metadata
    whole = {name: torch.empty(d.size, dtype=d.properties.dtype) for name, d in described.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that one process is meant, is meant
        dcp.load(whole, checkpoint_id=found, no_dist=True)
    return whole


def export(folder: Path) -> Path | None:
    """The newest sharded checkpoint as ``checkpoints/step_…``, unless one as new is there already."""
    root, newest = folder / "checkpoints", latest(folder)
    if newest is None or step_of(newest) <= plain_step(folder):
        return None
    tensors: dict[str, Tensors] = {"model": {}, "optimizer": {}}
    for name, t in read_whole(newest).items():
        part, _, rest = name.partition("/")
        tensors[part][rest] = t
    exported = checkpoint.save(root, step_of(newest), tensors)
    checkpoint.prune(root, best_of="bits_per_byte")
    return exported


def adopt(folder: Path) -> None:
    """The opposite of ``export``: a run that one process began is made ready for many. One rank's work."""
    newest = checkpoint.latest(folder / "checkpoints")
    if newest is None or plain_step(folder) <= (step_of(found) if (found := latest(folder)) else -1):
        return
    saved = checkpoint.load(newest)
    whole = {f"{part}/{name}": t for part, group in saved.tensors.items() for name, t in group.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        dcp.save(whole, checkpoint_id=folder_of(folder, saved.step), no_dist=True)


def folder_of(folder: Path, step: int) -> Path:
    return folder / "sharded" / f"step_{step:06d}"


def complete(folder: Path) -> list[Path]:
    """Checkpoints that were written to their end, oldest first."""
    return [found for found in checkpoint.all_folders(folder / "sharded") if (found / ".metadata").is_file()]


def latest(folder: Path) -> Path | None:
    return next(reversed(complete(folder)), None)


def step_of(found: Path) -> int:
    return int(found.name.removeprefix("step_"))


def plain_step(folder: Path) -> int:
    newest = checkpoint.latest(folder / "checkpoints")
    return -1 if newest is None else step_of(newest)


def first_line(error: CheckpointException) -> str:
    """What went wrong on one of the ranks, without the tracebacks of all."""
    failures = [
        str(failure[0] if isinstance(failure, tuple) else failure) for failure in error.failures.values()
    ]
    return failures[0].splitlines()[0] if failures and failures[0] else "a rank gave no reason"
