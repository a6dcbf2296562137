"""Llama 1 and 2's tokenizer: SentencePiece BPE with byte fallback (facts D1).

What differs from byte pairs: the symbols that are merged are characters, a space is one of them (▁), a
vocabulary of pieces takes the place of a list of merges, and only a character that no piece has becomes
bytes. What it leaves out: other normalisations and kinds of model that SentencePiece has; the reader
refuses their files.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from llamalite.text.tokenization.merging import merge_symbols
from llamalite.text.tokenization.piece_file import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Model,
    read_model,
    write_model,
)
from llamalite.text.tokenization.specials import SpecialsApart

SPACE = "▁"  # U+2581, not an underscore
EACH_BYTE = "llamalite.each_byte"


def each_byte(error: UnicodeError) -> tuple[str, int]:
    """What is wrong in a run of bytes: as many U+FFFD as there are bytes, where Python gives one for all."""
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


class PieceTokenizer(SpecialsApart):
    FILE = "tokenizer.model"

    decode_errors = EACH_BYTE

    def __init__(self, model: bytes | Model):
        """``model``: the content of a ``.model`` file, or what ``piece_file.read_model`` makes of it."""
        self.model = write_model(model) if isinstance(model, Model) else model
        self.pieces, self.dummy_prefix = read_model(self.model)
        self.vocab_size = len(self.pieces)
        self.special_ids = self.of_kind(CONTROL)
        self.bos_id, self.eos_id = (self.special_ids.get(mark, -1) for mark in ("<s>", "</s>"))
        self.unk_ids = set(self.of_kind(UNKNOWN).values())
        self.byte_ids = [i for _, i in sorted(self.of_kind(BYTE).items())]
        normal, user = self.of_kind(NORMAL), self.of_kind(USER_DEFINED)
        self.ids = normal | user
        # The lower, the sooner. A single character has a score, too, but nothing is merged to make it.
        self.ranks = {text: -self.pieces[i].score for text, i in normal.items() if len(text) > 1}
        self.joints = {a + b for text in self.ranks for a, b in pairwise(text)}
        self.user_symbols = re.compile(
            "|".join(map(re.escape, sorted(user, key=len, reverse=True))) or "(?!)"
        )
        codecs.register_error(EACH_BYTE, each_byte)  # the same each time

    def of_kind(self, kind: int) -> dict[str, int]:
        """Text → id of the pieces of one kind."""
        return {piece.text: i for i, piece in enumerate(self.pieces) if piece.kind == kind}

    @classmethod
    def train(cls, text: str, vocab_size: int, user_symbols: Sequence[str] = ()) -> PieceTokenizer:
        """Learn ``vocab_size`` pieces from ``text``. No piece crosses a line: newline stays a byte."""
        from llamalite.text.tokenization.piece_training import train_pieces

        return cls(train_pieces(text, vocab_size, user_symbols))

    def encode_ordinary(self, text: str) -> list[int]:
        return self.encode_escaped(SPACE * self.dummy_prefix + text.replace(" ", SPACE))

    def encode_escaped(self, text: str) -> list[int]:
        """Ids of a text whose spaces are written as ▁ already, and to which nothing is added."""
        known: dict[str, list[int]] = {}  # the same words come again and again
        ids: list[int] = []
        for word in self.words(text):
            if word not in known:
                known[word] = self.encode_word(word)
            ids += known[word]
        return ids

    def words(self, text: str) -> Iterator[str]:
        """User symbols, and the stretches between them, cut wherever no piece could reach across.

        Merging never passes a place between two characters that are neighbours in no piece, so what
        lies on either side can be encoded alone; a place between a letter and ▁ is such a one.
        """
        begin = 0
        for symbol in self.user_symbols.finditer(text):
            yield from self.cut(text[begin : symbol.start()])
            yield symbol[0]
            begin = symbol.end()
        yield from self.cut(text[begin:])

    def cut(self, text: str) -> Iterator[str]:
        begin = 0
        for i, (a, b) in enumerate(pairwise(text), start=1):
            if a + b not in self.joints:
                yield text[begin:i]
                begin = i
        if text:
            yield text[begin:]

    def encode_word(self, word: str) -> list[int]:
        """Merge the word's characters, best score first; a character that no piece has becomes its bytes."""
        if self.user_symbols.fullmatch(word):
            return [self.ids[word]]
        ids: list[int] = []
        for symbol in merge_symbols(word, self.ranks.get):
            if symbol in self.ids:
                ids.append(self.ids[symbol])
            else:
                ids += [self.byte_ids[byte] for byte in symbol.encode()]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; a run of byte pieces is read as UTF-8.

        The dummy prefix is taken off: the ▁ of the first piece that is text. A space that comes as a byte
        is somebody's own, and stays.
        """
        text = super().decode(ids)
        first = next((piece for piece in (self.pieces[i] for i in ids) if piece.kind != CONTROL), None)
        prefixed = first is not None and first.kind in (NORMAL, USER_DEFINED) and first.text[0] == SPACE
        return text[1:] if prefixed and self.dummy_prefix else text

    def token_bytes(self, token: int) -> bytes:
        self.check_token(token)
        text, _, kind = self.pieces[token]
        if kind == BYTE:
            return bytes([int(text[3:5], 16)])  # "<0x0A>"
        if kind == CONTROL:
            return b""
        return " ⁇ ".encode() if kind == UNKNOWN else text.replace(SPACE, " ").encode()

    def save(self, folder: Path) -> None:
        (Path(folder) / self.FILE).write_bytes(self.model)
