"""What every tokenizer here can do, how to open one again, and how to print ids as they come."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Tokenizer(Protocol):
    """Text ↔ ids. Special tokens are ids, never text: ``encode("</s>")`` is what four characters are."""

    vocab_size: int
    bos_id: int
    eos_id: int
    dummy_prefix: bool  # encoding puts a space in front of the text, which decoding takes off again

    def encode(self, text: str, bos: bool = False, eos: bool = False) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def token_bytes(self, token: int) -> bytes:
        """The UTF-8 bytes one id stands for, perhaps only part of a character; b"" for bos and eos."""
        ...

    def save(self, folder: Path) -> None: ...


def load_tokenizer(folder: Path) -> Tokenizer:
    """Open the tokenizer that ``save(folder)`` wrote, whichever it was."""
    from llamalite.text.tokenization.bytes import ByteTokenizer
    from llamalite.text.tokenization.pieces import PieceTokenizer

    for kind in (PieceTokenizer, ByteTokenizer):
        if (Path(folder) / kind.FILE).is_file():
            return kind.load(folder)
    raise FileNotFoundError(
        f"{folder} holds no tokenizer ({PieceTokenizer.FILE} or {ByteTokenizer.FILE}); "
        f"is it the folder of a run?"
    )


def stream_text(tokenizer: Tokenizer, ids: Iterable[int], continues: bool = False) -> Iterator[str]:
    """Yield the text of ``ids`` as it becomes known, never half a character.

    A character may be spread over several byte tokens: it is held back until its last byte has
    come. ``continues`` says that the ids follow others, so that the first space is a real one.
    The parts join to ``decode(ids)``.
    """
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    at_start = tokenizer.dummy_prefix and not continues
    for token in ids:
        text = utf8.decode(tokenizer.token_bytes(token))
        if text and at_start:
            text, at_start = text.removeprefix(" "), False
        if text:
            yield text
    if rest := utf8.decode(b"", final=True):
        yield rest
