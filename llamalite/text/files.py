"""Writing files so that they are there, and whole, whenever the power fails."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any


def fingerprint(content: bytes) -> dict[str, Any]:
    """What tells a file from every other: its length and its sha256."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_durably(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in ``folder`` durable (POSIX; elsewhere the system does it)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """All or nothing: whoever looks finds the old file or the new one."""
    fresh = path.with_name(path.name + ".partial")
    try:
        write_durably(fresh, content)
        fresh.replace(path)
    except BaseException:  # a full disk gets its room back
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
