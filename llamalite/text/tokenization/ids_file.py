"""Ids in a file: a NumPy array of as few bytes a token as the vocabulary allows, written as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

BLOCK = 1 << 16  # ids that are read at a time


def id_type(vocab_size: int) -> np.dtype:
    """
    >>> id_type(32_000).name, id_type(128_256).name
    ('uint16', 'uint32')
    """
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def write_ids(path: Path, parts: Iterable[list[int]], vocab_size: int) -> int:
    """Write a ``.npy`` file, part by part; returns how many ids there are. What fails leaves no file."""
    path, kind, n_ids = Path(path), id_type(vocab_size), 0
    fresh = path.with_name(path.name + ".partial")
    try:
        with open(fresh, "wb") as file:
            write_header(file, kind, 0)
            for part in parts:
                file.write(np.array(part, kind).tobytes())
                n_ids += len(part)
            file.seek(0)
            write_header(file, kind, n_ids)  # NumPy leaves room in it for any number
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return n_ids


def write_header(file: BinaryIO, kind: np.dtype, n_ids: int) -> None:
    what: dict[str, Any] = {"descr": kind.str, "fortran_order": False, "shape": (n_ids,)}
    np.lib.format.write_array_header_1_0(file, what)


def map_ids(path: Path) -> np.ndarray:
    """The ids in a ``.npy`` file, which stay there until they are looked at: it may be larger than memory.

    Pages are shared with the file until somebody writes to the array; the file itself never changes.
    """
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError(f"{path} is no NumPy file (.npy); ids are in what --out of encode has made")
    try:
        ids = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}); encode its text again") from error
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(f"{path} holds no ids, which are one row of whole numbers; it is {ids.dtype.name}")
    return ids


def read_ids(path: Path) -> Iterator[int]:
    """The ids in a ``.npy`` file, one after the other."""
    ids = map_ids(path)
    for begin in range(0, len(ids), BLOCK):
        yield from ids[begin : begin + BLOCK].tolist()
