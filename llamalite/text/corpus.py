"""The one door from files to strings: a user's UTF-8 file, a corpus of ours, or a text that ships."""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path

MANIFEST = "manifest.json"  # in a folder of files that are one text, such as `llamalite data tales` makes
UNFINISHED = "unfinished.json"  # stands there instead while such a folder is being made
VALIDATION = "-validation"  # tales-en-validation.txt is what to hold out when training on tales-en
AGAIN = "give the command that made the corpus once more, and it is made again"


def data_folder(package: Path) -> Path:
    """``data/``: inside the package where it is installed, beside it in a clone.

    Its README.md tells it from a folder of somebody else that happens to be called data.
    """
    return next(
        (d for d in (package / "data", package.parent / "data") if (d / "README.md").is_file()), package
    )


DATA = data_folder(Path(__file__).parents[1])


def shipped_texts() -> dict[str, Path]:
    """Name → file of every text that comes with llamalite to train on."""
    return {path.stem: path for path in sorted(DATA.glob("*.txt")) if not path.stem.endswith(VALIDATION)}


def read_text(source: str | Path) -> str:
    """The text of a UTF-8 file, of a corpus, or of a shipped text by its name (``tales-en``)."""
    path = find_text(source)
    raw = b"".join(read_shards(path)) if path.is_dir() else path.read_bytes()
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


def read_parts(source: str | Path) -> tuple[str, str]:
    """(text to train on, text held out). Shipped texts bring their own; of others it is the last tenth."""
    path = find_text(source)
    held_out = path.with_name(path.stem + VALIDATION + path.suffix)
    if path.resolve().parent == DATA.resolve() and held_out.is_file():
        return read_text(path), read_text(held_out)
    return split(read_text(path))


def read_shards(folder: Path) -> list[bytes]:
    """The files of a corpus, each held against the manifest."""
    contents = []
    for name, sha256 in listed(folder / MANIFEST):
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; {AGAIN}")
        contents.append(path.read_bytes())
        if hashlib.sha256(contents[-1]).hexdigest() != sha256:
            raise ValueError(f"{path} has changed since it was made ({len(contents[-1])} bytes now); {AGAIN}")
    return contents


def listed(manifest: Path) -> list[tuple[str, str]]:
    """Name and sha256 of each file; names lead to files of this folder only."""
    try:
        shards = json.loads(manifest.read_bytes())["shards"]
        return [(Path(shard["name"]).name, shard["sha256"]) for shard in shards]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} lists no files of a corpus; give a text file, or {names()}") from error


def find_text(source: str | Path) -> Path:
    """The file or corpus meant by ``source``; both win over a shipped text of the same name."""
    path = Path(source)
    if path.is_file() or (path / MANIFEST).is_file():
        return path
    if (path / UNFINISHED).is_file():
        raise FileNotFoundError(f"{path} is an unfinished corpus; finish it with the command that began it")
    shipped, found = shipped_texts(), DATA / f"{source}.txt"
    if str(source).removesuffix(VALIDATION) in shipped and found.is_file():
        return found
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give one text file in it, or one of {names()}")
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
