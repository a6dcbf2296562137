"""Special strings in a text: what they are and what they are not.

A special token such as <|eot_id|> is an id. The ten characters "<|eot_id|>" in what a user writes are
ten characters, or anyone could end the assistant's turn by writing them; only who asks by name
(``allowed_special``) gets the id.
"""

from __future__ import annotations

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

ALL = "all"  # allowed_special="all": every special string of the tokenizer


class SpecialsApart(ABC):
    """What all tokenizers share: special tokens are dealt with here, and the rest is ordinary text."""

    vocab_size: int
    bos_id: int
    eos_id: int
    special_ids: Mapping[str, int]
    decode_errors: str

    @abstractmethod
    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of a text in which nothing is special."""

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """What one id stands for; nothing, if it is special."""

    def encode(
        self, text: str, bos: bool = False, eos: bool = False, allowed_special: Collection[str] = ()
    ) -> list[int]:
        """Each stretch between two special tokens is encoded as a text of its own."""
        ids = [self.bos_id] * bos
        for part in split_specials(repair(text), self.special_ids, allowed_special):
            ids += [part] if isinstance(part, int) else self.encode_ordinary(part)
        return ids + [self.eos_id] * eos

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(decode_parts(map(self.token_bytes, ids), self.decode_errors))

    def check_token(self, token: int) -> None:
        if not 0 <= token < self.vocab_size:
            raise ValueError(f"token {token} is not one of the {self.vocab_size:,} ids of this tokenizer")


def split_specials(
    text: str, special_ids: Mapping[str, int], allowed: Collection[str]
) -> Iterator[str | int]:
    """Ordinary stretches of a text, none of them empty, and the ids of what is special between them.

    Where several begin at the same place, the longest is meant.

    >>> list(split_specials("a<b><b>>c", {"<b>": 1, "<b>>": 2, "<x>": 3}, {"<b>", "<b>>"}))
    ['a', 1, 2, 'c']
    """
    wanted = special_ids.keys() if allowed == ALL else set(allowed)
    if isinstance(allowed, str) and allowed != ALL:
        raise ValueError(f'allowed_special is "all" or several strings, such as {{{allowed!r}}}')
    if unknown := sorted(wanted - special_ids.keys()):
        known = ", ".join(list(special_ids)[:8])
        raise ValueError(f"{unknown[0]!r} is no special token of this tokenizer; it has {known}")
    if not wanted:
        yield from [text] if text else []
        return
    longest_first = sorted(wanted, key=len, reverse=True)
    for i, part in enumerate(re.split(f"({'|'.join(map(re.escape, longest_first))})", text)):
        if i % 2:
            yield special_ids[part]
        elif part:
            yield part


def decode_parts(tokens: Iterable[bytes], errors: str) -> Iterator[str]:
    """Text as it becomes known from the bytes of one token after the other, never half a character.

    A character may be spread over several tokens: it is held back until its last byte has come. b"" is
    what a special token has; it ends a character that was begun before it.

    >>> list(decode_parts([b"a", b"\\xc3", b"\\xa9", b"\\xc3", b"", b"b"], "replace"))
    ['a', 'é', '\ufffd', 'b']
    """
    utf8 = codecs.getincrementaldecoder("utf-8")(errors)
    for token in tokens:
        if text := utf8.decode(token, final=not token):
            yield text
    if rest := utf8.decode(b"", final=True):
        yield rest


def repair(text: str) -> str:
    """A text that UTF-8 can hold: halves of surrogate pairs, which it cannot, become U+FFFD.

    >>> repair("a\\ud83e")
    'a\\ufffd'
    """
    try:
        text.encode()
    except UnicodeEncodeError:  # via UTF-16, where two halves that belong together become one character
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
