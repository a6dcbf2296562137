"""From any folder of weights to a model in memory, or to a folder in another format. One weight at a time."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama
from llamalite.in_torch.weights.folders import Weights, copy_companions, new_folder
from llamalite.in_torch.weights.hugging_face import is_hugging_face, open_hugging_face, write_hugging_face
from llamalite.in_torch.weights.meta import is_meta, open_meta, write_meta

FORMATS = ("meta", "hugging-face")


def open_weights(folder: str | Path) -> Weights:
    """Open a folder in Meta's or in Hugging Face's format, whichever it is; nothing is kept in memory yet.

    Raises FileNotFoundError where a file is missing, ValueError where one is damaged or they do not fit
    together.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if is_meta(folder):
        return open_meta(folder)
    if is_hugging_face(folder):
        return open_hugging_face(folder)
    raise FileNotFoundError(
        f"{folder} holds no weights: neither params.json and consolidated.00.pth (Meta), "
        "nor config.json and model.safetensors (Hugging Face)"
    )


def load_model(
    folder: str | Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> tuple[Llama, LlamaConfig]:
    """A published Llama, ready to be asked; ``dtype`` None keeps the numbers as they are stored.

    The model begins without any memory (``meta``), and each weight comes straight from its file.
    """
    weights = open_weights(folder)
    return fill(weights, device, dtype), weights.cfg


def fill(weights: Weights, device: torch.device | str, dtype: torch.dtype | None) -> Llama:
    with torch.device("meta"):
        model = Llama(weights.cfg)
    for name in weights.cfg.param_shapes():  # strict=False: one of the names at a time, all checked before
        model.load_state_dict({name: weights.read(name).to(device, dtype)}, strict=False, assign=True)
    return model.eval()


def convert(
    source: Weights,
    out: str | Path,
    to: str,
    *,
    shards: int = 1,
    dtype: torch.dtype | None = None,
    companions: Path | None = None,
    quiet: bool = True,
) -> None:
    """Write ``source`` as a new folder; tokenizer files are copied from the folder ``companions``.

    ``shards`` is for Meta's format. Without ``dtype`` every bit stays what it was.
    """
    if to not in FORMATS:
        raise ValueError(f"there is no format {to!r}; choose {' or '.join(FORMATS)}")
    if shards < 1 or (shards > 1 and to != "meta"):
        raise ValueError(f"{shards} shards: only Meta's format is cut by heads, and into one part at least")

    def read(name: str) -> Tensor:
        found = source.read(name)
        return found if dtype is None else found.to(dtype)

    with new_folder(Path(out)) as folder:
        if to == "meta":
            write_meta(folder, source.cfg, read, shards, quiet)
        else:
            write_hugging_face(folder, source.cfg, read, quiet=quiet)
        if companions is not None:
            copy_companions(companions, folder)
