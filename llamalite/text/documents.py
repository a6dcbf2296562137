"""What was downloaded → a text to train on: whole documents, a blank line after each.

Downloads mark the end of a document in ways of their own (a line ``<|endoftext|>``, a row of a
table), which a model would otherwise learn as if it were writing.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def split_lines(lines: Iterable[str], separator: str) -> Iterator[str]:
    """
    >>> list(split_lines(["One.\\n", "<|endoftext|>\\n", "\\n", "Two.\\n", "Three.\\n"], "<|endoftext|>"))
    ['One.', 'Two.\\nThree.']
    """
    document: list[str] = []
    for line in lines:
        if line.strip() == separator:
            yield "".join(document).strip()
            document = []
        else:
            document.append(line)
    if document:
        yield "".join(document).strip()


def read_separated(path: Path, separator: str) -> Iterator[str]:
    # A stray byte in two gigabytes of somebody's text is no reason to refuse all of it.
    with open(path, encoding="utf-8", errors="replace") as lines:
        yield from split_lines(lines, separator)


def read_parquet(path: Path, column: str = "text") -> Iterator[str]:
    """Row by row, in the memory of one batch. The rows could also be had as JSON from a web service, but
    a hundred at a time, at its pace, and with no checksum to hold them against."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=1000, columns=[column]):
            for document in batch.column(0).to_pylist():
                yield (document or "").strip()


def require_parquet(name: str) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise ValueError(
            f"{name} comes as a Parquet table, which pyarrow reads, and that is not installed; "
            f"run: pip install pyarrow, then the same command again"
        )


def write_documents(documents: Iterable[str], target: Path, size: int | None = None) -> int:
    """Write as many documents as fit into ``size`` bytes, at least one; return the bytes written.

    ``target`` is there only when all of it is.
    """
    partial, written = target.with_name(target.name + ".partial"), 0
    try:
        with open(partial, "wb") as file:
            for document in filter(str.strip, documents):
                raw = document.encode() + b"\n\n"
                if size is not None and written and written + len(raw) > size:
                    break
                written += file.write(raw)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return written
