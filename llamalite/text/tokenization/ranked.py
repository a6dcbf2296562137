"""Llama 3's tokenizer: byte pairs again, with words, ranks and special tokens (facts D3).

What differs from ``byte_pairs``: a pattern cuts the text into words that no merge crosses; a token is its
bytes, and its rank is both its id and when it is merged; a word that is a token is never taken apart.
What differs from ``pieces``: nothing is put in front of a text, and every text comes back as it was.

What is a letter is for Unicode to say, and its newest version is not the same everywhere: characters that
are younger than tiktoken may be cut in another way there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import regex

from llamalite.text.tokenization.learning import learn
from llamalite.text.tokenization.merging import merge_symbols
from llamalite.text.tokenization.rank_file import write_ranks
from llamalite.text.tokenization.specials import SpecialsApart

# Contractions; letters with at most one other character in front; up to three digits; other characters
# with at most one space in front; spaces up to the last, which belongs to the word behind it.
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BEGIN, END = "<|begin_of_text|>", "<|end_of_text|>"
HEADERS = {6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
CALLS = {4: "<|finetune_right_pad_id|>", 8: "<|eom_id|>", 10: "<|python_tag|>"}  # since 3.1
# What stands at other places than "reserved"; 3.2 names two more.
NAMED = {
    "3": HEADERS,
    "3.1": HEADERS | CALLS,
    "3.2": HEADERS | CALLS | {5: "<|step_id|>", 11: "<|image|>"},
}


def llama3_specials(generation: str = "3") -> list[str]:
    """The 256 special tokens that follow the 128,000 ranks, in the order of their ids.

    >>> [llama3_specials(generation)[8] for generation in ("3", "3.1")]
    ['<|reserved_special_token_4|>', '<|eom_id|>']
    """
    if generation not in NAMED:
        raise ValueError(f"there is no generation {generation!r}; there are {', '.join(NAMED)}")
    named = {0: BEGIN, 1: END} | NAMED[generation]
    reserved = iter(range(256))
    return [named.get(i) or f"<|reserved_special_token_{next(reserved)}|>" for i in range(256)]


def byte_order() -> list[bytes]:
    """The single bytes as tiktoken ranks them: what can be printed in Latin-1 first.

    >>> byte_order()[:3], byte_order()[-1]
    ([b'!', b'"', b'#'], b'\\xad')
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [bytes([byte]) for byte in printable + others]


def split_words(words: regex.Pattern[str], text: str) -> list[str]:
    """Cut a text into its words, spaces and all: nothing of it may be left out.

    >>> split_words(regex.compile(LLAMA3_PATTERN), "They'll pay  12345!")
    ['They', "'ll", ' pay', ' ', ' ', '123', '45', '!']
    """
    found = [match[0] for match in words.finditer(text)]
    if sum(map(len, found)) < len(text):
        raise ValueError(f"pattern: it leaves out some of {text[:40]!r}; let it end in |. or the like")
    return found


class RankedTokenizer(SpecialsApart):
    """``tokens`` in the order of their ranks; ``special_tokens`` after them, begin and end of text first."""

    FILE, NOTES = "tokenizer.model", "tokenizer.json"

    dummy_prefix, decode_errors = False, "replace"

    def __init__(
        self,
        tokens: Sequence[bytes],
        pattern: str = LLAMA3_PATTERN,
        special_tokens: Sequence[str] | None = None,
    ):
        self.tokens, self.pattern = list(tokens), pattern
        self.special_tokens = llama3_specials() if special_tokens is None else list(special_tokens)
        if len(set(self.special_tokens)) < max(2, len(self.special_tokens)):
            raise ValueError("special tokens: at least one to begin a text and one to end it, all different")
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        self.special_ids = {text: len(self.tokens) + i for i, text in enumerate(self.special_tokens)}
        self.vocab_size = len(self.tokens) + len(self.special_tokens)
        self.bos_id, self.eos_id = len(self.tokens), len(self.tokens) + 1
        self.words = regex.compile(pattern)

    @classmethod
    def train(
        cls,
        text: str,
        vocab_size: int,
        pattern: str = LLAMA3_PATTERN,
        special_tokens: Sequence[str] = (BEGIN, END),
    ) -> RankedTokenizer:
        """Learn from ``text``, until there are ``vocab_size`` tokens with the special ones."""
        n_merged = vocab_size - 256 - len(special_tokens)
        if n_merged < 0:
            raise ValueError(
                f"tokenizer: {vocab_size} tokens cannot hold every byte; ask for at least "
                f"{vocab_size - n_merged}"
            )
        words = Counter(split_words(regex.compile(pattern), text))
        counts = {tuple(bytes([byte]) for byte in word.encode()): times for word, times in words.items()}
        merges = learn(counts, n_merged, alphabet=byte_order())
        tokens = list(dict.fromkeys([*byte_order(), *(left + right for left, right in merges)]))
        if len(tokens) < vocab_size - len(special_tokens):
            most = len(tokens) + len(special_tokens)
            raise ValueError(
                f"tokenizer: the text is too small for {vocab_size} tokens; "
                f"ask for at most {most}, or use bytes"
            )
        return cls(tokens, pattern, special_tokens)

    def encode_ordinary(self, text: str) -> list[int]:
        known: dict[str, list[int]] = {}  # the same words come again and again
        ids: list[int] = []
        for word in split_words(self.words, text):
            if word not in known:
                known[word] = self.encode_word(word.encode())
            ids += known[word]
        return ids

    def encode_word(self, word: bytes) -> list[int]:
        """A word that is a token is that token, also where merging would not get there, as with 588 of
        Llama 3's : both halves are tokens, but another merge of lower rank comes between."""
        if word in self.ranks:
            return [self.ranks[word]]
        single = [bytes([byte]) for byte in word]
        return [self.ranks[token] for token in merge_symbols(single, self.ranks.get)]

    def token_bytes(self, token: int) -> bytes:
        self.check_token(token)
        return self.tokens[token] if token < self.bos_id else b""

    def save(self, folder: Path) -> None:
        """Two files: the ranks, which tiktoken reads, and beside them what a rank file does not hold."""
        (Path(folder) / self.FILE).write_bytes(write_ranks(self.tokens))
        rest = {
            "kind": "ranked",
            "n_tokens": len(self.tokens),
            "pattern": self.pattern,
            "special_tokens": self.special_tokens,
        }
        (Path(folder) / self.NOTES).write_text(json.dumps(rest, indent=1) + "\n", encoding="utf-8")
