"""Llama 1 and 2's kind of tokenizer: SentencePiece BPE, trained on the text at hand.

This wraps Google's ``sentencepiece`` library with the options read from Llama 2's own file (facts
D1). What it leaves out: the algorithm. It is written out, step by step, in a chapter of its own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

# Facts D1. Ids: unk 0, bos 1, eos 2, 256 bytes, merged pieces in the order of merging, characters.
LLAMA_OPTIONS = {
    "model_type": "bpe",
    "normalization_rule_name": "identity",
    "add_dummy_prefix": True,
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "split_digits": True,
    "byte_fallback": True,
    "character_coverage": 0.99995,
    "max_sentencepiece_length": 16,
    "unk_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "pad_id": -1,
}
SILENT = 2  # log errors only


class PieceTokenizer:
    FILE = "tokenizer.model"

    dummy_prefix = True

    def __init__(self, model: bytes):
        """``model`` is the content of a ``.model`` file."""
        self.model = model
        self.pieces = SentencePieceProcessor(model_proto=model)
        self.vocab_size = self.pieces.vocab_size()
        self.bos_id, self.eos_id = self.pieces.bos_id(), self.pieces.eos_id()

    @classmethod
    def train(cls, text: str, vocab_size: int) -> PieceTokenizer:
        """Learn ``vocab_size`` pieces from ``text``. No piece crosses a line: newline stays a byte."""
        lines = [line for line in text.split("\n") if line]
        if not lines:
            raise ValueError(
                "tokenizer: the text has no words to learn from; give one with some, or use bytes"
            )
        longest = max(len(line.encode()) for line in lines)  # the library would skip longer ones silently
        out = io.BytesIO()
        try:
            SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=out,
                vocab_size=vocab_size,
                max_sentence_length=longest + 1,
                minloglevel=SILENT,
                **LLAMA_OPTIONS,
            )
        except RuntimeError as error:
            raise ValueError(explain(str(error), vocab_size)) from error
        return cls(out.getvalue())

    def encode(self, text: str, bos: bool = False, eos: bool = False) -> list[int]:
        return [self.bos_id] * bos + self.pieces.encode(text) + [self.eos_id] * eos

    def decode(self, ids: Sequence[int]) -> str:
        return self.pieces.decode(list(ids))

    def token_bytes(self, token: int) -> bytes:
        piece = self.pieces.id_to_piece(token)
        if self.pieces.is_byte(token):
            return bytes([int(piece[3:5], 16)])  # "<0x0A>"
        if self.pieces.is_control(token):
            return b""
        return " ⁇ ".encode() if self.pieces.is_unknown(token) else piece.replace("▁", " ").encode()

    def save(self, folder: Path) -> None:
        (Path(folder) / self.FILE).write_bytes(self.model)

    @classmethod
    def load(cls, folder: Path) -> PieceTokenizer:
        path = Path(folder) / cls.FILE
        try:
            return cls(path.read_bytes())
        except RuntimeError as error:
            raise ValueError(
                f"{path} is not a SentencePiece model, or is damaged; restore it from a copy"
            ) from error


def explain(error: str, vocab_size: int) -> str:
    """The library's complaint about a vocabulary size, as a sentence with the way out.

    >>> explain("... Vocabulary size too high (900). Please set it to a value <= 305.", 900)
    'tokenizer: the text is too small for 900 pieces; ask for at most 305, or use bytes'
    """
    if most := re.search(r"value <= (\d+)", error):
        return (
            f"tokenizer: the text is too small for {vocab_size} pieces; "
            f"ask for at most {most[1]}, or use bytes"
        )
    if least := re.search(r"required_chars\.? \d+ vs (\d+)|smaller than required_chars.*?(\d+)\D*$", error):
        needed = next(filter(None, least.groups()))
        return (
            f"tokenizer: {vocab_size} pieces cannot hold every byte and character; ask for at least {needed}"
        )
    return f"tokenizer: sentencepiece could not learn {vocab_size} pieces from this text: {error}"
