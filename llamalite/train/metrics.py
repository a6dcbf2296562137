"""``metrics.jsonl``: one JSON object a line, one line a step; any tool can plot it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType


class MetricsLog:
    """Append lines from step ``after`` on. Later lines of an earlier attempt are dropped first."""

    speaks = True

    def __init__(self, path: Path, after: int = 0):
        drop_later(path, after)
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__

    def write(self, **values: float | int | None) -> None:
        """``None`` stays out of the line."""
        line = {name: value for name, value in values.items() if value is not None}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()


class Silence:
    """The log of a process that leaves the writing to another."""

    speaks = False

    def write(self, **values: float | int | None) -> None:
        pass

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def read_metrics(path: Path) -> list[dict]:
    """All whole lines; one cut off by a crash is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def drop_later(path: Path, after: int) -> None:
    rows = [row for row in read_metrics(path) if row["step"] <= after]
    fresh = path.with_suffix(".partial")
    fresh.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    os.replace(fresh, path)
