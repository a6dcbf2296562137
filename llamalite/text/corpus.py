"""The one door from files to strings: a user's UTF-8 file, or a text that ships in ``data/``."""

from __future__ import annotations

import difflib
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"


def shipped_texts() -> dict[str, Path]:
    """Name → file of every text that comes with llamalite."""
    return {path.stem: path for path in sorted(DATA.glob("*.txt"))}


def read_text(source: str | Path) -> str:
    """The text of a UTF-8 file, or of a shipped text by its name (``tales-en``)."""
    path = find_text(source)
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8: byte {raw[error.start]:#04x} at position {error.start} is out of place; "
            f"convert it, for example with: iconv -f LATIN1 -t UTF-8 {path.name} > new.txt"
        ) from error
    if not text.strip():
        raise ValueError(f"{path} is empty; give a file with some text in it, or one of {names()}")
    return text.replace("\r\n", "\n")


def find_text(source: str | Path) -> Path:
    """The file meant by ``source``; a file wins over a shipped text of the same name."""
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give one text file in it, or one of {names()}")
    shipped = shipped_texts()
    if str(source) in shipped:
        return shipped[str(source)]
    neighbours = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, [*shipped, *neighbours], n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "check the path, or take a shipped text."
    raise FileNotFoundError(f"there is no file {path}; {hint} Shipped texts: {names()}")


def names() -> str:
    return ", ".join(shipped_texts()) or "(none)"


def split(text: str, held_out: float = 0.1) -> tuple[str, str]:
    """(text to train on, text held out): about the last ``held_out`` of the characters stay unseen.

    The cut goes to the nearest end of a paragraph within 1% of the text, else of a line, else of
    a word, so that neither part begins in the middle of something. Joined, the parts are the text.

    >>> split("first\\n\\nsecond", held_out=0.5)
    ('first\\n\\n', 'second')
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is {held_out}; it must be a share between 0 and 1, such as 0.1")
    cut = round(len(text) * (1 - held_out))
    reach = 1 + len(text) // 100
    for boundary in ("\n\n", "\n", " "):
        here = range(max(cut - reach, 1), min(cut + reach + 1, len(text)))
        ends = [i for i in here if text.endswith(boundary, 0, i)]
        if ends:
            cut = min(ends, key=lambda end: abs(end - cut))
            break
    return text[:cut], text[cut:]
