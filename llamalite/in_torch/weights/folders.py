"""What all formats share: a folder that is read a weight at a time, and written whole or not at all."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from llamalite.config import LlamaConfig

# What stands beside weights and is copied along: tokenizers, and how to sample.
COMPANIONS = (
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
)


class Weights(NamedTuple):
    """A checkpoint that was opened and checked, and is not in memory yet.

    ``read(name)`` gives one weight, by our name and in our layout; a file's pages come into memory only
    when they are looked at.
    """

    cfg: LlamaConfig
    format: str  # "meta", "hugging-face" or "run"
    read: Callable[[str], Tensor]


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); fetch it again") from error
    if not isinstance(found, dict):
        raise ValueError(
            f"{path} holds a {type(found).__name__} where an object {{…}} belongs; fetch it again"
        )
    return found


def number(values: dict[str, Any], key: str, path: Path, kind: type = int, default: Any = None) -> Any:
    """``values[key]`` as an int or a float; the default where it is absent or null, if there is one."""
    value = values.get(key)
    if value is None:
        if default is None:
            raise ValueError(
                f"{path} does not say {key!r}; it belongs to every Llama, so fetch the file again"
            )
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_exactly(kind, value):
        raise ValueError(f"{path}: {key} is {value!r}, and should be a number; fetch the file again")
    return kind(value)


def is_exactly(kind: type, value: float) -> bool:
    return math.isfinite(value) and kind(value) == value


def build_config(path: Path, values: dict[str, Any]) -> LlamaConfig:
    """The config, where the file's numbers make a Llama at all."""
    try:
        return LlamaConfig(**values)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} describes no Llama: {error}") from error


def check_names(found: set[str], needed: set[str], ignored: Callable[[str], bool], where: Path) -> None:
    """Refuse a folder that lacks a weight or holds one that nobody asked for."""
    if missing := sorted(needed - found):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(
            f"{where} holds no {missing[0]!r}{more}; fetch its files again, or look at its config"
        )
    if extra := sorted(name for name in found - needed if not ignored(name)):
        more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
        raise ValueError(
            f"{where} holds {extra[0]!r}{more}, which no Llama of this config has; is it another model?"
        )


def check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...], where: Path) -> None:
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"{where}: {name} has shape {tuple(found)}, and by the config it should be {tuple(expected)}; "
            "these two files do not belong together"
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that appears as ``out`` when all is written, and never in part."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(
            f"{out} is there already and not empty; choose another name, nothing is overwritten"
        )
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def copy_companions(source: Path, target: Path, names: tuple[str, ...] = COMPANIONS) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
