"""Hugging Face's format: ``config.json`` and safetensors, in one file or several with an index (facts C2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.rope import relayout
from llamalite.in_torch.weights.configs import from_hugging_face_config, to_hugging_face_config
from llamalite.in_torch.weights.folders import Weights, check_names, check_shape, read_object
from llamalite.in_torch.weights.names import hugging_face_names, rotated_heads

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
HEAD = "lm_head.weight"
FLOATS = ("F64", "F32", "F16", "BF16")
FILE_BYTES = 2_000_000_000  # the most that one file holds, and writing takes as much memory


def is_hugging_face(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (SINGLE, INDEX)) or (
        (folder / CONFIG).is_file() and "model_type" in read_object(folder / CONFIG)
    )


# --- reading -------------------------------------------------------------------------------------------


def open_hugging_face(folder: Path) -> Weights:
    """Look at all headers, read no weight: names, shapes, and whether they are one Llama."""
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{folder} has weights but no {CONFIG}; it came with them, so fetch it too")
    cfg = from_hugging_face_config(read_object(folder / CONFIG), folder / CONFIG)
    where = files_of(folder)
    names = hugging_face_names(cfg)
    check_names(set(where), set(names.values()), partial(is_ignored, cfg), folder)
    shapes = {theirs: cfg.param_shapes()[ours] for ours, theirs in names.items()}
    for file in sorted(set(where.values())):
        check_file(file, {name: shape for name, shape in shapes.items() if where[name] == file})
    return Weights(cfg, "hugging-face", partial(read_weight, cfg, names, where))


def files_of(folder: Path) -> dict[str, Path]:
    """Each tensor's file, by the index if there is one."""
    if not (folder / INDEX).is_file():
        if not (folder / SINGLE).is_file():
            raise FileNotFoundError(
                f"{folder} has no {SINGLE} and no {INDEX}; older .bin files are not read here"
            )
        return dict.fromkeys(names_in(folder / SINGLE), folder / SINGLE)
    found = read_object(folder / INDEX).get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ValueError(f"{folder / INDEX} has no table 'weight_map' of names and files; fetch it again")
    files = {name: folder / file for name, file in found.items()}
    for file in sorted(set(files.values())):
        if file.parent != folder or not file.is_file():
            raise FileNotFoundError(f"{file} is missing, and {INDEX} names it; fetch all files of the folder")
        if missing := sorted({name for name in files if files[name] == file} - names_in(file)):
            raise ValueError(f"{file} holds no {missing[0]!r}, and {INDEX} says it does; fetch both again")
    return files


def names_in(file: Path) -> set[str]:
    try:
        with safe_open(file, framework="pt") as tensors:
            return set(tensors.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{file} is damaged or no safetensors file ({error}); fetch it again") from error


def check_file(file: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    with safe_open(file, framework="pt") as tensors:
        for name, shape in shapes.items():
            stored = tensors.get_slice(name)
            check_shape(name, tuple(stored.get_shape()), shape, file)
            if stored.get_dtype() not in FLOATS:
                raise ValueError(
                    f"{file}: {name} has dtype {stored.get_dtype()}; packed numbers are not read here"
                )


def is_ignored(cfg: LlamaConfig, name: str) -> bool:
    """Tables that old files carry, and the head of a tied model, which is its embedding."""
    return name.endswith("rotary_emb.inv_freq") or (cfg.tied and name == HEAD)


def read_weight(cfg: LlamaConfig, names: dict[str, str], where: dict[str, Path], ours: str) -> Tensor:
    """One weight in our layout: rows of wq and wk go from halves to pairs."""
    name = names[ours]
    with safe_open(where[name], framework="pt") as tensors:
        found = tensors.get_tensor(name)
    heads = rotated_heads(ours, cfg)
    return found if heads is None else relayout(found, heads, source="half")


# --- writing -------------------------------------------------------------------------------------------


def write_hugging_face(
    out: Path,
    cfg: LlamaConfig,
    read: Callable[[str], Tensor],
    file_bytes: int = FILE_BYTES,
    quiet: bool = True,
) -> None:
    """One file after the other, each of ``file_bytes`` at most, and an index if there are several."""
    size = read("norm.weight").element_size()
    plan = planned_files(cfg, size, file_bytes)
    where = {}
    for i, names in enumerate(plan, start=1):
        file = SINGLE if len(plan) == 1 else f"model-{i:05}-of-{len(plan):05}.safetensors"
        bar = tqdm(names.items(), f"file {i} of {len(plan)}", unit="tensor", disable=quiet)
        tensors = {theirs: in_halves(cfg, ours, read(ours)) for ours, theirs in bar}
        save_file(tensors, out / file, metadata={"format": "pt"})
        where |= dict.fromkeys(tensors, file)
    if len(plan) > 1:
        index = {"metadata": {"total_size": cfg.n_params * size}, "weight_map": where}
        (out / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    dtype = str(read("norm.weight").dtype).removeprefix("torch.")
    config = json.dumps(to_hugging_face_config(cfg, dtype), indent=2)
    (out / CONFIG).write_text(config + "\n", encoding="utf-8")


def planned_files(cfg: LlamaConfig, size: int, file_bytes: int) -> list[dict[str, str]]:
    """Our names and theirs, in their order, file by file."""
    shapes, plan, full = cfg.param_shapes(), [{}], 0
    for ours, theirs in hugging_face_names(cfg).items():
        bytes_needed = torch.Size(shapes[ours]).numel() * size
        if plan[-1] and full + bytes_needed > file_bytes:
            plan.append({})
            full = 0
        plan[-1][ours] = theirs
        full += bytes_needed
    return plan


def in_halves(cfg: LlamaConfig, ours: str, weight: Tensor) -> Tensor:
    heads = rotated_heads(ours, cfg)
    return weight.contiguous() if heads is None else relayout(weight, heads, target="half").contiguous()
