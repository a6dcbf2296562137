"""Meta's format: ``params.json`` and ``consolidated.00.pth``, …, one file for each GPU it was split over.

The 405B release in sixteen files seems to store each key/value head twice (facts C1). It is read as what its
files say: a model with twice the key/value heads, each pair alike, of the same logits and twice the cache.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.weights.configs import OLD_THETA, from_params, to_params
from llamalite.in_torch.weights.folders import Weights, check_names, check_shape, read_object
from llamalite.in_torch.weights.names import meta_names

PARAMS, FILES = "params.json", "consolidated.*.pth"
Shard = dict[str, Tensor]

# Along which axis the files continue each other (facts C1); what is not here is whole in every file.
AXES = {"wq": 0, "wk": 0, "wv": 0, "wo": 1, "w1": 0, "w2": 1, "w3": 0, "output": 0}
EMBEDDING = "tok_embeddings.weight"

# How many files each was published in (facts C1); the 405B also in 16.
PUBLISHED_FILES = {
    "llama1-7b": 1, "llama1-13b": 2, "llama1-33b": 4, "llama1-65b": 8,
    "llama2-7b": 1, "llama2-13b": 2, "llama2-70b": 8,
    "llama3-8b": 1, "llama3-70b": 8,
    "llama3.1-8b": 1, "llama3.1-70b": 8, "llama3.1-405b": 8,
    "llama3.2-1b": 1, "llama3.2-3b": 1,
}  # fmt: skip


def is_meta(folder: Path) -> bool:
    return (folder / PARAMS).is_file() or any(folder.glob(FILES))


# --- reading -------------------------------------------------------------------------------------------


def open_meta(folder: Path) -> Weights:
    """Look at all files and keep nothing: names, shapes, and whether they are one Llama.

    What every file should hold alike is compared, and the head with the embedding: a model is tied if they
    are the same.
    """
    path = folder / PARAMS
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has weights but no {PARAMS}; it came with them, so fetch it too")
    params = read_object(path)
    files = sorted(folder.glob(FILES))
    expected = [folder / f"consolidated.{i:02}.pth" for i in range(max(len(files), 1))]
    if files != expected:
        missing = next(file for file in expected if file not in files)
        raise FileNotFoundError(f"{missing} is missing; the files of a checkpoint only make sense together")
    shards = [open_shard(file) for file in files]
    for file, shard in zip(files, shards, strict=True):
        if EMBEDDING not in shard:
            raise ValueError(f"{file} holds no {EMBEDDING!r}; is it one of Meta's?")
    head = [shard["output.weight"] for shard in shards if "output.weight" in shard]
    vocab_size = sum(part.shape[0] for part in head) if head else shards[0][EMBEDDING].shape[0]
    cfg = from_params(params, path, vocab_size, tied=False)
    axis = check_shards(cfg, files, shards, bool(head))
    read = partial(merged, shards, meta_names(cfg), axis)
    if not head or torch.equal(read(EMBEDDING), read("output.weight")):
        cfg = cfg.with_(tied=True)
    return Weights(cfg, "meta", read)


def open_shard(file: Path) -> Shard:
    """The tensors of one file, their numbers still on disk; nothing in it can run code."""
    try:
        with zipfile.ZipFile(file) as archive:  # its checksum covers names and shapes, which torch trusts
            for name in archive.namelist():
                if name.endswith(("/data.pkl", "/byteorder", "/version")):
                    archive.read(name)
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{file} holds more than weights, or is damaged; take it from its first source"
        ) from error
    except Exception as error:  # torch and zipfile raise a dozen kinds for what is always the same
        raise ValueError(
            f"{file} is damaged or no PyTorch file ({type(error).__name__}); fetch it again"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"{file} holds something else than named tensors; is it one of Meta's?")
    for name, tensor in found.items():
        if not tensor.is_floating_point():
            raise ValueError(
                f"{file}: {name} has dtype {tensor.dtype}; numbers that were packed are not read here"
            )
    return found


def is_ignored(name: str) -> bool:
    """Tables that Llama 1 and 2 stored beside the weights, and everybody computes anew."""
    return name.endswith("rope.freqs")


def shard_axis(name: str, embedding_axis: int) -> int | None:
    return embedding_axis if name == EMBEDDING else AXES.get(name.split(".")[-2])


def check_shards(cfg: LlamaConfig, files: list[Path], shards: list[Shard], has_head: bool) -> int:
    """Refuse files that are no parts of one such Llama; return along which axis the embedding is split."""
    shapes = {theirs: cfg.param_shapes()[ours] for ours, theirs in meta_names(cfg).items()}
    if not has_head:
        del shapes["output.weight"]
    # Llama 1 and 2 split the width, Llama 3 the vocabulary.
    axis = 1 if shards[0][EMBEDDING].shape[0] == cfg.vocab_size else 0
    for file, shard in zip(files, shards, strict=True):
        check_names(set(shard), set(shapes), is_ignored, file)
        for name, shape in shapes.items():
            check_shape(
                name, shard[name].shape, part_of(shape, shard_axis(name, axis), len(shards), name), file
            )
            whole = shard_axis(name, axis) is None
            if whole and not torch.equal(shard[name], shards[0][name]):
                raise ValueError(
                    f"{file}: {name} is not the one of {files[0]}; the files are of different models"
                )
    return axis


def part_of(shape: tuple[int, ...], axis: int | None, n: int, name: str) -> tuple[int, ...]:
    """The shape of one of ``n`` equal parts along ``axis``."""
    if axis is None:
        return shape
    if shape[axis] % n:
        raise ValueError(f"{name} of shape {shape} does not fall into {n} equal parts; choose fewer files")
    return tuple(size // n if i == axis else size for i, size in enumerate(shape))


def merged(shards: list[Shard], names: dict[str, str], embedding_axis: int, ours: str) -> Tensor:
    name = names[ours]
    axis = shard_axis(name, embedding_axis)
    if axis is None or len(shards) == 1:
        return shards[0][name]
    return torch.cat([shard[name] for shard in shards], dim=axis)


# --- writing -------------------------------------------------------------------------------------------


def write_meta(
    out: Path, cfg: LlamaConfig, read: Callable[[str], Tensor], shards: int = 1, quiet: bool = True
) -> None:
    """One file after the other; each takes the memory of its own part."""
    if cfg.n_kv_heads % shards:
        raise ValueError(
            f"{shards} files need {shards} equal groups of key/value heads, and there are {cfg.n_kv_heads}; "
            f"choose one of {[n for n in range(1, cfg.n_kv_heads + 1) if cfg.n_kv_heads % n == 0]}"
        )
    for i in range(shards):
        parts = split_weights(cfg, read, shards, i)
        bar = tqdm(parts, f"file {i + 1} of {shards}", len(meta_names(cfg)), unit="tensor", disable=quiet)
        torch.save(dict(bar), out / f"consolidated.{i:02}.pth")
    (out / PARAMS).write_text(json.dumps(to_params(cfg), indent=2) + "\n", encoding="utf-8")


def split_weights(
    cfg: LlamaConfig, read: Callable[[str], Tensor], shards: int, i: int
) -> Iterator[tuple[str, Tensor]]:
    embedding_axis = 1 if cfg.rope_theta == OLD_THETA else 0
    for ours, theirs in meta_names(cfg).items():
        whole = read(EMBEDDING if cfg.tied and ours == "output.weight" else ours)
        axis = shard_axis(theirs, embedding_axis)
        size = part_of(tuple(whole.shape), axis, shards, theirs)
        # A copy: a part of a larger tensor would be saved with all of it.
        yield (
            theirs,
            whole.clone() if axis is None else whole.narrow(axis, i * size[axis], size[axis]).clone(),
        )
