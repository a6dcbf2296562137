"""The smallest tokenizer: an id is a byte of the text's UTF-8, and two more ids mark begin and end.

>>> ByteTokenizer().encode("né", bos=True)
[256, 110, 195, 169]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


class ByteTokenizer:
    FILE = "tokenizer.json"

    vocab_size, bos_id, eos_id, dummy_prefix = 258, 256, 257, False

    def encode(self, text: str, bos: bool = False, eos: bool = False) -> list[int]:
        return [self.bos_id] * bos + list(text.encode()) + [self.eos_id] * eos

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(map(self.token_bytes, ids)).decode(errors="replace")

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise ValueError(f"token {token} is not one of the {self.vocab_size} ids of a byte tokenizer")
        return bytes([token]) if token < 256 else b""

    def save(self, folder: Path) -> None:
        (Path(folder) / self.FILE).write_text(json.dumps({"kind": "bytes"}) + "\n")

    @classmethod
    def load(cls, folder: Path) -> ByteTokenizer:
        return cls()
