"""What a learner has solved, kept in the learner's own folder between sessions.

``~/.llamalite/exercises.json``, or the file that LLAMALITE_PROGRESS names; an empty name keeps nothing, as
in tests. Only names, numbers of tries and a date are kept, never an answer.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from llamalite.text.files import write_whole

Known = dict[str, dict[str, Any]]  # name → {"tries": 3, "solved": "2026-11-27" or None}
UNTRIED = {"tries": 0, "solved": None}


def place() -> Path | None:
    """Where it is kept; None: nowhere."""
    named = os.environ.get("LLAMALITE_PROGRESS")
    if named is None:
        return Path.home() / ".llamalite" / "exercises.json"
    return Path(named) if named else None


def recorded() -> Known:
    """All that is known; nothing, where there is no file."""
    path = place()
    if path is None or not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {name: {"tries": int(one["tries"]), "solved": one["solved"]} for name, one in known.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to begin anew") from error


def record(name: str, solved: bool) -> str | None:
    """One more try; once solved stays solved. Returns a sentence if it could not be kept."""
    path = place()
    if path is None:
        return None
    try:
        known = recorded()
        before = known.get(name, UNTRIED)
        when = before["solved"] or (date.today().isoformat() if solved else None)
        known[name] = {"tries": before["tries"] + 1, "solved": when}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
    except (OSError, ValueError) as error:
        return f"(your progress was not kept: {error})"
    return None
