"""``llamalite exercises``: which there are, and how far you have come."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Exercises:
    """List the exercises of the book, with what you have solved.

    Solve them in the chapters, where `check("rope.1", your_function)` says what is right or wrong. What you
    have tried is kept in ~/.llamalite/exercises.json (or where LLAMALITE_PROGRESS says), and never leaves it.

    For example:
      llamalite exercises
      llamalite exercises rope
    """

    chapter: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[CHAPTER]")] = ""
    """Name of a chapter, without its number; without it, all."""


def run(args: Exercises) -> None:
    print("\n".join(listing(args.chapter)))


def listing(chapter: str = "") -> Iterator[str]:
    """A line an exercise: [+] solved, [x] tried, [ ] open."""
    from llamalite.exercises.engine import chapters, exercises_of
    from llamalite.exercises.progress import UNTRIED, place, recorded

    stems = chapters()
    if chapter and chapter not in stems:
        near = difflib.get_close_matches(chapter, stems, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(stems)}"
        raise ValueError(f"there is no chapter {chapter!r} with exercises; {hint}")
    known, solved, total = recorded(), 0, 0
    for stem in [chapter] if chapter else stems:
        for name, exercise in exercises_of(stem).items():
            mine = known.get(name, UNTRIED)
            mark = "+" if mine["solved"] else "x" if mine["tries"] else " "
            solved, total = solved + (mark == "+"), total + 1
            yield f"[{mark}] {name:20} {exercise.title}{told(mine)}"
    yield f"{solved} of {total} solved" + (
        "" if place() else "; nothing is kept, as LLAMALITE_PROGRESS is empty"
    )


def told(mine: dict) -> str:
    """
    >>> told({"tries": 3, "solved": "2026-11-27"}), told({"tries": 1, "solved": None})
    (' (solved 2026-11-27, 3 tries)', ' (1 try)')
    """
    tries = f"{mine['tries']} {'try' if mine['tries'] == 1 else 'tries'}"
    if mine["solved"]:
        return f" (solved {mine['solved']}, {tries})"
    return f" ({tries})" if mine["tries"] else ""
