"""A language of the tales: its words and phrasings, read from ``data/tales/<name>.txt``.

The file is made to be read and written by people; ``data/README.md`` explains it. What this module
leaves out: what a phrasing means, which is for ``grammar`` to say.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

from llamalite.tales.plot import STEPS
from llamalite.text.corpus import DATA

FOLDER = DATA / "tales"


@dataclass(frozen=True)
class Phrasing:
    weight: float
    template: str
    line: int  # of the file, for messages


@dataclass
class Language:
    """``words[section][key][form]`` is a string; ``phrasings[step]`` are the ways to tell it."""

    path: Path
    header: dict[str, str] = field(default_factory=dict)
    words: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    phrasings: dict[str, list[Phrasing]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # of each section's head, for messages

    @property
    def name(self) -> str:
        return self.path.stem

    def error(self, line: int, what: str) -> ValueError:
        return ValueError(f"{self.path.name}, line {line}: {what}")


def language_names(folder: Path = FOLDER) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.txt"))


def read_language(name: str, folder: Path = FOLDER) -> Language:
    """The language of that name; its words begin as those of the language named by ``words:``."""
    names = language_names(folder)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else "add one as a file of that name."
        raise ValueError(f"tales are not told in {name!r}; {hint} There are: {', '.join(names)}")
    language = Language(folder / f"{name}.txt")
    section, forms = "", []
    for number, raw in enumerate(language.path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section, *forms = cells(line[1:-1])
            if forms:
                language.words[section] = {}  # written again, it replaces what it began from
                language.lines[section] = number
        elif not section:
            read_header(language, line, number, folder)
        elif forms:
            read_word(language, section, forms, line, number)
        else:
            read_phrasing(language, section, line, number)
    return language


def cells(line: str) -> list[str]:
    """Cut at bars, except those in braces.

    >>> cells("baker | {panadera|panadero}")
    ['baker', '{panadera|panadero}']
    """
    return [cell.strip() for cell in re.split(r"\|(?![^{}]*\})", line)]


def read_header(language: Language, line: str, number: int, folder: Path) -> None:
    key, colon, value = (part.strip() for part in line.partition(":"))
    if not colon:
        raise language.error(number, f"{line!r} stands before the first [section]; write name: value")
    language.header[key] = value
    if key == "words":
        language.words |= read_language(value, folder).words
    if key == "plot" and value not in STEPS:
        raise language.error(number, f"there is no plot {value!r}; there are {', '.join(STEPS)}")


def read_word(language: Language, section: str, forms: list[str], line: str, number: int) -> None:
    key, *values = cells(line)
    if len(values) != len(forms):
        raise language.error(
            number, f"{key!r} has {len(values)} forms, [{section}] has {len(forms)}: {', '.join(forms)}"
        )
    if key in language.words[section]:
        raise language.error(number, f"{key!r} is in [{section}] twice")
    language.words[section][key] = dict(zip(forms, values, strict=True))


def read_phrasing(language: Language, step: str, line: str, number: int) -> None:
    """A weight, a bar, and the template, which may hold bars of its own."""
    steps = [known.name for known in STEPS[language.header["plot"]]]
    if step not in steps and not step.startswith(("ask ", "request")):
        raise language.error(
            number, f"[{step}] is no step of this plot ({', '.join(steps)}); for words write [{step} | word]"
        )
    weight, _, template = line.partition("|")
    try:
        phrasing = Phrasing(float(weight), template.strip().replace("\\n", "\n"), number)
    except ValueError:
        raise language.error(number, f"begin with a weight: 2 | {line}") from None
    if not (phrasing.weight > 0 and phrasing.template):
        raise language.error(number, "a phrasing needs a weight above 0 and a text")
    language.phrasings.setdefault(step, []).append(phrasing)
