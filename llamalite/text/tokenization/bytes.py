"""The smallest tokenizer: an id is a byte of the text's UTF-8, and two more ids mark begin and end.

>>> ByteTokenizer().encode("né", bos=True)
[256, 110, 195, 169]
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from llamalite.text.tokenization.specials import decode_parts, encode_parts


class ByteTokenizer:
    FILE = "tokenizer.json"

    vocab_size, bos_id, eos_id = 258, 256, 257
    dummy_prefix, decode_errors = False, "replace"

    def __init__(self) -> None:
        self.special_ids = {"<s>": self.bos_id, "</s>": self.eos_id}

    def encode(
        self, text: str, bos: bool = False, eos: bool = False, allowed_special: Collection[str] = ()
    ) -> list[int]:
        ids = encode_parts(text, self.special_ids, allowed_special, lambda part: list(part.encode()))
        return [self.bos_id] * bos + ids + [self.eos_id] * eos

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(decode_parts(map(self.token_bytes, ids), self.decode_errors))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise ValueError(f"token {token} is not one of the {self.vocab_size} ids of a byte tokenizer")
        return bytes([token]) if token < 256 else b""

    def save(self, folder: Path) -> None:
        (Path(folder) / self.FILE).write_text(json.dumps({"kind": "bytes"}) + "\n")
