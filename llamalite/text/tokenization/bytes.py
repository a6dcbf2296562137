"""The smallest tokenizer: an id is a byte of the text's UTF-8, and two more ids mark begin and end.

>>> ByteTokenizer().encode("né", bos=True)
[256, 110, 195, 169]
"""

from __future__ import annotations

import json
from pathlib import Path

from llamalite.text.tokenization.specials import SpecialsApart


class ByteTokenizer(SpecialsApart):
    FILE = "tokenizer.json"

    vocab_size, bos_id, eos_id = 258, 256, 257
    dummy_prefix, decode_errors = False, "replace"

    def __init__(self) -> None:
        self.special_ids = {"<s>": self.bos_id, "</s>": self.eos_id}

    def encode_ordinary(self, text: str) -> list[int]:
        return list(text.encode())

    def token_bytes(self, token: int) -> bytes:
        self.check_token(token)
        return bytes([token]) if token < 256 else b""

    def save(self, folder: Path) -> None:
        (Path(folder) / self.FILE).write_text(json.dumps({"kind": "bytes"}) + "\n")
