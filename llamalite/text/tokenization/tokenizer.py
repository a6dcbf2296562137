"""What every tokenizer here can do, how to open one again, and how to print ids as they come."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from llamalite.text.tokenization.specials import decode_parts


@runtime_checkable
class Tokenizer(Protocol):
    """Text ↔ ids. Special tokens are ids, never text: ``encode("</s>")`` is what four characters are.

    Who wants the id of a special string that stands in a text names it: ``allowed_special={"</s>"}``, or
    "all".
    """

    vocab_size: int
    bos_id: int
    eos_id: int
    special_ids: Mapping[str, int]
    dummy_prefix: bool  # encoding puts a space in front of the text, which decoding takes off again
    decode_errors: str  # what decoding does with bytes that are no UTF-8: an error handler of codecs

    def encode(
        self, text: str, bos: bool = False, eos: bool = False, allowed_special: Collection[str] = ()
    ) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def token_bytes(self, token: int) -> bytes:
        """The UTF-8 bytes one id stands for, perhaps only part of a character; b"" for a special token."""
        ...

    def save(self, folder: Path) -> None: ...


MODEL, NOTES = "tokenizer.model", "tokenizer.json"
LLAMA3_TOKENS = 128_000  # without the special ones


def load_tokenizer(path: str | Path, fast: bool = True) -> Tokenizer:
    """Open the tokenizer that ``save(folder)`` wrote, or a ``.model`` file of Meta's, whichever it is.

    ``fast``: let ``sentencepiece`` and ``tiktoken`` do the work, which give the same ids (``fast``).
    """
    path = Path(path)
    model, notes = (path / MODEL, path / NOTES) if path.is_dir() else (path, path.with_name(NOTES))
    if path.is_dir() and not model.is_file():
        if not notes.is_file():
            raise FileNotFoundError(
                f"{path} holds no tokenizer ({MODEL} or {NOTES}); is it the folder of a run?"
            )
        model = notes
    if not model.is_file():
        raise FileNotFoundError(
            f"there is no {model}; give the folder of a run or of a tokenizer, or a .model file"
        )
    try:
        found = open_notes(read_notes(notes)) if model == notes else open_model(model.read_bytes(), notes)
    except KeyError as error:
        raise ValueError(f"{model}: it says nothing of its {error}; restore it from a copy") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{model}: {error}") from error
    if not fast:
        return found
    from llamalite.text.tokenization.fast import fast as faster

    return faster(found)


def open_model(content: bytes, notes: Path) -> Tokenizer:
    """Which of the two families a file is of shows in its first line."""
    from llamalite.text.tokenization.pieces import PieceTokenizer
    from llamalite.text.tokenization.rank_file import read_ranks
    from llamalite.text.tokenization.ranked import RankedTokenizer

    if not re.match(rb"[A-Za-z0-9+/]+=* +\d+\s", content):
        return PieceTokenizer(content)
    # A file that ends too soon may end after a line; only a number from elsewhere tells.
    said = read_notes(notes) if notes.is_file() else {"n_tokens": LLAMA3_TOKENS}
    tokens = read_ranks(content)
    if (n_tokens := said.get("n_tokens", len(tokens))) != len(tokens):
        whose = f"{NOTES} says" if notes.is_file() else f"there is no {NOTES} beside it, and Llama 3's has"
        raise ValueError(f"it has {len(tokens):,} tokens, but {whose} {n_tokens:,}; is the file whole?")
    settings = {name: said[name] for name in ("pattern", "special_tokens") if name in said}
    return RankedTokenizer(tokens, **settings)


def open_notes(notes: Mapping[str, Any]) -> Tokenizer:
    from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
    from llamalite.text.tokenization.bytes import ByteTokenizer

    if notes.get("kind") == "byte pairs":
        return BytePairTokenizer([(int(left), int(right)) for left, right in notes["merges"]])
    if notes.get("kind") == "bytes":
        return ByteTokenizer()
    raise ValueError(f"a tokenizer of kind {notes.get('kind')!r} is not known here")


def read_notes(path: Path) -> dict[str, Any]:
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON ({error}); restore it from a copy") from error
    if not isinstance(notes, dict):
        raise ValueError(f"{path.name} does not describe a tokenizer")
    return notes


def stream_text(tokenizer: Tokenizer, ids: Iterable[int], continues: bool = False) -> Iterator[str]:
    """Yield the text of ``ids`` as it becomes known, never half a character.

    ``continues`` says that the ids follow others, so that the first space is a real one. The parts join
    to ``decode(ids)``.
    """
    return decode_parts(bytes_of(tokenizer, ids, continues), tokenizer.decode_errors)


def bytes_of(tokenizer: Tokenizer, ids: Iterable[int], continues: bool) -> Iterator[bytes]:
    """The bytes of each token, without the dummy prefix."""
    at_start = not continues
    for token in ids:
        piece = tokenizer.token_bytes(token)
        if at_start and piece:
            # Whether a first space is the dummy prefix, decoding knows.
            if tokenizer.dummy_prefix and piece[:1] == b" ":
                prefixed = tokenizer.decode([token]).encode() == piece[1:]
                piece = piece[prefixed:]
            at_start = False
            if not piece:
                continue
        yield piece
