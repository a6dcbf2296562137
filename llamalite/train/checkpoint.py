"""Checkpoints that survive a crash: safetensors and JSON, written beside, checked, then renamed.

    RUN/checkpoints/step_000200/model.safetensors, optimizer.safetensors, state.json

``state.json`` is written last and holds the size and sha256 of the other files. Nothing is ever
unpickled: a checkpoint from a stranger can hold wrong numbers, but no code.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn

from llamalite.text.files import fingerprint, sync_folder, write_durably
from llamalite.train.interruption import RunFailed

STATE = "state.json"


class Checkpoint(NamedTuple):
    step: int
    tensors: dict[str, dict[str, Tensor]]  # file stem → names → tensors, on the CPU
    info: dict[str, Any]


def save(root: Path, step: int, tensors: dict[str, dict[str, Tensor]], **info: Any) -> Path:
    """Write ``root/step_…`` so that it is either complete or absent, whenever the power fails."""
    folder = root / f"step_{step:06d}"
    if folder.exists():  # only after a resume that made no step: the same numbers are there
        return folder
    partial = folder.with_suffix(".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        files = {f"{stem}.safetensors": tensors_to_bytes(group) for stem, group in tensors.items()}
        for name, content in files.items():
            write_durably(partial / name, content)
        state = {"step": step, "info": info, "files": {name: fingerprint(raw) for name, raw in files.items()}}
        write_durably(partial / STATE, json.dumps(state, indent=2).encode())
        sync_folder(partial)
        partial.rename(folder)
        sync_folder(root)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunFailed(cannot_save(root, step, error)) from error
    return folder


def cannot_save(root: Path, step: int, error: OSError) -> str:
    reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
    kept = f"{all_folders(root)[-1].name} is intact" if all_folders(root) else "no earlier checkpoint exists"
    return f"could not save step {step} in {root}: {reason}; {kept}; make room, then continue with --resume"


def load(folder: Path, groups: Collection[str] | None = None) -> Checkpoint:
    """Read one checkpoint; every byte that is read is held against ``state.json``.

    ``groups`` names the files that are wanted, such as ``["model"]`` to use a model without training
    it on; the others are not opened. Without it, all of them.
    """
    state = read_state(folder)
    tensors = {
        Path(name).stem: read_tensors(folder, name, expected)
        for name, expected in state["files"].items()
        if groups is None or Path(name).stem in groups
    }
    return Checkpoint(state["step"], tensors, state["info"])


def read_tensors(folder: Path, name: str, expected: dict[str, Any]) -> dict[str, Tensor]:
    path = folder / name
    if not path.is_file():
        raise RunFailed(damaged(folder, f"{path} is missing"))
    content = path.read_bytes()
    if len(content) != expected["bytes"]:
        raise RunFailed(damaged(folder, f"{path} has {len(content)} bytes instead of {expected['bytes']}"))
    if fingerprint(content) != expected:
        raise RunFailed(damaged(folder, f"{path} has changed since it was written (its sha256 differs)"))
    try:
        return tensors_from_bytes(content)
    except SafetensorError as error:
        raise RunFailed(damaged(folder, f"{path} is no safetensors file ({error})")) from error


def read_state(folder: Path) -> dict[str, Any]:
    path = folder / STATE
    try:
        state = json.loads(path.read_bytes())
        _ = state["step"], state["files"], state["info"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFailed(
            damaged(folder, f"{path} is missing, cut off or not the JSON it should be")
        ) from error
    return state


def damaged(folder: Path, what: str) -> str:
    """One sentence: what is wrong with a checkpoint, and what to do about it."""
    others = [other.name for other in all_folders(folder.parent) if other != folder]
    way_out = f"fall back on {others[-1]}" if others else "start again from step 0 (it is the only one)"
    return f"damaged checkpoint: {what}; remove the folder {folder} to {way_out}"


def all_folders(root: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    found = [path for path in root.glob("step_*") if path.is_dir() and path.name[5:].isdigit()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def latest(root: Path) -> Path | None:
    return next(reversed(all_folders(root)), None)


def newest_before(root: Path, step: int) -> Path | None:
    """The last checkpoint that was written before ``step`` was made."""
    earlier = [folder for folder in all_folders(root) if int(folder.name[5:]) < step]
    return earlier[-1] if earlier else None


def prune(root: Path, keep_last: int = 2, best_of: str = "val_loss", before: int | None = None) -> None:
    """Remove all but the newest checkpoints, the one whose ``info[best_of]`` is lowest, and the last
    one from before step ``before``.

    A folder that cannot be read is left alone: it may be all that somebody has.
    """
    scores = {}
    for folder in all_folders(root):
        try:
            scores[folder] = read_state(folder)["info"].get(best_of)
        except RunFailed:
            continue
    known = {folder: score for folder, score in scores.items() if score is not None}
    keep = {*list(scores)[-keep_last:], *([min(known, key=known.__getitem__)] if known else [])}
    keep |= {newest_before(root, before)} if before is not None else set()
    for folder in scores:
        if folder not in keep:
            shutil.rmtree(folder)


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's memory under the parameters' names: ``wq.weight/exp_avg``, …"""
    state = optimizer.state
    return {f"{name}/{key}": t for name, p in model.named_parameters() for key, t in state.get(p, {}).items()}


def save_training(
    root: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    known: dict[str, Any],
    spike: int | None = None,
) -> None:
    """A model, its optimiser and what is ``known`` of them.

    Also keeps the last checkpoint from before ``spike``, the step at which the loss last jumped.
    """
    tensors = {"model": dict(model.state_dict()), "optimizer": optimizer_tensors(model, optimizer)}
    save(root, step, tensors, **known)
    prune(root, best_of="bits_per_byte", before=spike)


def load_training(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Fill model and optimiser from a checkpoint; return its step."""
    saved = load(folder)
    try:
        model.load_state_dict(saved.tensors["model"])
    except (KeyError, RuntimeError) as error:
        raise RunFailed(
            f"{folder} belongs to a model of another shape; resume with the run's own settings"
        ) from error
    fill_optimizer(model, optimizer, saved.tensors["optimizer"])
    return saved.step


def fill_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, memory: dict[str, Tensor]) -> None:
    """Give an optimiser back what ``optimizer_tensors`` had taken from it."""
    for name, p in model.named_parameters():
        mine = {key: t for key, t in memory.items() if key.rpartition("/")[0] == name}
        # AdamW(fused=True) keeps its step count beside the parameter.
        optimizer.state[p] = {key.rpartition("/")[2]: t.to(p.device, copy=True) for key, t in mine.items()}
