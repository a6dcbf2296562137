"""Byte-pair encoding at its shortest: merge the most frequent pair of ids, again and again.

What it adds to ``bytes``: ids above 255 that stand for pairs of older ids. What it leaves out: words (a
merge may cross a space), speed (every merge counts the whole text anew), special strings.

The algorithm is P. Gage's (1994); it came to translation with Sennrich et al. (2016), "Neural machine
translation of rare words with subword units", and to bytes with GPT-2 (2019).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from llamalite.text.tokenization.specials import SpecialsApart

Pair = tuple[int, int]


def pairs(ids: Sequence[int]) -> Counter[Pair]:
    """How often each pair of neighbours comes.

    >>> dict(pairs([1, 2, 1, 2]))
    {(1, 2): 2, (2, 1): 1}
    """
    return Counter(pairwise(ids))


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace the pair by ``new`` wherever it stands, from left to right.

    >>> merge([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    merged, i = [], 0
    left, right = pair
    last = len(ids) - 1
    while i <= last:
        if ids[i] == left and i < last and ids[i + 1] == right:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def learn_merges(ids: Sequence[int], n: int, first: int = 256) -> list[Pair]:
    """The first ``n`` merges: of the most frequent pair each, of the smallest ids on a tie.

    >>> learn_merges([1, 2, 1, 2, 3], 2)
    [(1, 2), (256, 3)]
    """
    merges: list[Pair] = []
    for new in range(first, first + n):
        counts = pairs(ids)
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        ids = merge(ids, best, new)
        merges.append(best)
    return merges


class BytePairTokenizer(SpecialsApart):
    """``merges[i]`` makes id 256 + i; begin and end of a text come after the last of them."""

    FILE = "tokenizer.json"

    dummy_prefix, decode_errors = False, "replace"

    def __init__(self, merges: Sequence[Pair]):
        self.merges = list(merges)
        self.tokens = [bytes([byte]) for byte in range(256)]
        for new, (left, right) in enumerate(self.merges, start=256):
            if not (0 <= left < new and 0 <= right < new):
                raise ValueError(f"merge {new - 256} is of {left} and {right}; it can be of older ids only")
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.bos_id, self.eos_id = len(self.tokens), len(self.tokens) + 1
        self.vocab_size = len(self.tokens) + 2
        self.special_ids = {"<s>": self.bos_id, "</s>": self.eos_id}

    @classmethod
    def train(cls, text: str, vocab_size: int) -> BytePairTokenizer:
        if vocab_size < 258:
            raise ValueError(f"tokenizer: {vocab_size} ids cannot hold every byte; ask for at least 258")
        return cls(learn_merges(text.encode(), vocab_size - 258))

    def encode_ordinary(self, text: str) -> list[int]:
        """The oldest merge first, everywhere; what was learnt first was the most frequent."""
        ids = list(text.encode())
        for new, pair in enumerate(self.merges, start=256):
            ids = merge(ids, pair, new)
        return ids

    def token_bytes(self, token: int) -> bytes:
        self.check_token(token)
        return self.tokens[token] if token < self.bos_id else b""

    def save(self, folder: Path) -> None:
        content = json.dumps({"kind": "byte pairs", "merges": self.merges})
        (Path(folder) / self.FILE).write_text(content + "\n", encoding="utf-8")
