"""The same ids, sooner: ``sentencepiece`` and ``tiktoken`` do the encoding, our own classes all the rest.

Where a library would give up, or give other ids than the definition (which is our own code), our own code
takes over; so every text has the same ids whoever encodes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import regex

from llamalite.text.tokenization.patterns import classes, is_portable
from llamalite.text.tokenization.piece_file import USER_DEFINED, write_fields
from llamalite.text.tokenization.pieces import SPACE, PieceTokenizer
from llamalite.text.tokenization.ranked import LLAMA3_PATTERN, RankedTokenizer
from llamalite.text.tokenization.specials import SpecialsApart
from llamalite.text.tokenization.tokenizer import Tokenizer

# tiktoken's pattern matcher remembers a million places to come back to, one a white space in \s+(?!\S),
# and aborts at 999,999 of them (0.14; found by experiment). Meta's wrapper cuts the text before that can
# happen, which changes ids at the cut (facts D3); we merge such a text ourselves.
TOO_LONG = regex.compile(r"\s{500000}")

# Characters that a version of Unicode may still be given. Private use and the like is left out.
YOUNG = [*range(0x80, 0xD800), *range(0xF900, 0x40000), *range(0xE0000, 0xE1000)]
NEVER_ASSIGNED = regex.compile("[\U00040000-\U000dffff\U000e1000-\U000effff]")


def fast(tokenizer: Tokenizer) -> Tokenizer:
    """The twin of one of our tokenizers that a library works for; itself where there is none.

    >>> from llamalite.text.tokenization.bytes import ByteTokenizer
    >>> fast(ByteTokenizer()).encode("hi")
    [104, 105]
    """
    if isinstance(tokenizer, PieceTokenizer):
        return FastPieceTokenizer(tokenizer)
    if isinstance(tokenizer, RankedTokenizer) and is_portable(tokenizer.pattern):
        return FastRankedTokenizer(tokenizer.tokens, tokenizer.pattern, tokenizer.special_tokens)
    return tokenizer


class Twin(SpecialsApart):
    """What the two have in common: ``plain``, one of our own tokenizers, that does all but the encoding."""

    def __init__(self, plain: PieceTokenizer | RankedTokenizer):
        self.plain = plain
        self.vocab_size, self.bos_id, self.eos_id = plain.vocab_size, plain.bos_id, plain.eos_id
        self.special_ids, self.dummy_prefix = plain.special_ids, plain.dummy_prefix
        self.decode_errors = plain.decode_errors

    def decode(self, ids: Sequence[int]) -> str:
        return self.plain.decode(ids)

    def token_bytes(self, token: int) -> bytes:
        return self.plain.token_bytes(token)

    def save(self, folder: Path) -> None:
        self.plain.save(folder)


class FastPieceTokenizer(Twin):
    """``PieceTokenizer`` with ``sentencepiece``, which is shown each word once."""

    plain: PieceTokenizer

    def __init__(self, model: bytes | PieceTokenizer):
        from sentencepiece import SentencePieceProcessor

        super().__init__(model if isinstance(model, PieceTokenizer) else PieceTokenizer(model))
        # What a protocol buffer says last counts: no dummy prefix. We put it there ourselves, so that a
        # text can be encoded from its middle on, too.
        no_prefix = write_fields([(3, write_fields([(3, 0)]))])
        try:
            self.library = SentencePieceProcessor(model_proto=self.plain.model + no_prefix)
        except (RuntimeError, OSError) as error:
            raise ValueError(f"sentencepiece does not read this model: {error}") from error
        self.words = regex.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+" if self.begins_words() else "(?s).+")

    def begins_words(self) -> bool:
        """Whether a space behind another character begins a piece or a user symbol, and is never inside."""
        symbols = [piece.text for piece in self.plain.pieces if piece.kind == USER_DEFINED]
        inside = regex.compile(f"[^{SPACE}]{SPACE}")
        return not any(map(inside.search, [*symbols, *self.plain.joints]))

    def encode_ordinary(self, text: str) -> list[int]:
        return self.encode_escaped(SPACE * self.dummy_prefix + text.replace(" ", SPACE))

    def encode_escaped(self, text: str) -> list[int]:
        """Ids of a text whose spaces are written as ▁ already, and to which nothing is added."""
        words = self.words.findall(text)
        distinct = list(dict.fromkeys(words))  # the same words come again and again
        known = dict(zip(distinct, self.library.encode(distinct, num_threads=1), strict=True))
        return [*chain.from_iterable(map(known.__getitem__, words))]


class FastRankedTokenizer(Twin):
    """``RankedTokenizer`` with ``tiktoken`` (from 0.13 on; before, long words took it hours)."""

    plain: RankedTokenizer

    def __init__(
        self,
        tokens: Sequence[bytes],
        pattern: str = LLAMA3_PATTERN,
        special_tokens: Sequence[str] | None = None,
    ):
        import tiktoken

        super().__init__(RankedTokenizer(tokens, pattern, special_tokens))
        if not is_portable(pattern):
            raise ValueError(
                f"pattern: {pattern[:60]!r} may mean something else to tiktoken; use RankedTokenizer"
            )
        try:
            self.library = tiktoken.Encoding(
                "llamalite", pat_str=pattern, mergeable_ranks=self.plain.ranks, special_tokens={}
            )
        except ValueError as error:
            raise ValueError(f"tiktoken does not take these tokens and this pattern: {error}") from error

    def encode_ordinary(self, text: str) -> list[int]:
        if TOO_LONG.search(text) or self.is_doubtful(text):
            return self.plain.encode_ordinary(text)
        try:
            return self.library.encode_ordinary(text)
        except BaseException as error:  # of Rust's panics, which are no Exception to Python
            if type(error).__name__ != "PanicException":
                raise
            return self.plain.encode_ordinary(text)

    def is_doubtful(self, text: str) -> bool:
        """Whether the text has a character that tiktoken's Unicode and ours take for different things."""
        if text.isascii():
            return False
        return not self.doubtful.isdisjoint(text) or bool(NEVER_ASSIGNED.search(text))

    @cached_property
    def doubtful(self) -> frozenset[str]:
        """Both libraries are asked which characters are in the pattern's classes; a tenth of a second."""
        import tiktoken

        single = {bytes([byte]): byte for byte in range(256)}
        everything, found = "".join(map(chr, YOUNG)), set()
        for name in classes(self.plain.pattern):
            theirs = tiktoken.Encoding("class", pat_str=name, mergeable_ranks=single, special_tokens={})
            members = bytes(theirs.encode_ordinary(everything)).decode()  # what no word has, it leaves out
            found |= {*members} ^ {*regex.findall(name, everything)}
        return frozenset(found)
