"""From files to documents: JSON lines, plain text with blank lines between, or folders of both.

What cannot be read is a record, too, with no text: a crawl is never so clean that one line should end
the work. Left out: compressed files, WARC, HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ENDINGS = (".jsonl", ".ndjson", ".txt")


class Record(NamedTuple):
    """A document as it was found; ``text`` is None where a line was no document."""

    text: str | None
    claimed: str = ""  # the language that its page claims, if it claims one


def find_files(source: Path) -> list[Path]:
    """The file, or all files of a folder whose names end in a way we can read, in order of their names."""
    if source.is_dir():
        found = sorted(path for path in source.rglob("*") if path.is_file() and path.suffix in ENDINGS)
        if not found:
            raise FileNotFoundError(
                f"{source} holds no file that ends in {', '.join(ENDINGS)}; give one that does"
            )
        return found
    if not source.is_file():
        raise FileNotFoundError(f"there is no {source}; give a file or folder of {', '.join(ENDINGS)}")
    if source.suffix not in ENDINGS:
        raise ValueError(f"{source} ends in none of {', '.join(ENDINGS)}; rename it to say what it is")
    return [source]


def read_records(paths: Iterable[Path]) -> Iterator[Record]:
    """Every document of all files, one after the other, in the memory of one."""
    return chain.from_iterable(map(read_file, paths))


def read_file(path: Path) -> Iterator[Record]:
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        yield from paragraphs(lines) if path.suffix == ".txt" else map(from_json, filter(str.strip, lines))


def from_json(line: str) -> Record:
    """
    >>> from_json('{"text": "hello", "claimed": "en"}'), from_json("[1"), from_json('{"text": 1}')
    (Record(text='hello', claimed='en'), Record(text=None, claimed=''), Record(text=None, claimed=''))
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return Record(None)
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return Record(None)
    claimed = row.get("claimed")
    return Record(row["text"], claimed if isinstance(claimed, str) else "")


def paragraphs(lines: Iterable[str]) -> Iterator[Record]:
    """
    >>> [record.text for record in paragraphs(["a\\n", "b\\n", "\\n", "\\n", "c"])]
    ['a\\nb', 'c']
    """
    held: list[str] = []
    for line in lines:
        if line.strip():
            held.append(line.rstrip("\r\n"))
        elif held:
            yield Record("\n".join(held))
            held = []
    if held:
        yield Record("\n".join(held))
