"""Encoding a text that is larger than memory: part by part, with the same ids as in one go.

The trouble is where the parts meet. Cut in the wrong place, a word, a special string or half of an emoji
would have other ids. So a part is encoded only up to a *seam*, a place over which no token can reach
whatever comes next; the rest waits for more. What is held back is as long as the text is without a seam:
in ordinary text a line, but all of it if it is one letter a billion times.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from functools import partial
from itertools import pairwise
from pathlib import Path

import regex

from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.fast import FastPieceTokenizer
from llamalite.text.tokenization.patterns import LLAMA3_ENDS, is_portable, word_seam
from llamalite.text.tokenization.piece_file import USER_DEFINED
from llamalite.text.tokenization.pieces import SPACE, PieceTokenizer
from llamalite.text.tokenization.ranked import LLAMA3_PATTERN, RankedTokenizer
from llamalite.text.tokenization.specials import ALL, repair, split_specials
from llamalite.text.tokenization.tokenizer import Tokenizer

Seam = Callable[[str], int]  # a text → how much of it has its ids already, whatever follows

SIZE = 1 << 18  # characters that are encoded at a time, if there is a seam


def encode_iterable(
    tokenizer: Tokenizer,
    chunks: Iterable[str],
    bos: bool = False,
    eos: bool = False,
    allowed_special: Collection[str] = (),
    size: int = SIZE,
) -> Iterator[list[int]]:
    """The ids of a text that comes in chunks, as they become known.

    Together they are ``tokenizer.encode("".join(chunks), …)``, wherever the chunks were cut. No more is
    read than it takes: ``size`` characters, and on to the end of a chunk and to a seam.

    >>> list(encode_iterable(ByteTokenizer(), ["n", "é", "</", "s>"], allowed_special="all", size=1))
    [[110], [195, 169], [257]]
    """
    if size < 1:
        raise ValueError(f"size is {size}; at least one character has to be read at a time")
    stretch = Stretch(tokenizer, find_seam(tokenizer), size)
    list(split_specials("", tokenizer.special_ids, allowed_special))  # refuses what is not special
    parts = special_parts(gather(chunks, size), tokenizer.special_ids, allowed_special)
    return encode_stretches(stretch, parts, [tokenizer.bos_id] * bos, [tokenizer.eos_id] * eos)


def encode_stretches(
    stretch: Stretch, parts: Iterable[str | int], first: list[int], last: list[int]
) -> Iterator[list[int]]:
    if first:
        yield first
    for part in parts:
        if isinstance(part, str):
            yield from stretch.add(part)
        else:
            yield from stretch.end()
            yield [part]
    yield from stretch.end()
    if last:
        yield last


class Stretch:
    """Ordinary text between two special tokens, which is encoded from seam to seam."""

    def __init__(self, tokenizer: Tokenizer, seam: Seam, size: int):
        self.tokenizer, self.seam, self.size = tokenizer, seam, size
        self.held: list[str] = []
        self.length, self.wanted, self.begun = 0, size, False

    def add(self, text: str) -> Iterator[list[int]]:
        self.held.append(text)
        self.length += len(text)
        if self.length < self.wanted:
            return
        whole = "".join(self.held)
        end = self.seam(whole)
        yield from self.encode(whole[:end])
        self.held, self.length = [whole[end:]], len(whole) - end
        # Twice as much before the next look: a long text without a seam is looked through a few times only.
        self.wanted = max(self.size, 2 * self.length)

    def end(self) -> Iterator[list[int]]:
        yield from self.encode("".join(self.held))
        self.held, self.length, self.wanted, self.begun = [], 0, self.size, False

    def encode(self, text: str) -> Iterator[list[int]]:
        """Ids of the next part; only the first has the dummy prefix."""
        if not text:
            return
        if self.begun and isinstance(self.tokenizer, (PieceTokenizer, FastPieceTokenizer)):
            yield self.tokenizer.encode_escaped(text.replace(" ", SPACE))
        else:
            yield self.tokenizer.encode(text)
        self.begun = True


# --- from chunks to stretches ------------------------------------------------------------------------


def gather(chunks: Iterable[str], size: int) -> Iterator[str]:
    """Chunks of at least ``size`` characters, none of which begins with the second half of a character.

    >>> list(gather(["ab", "c", "", "d", "e"], 2))
    ['ab', 'cd', 'e']
    """
    held, length = [], 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            held = ["".join(held)]
            if not "\ud800" <= held[0][-1] <= "\udbff":
                yield repair(held[0])
                held, length = [], 0
    if length:
        yield repair("".join(held))


def special_parts(
    chunks: Iterable[str], special_ids: Mapping[str, int], allowed: Collection[str]
) -> Iterator[str | int]:
    """``specials.split_specials`` of a text in chunks; stretches may come in several parts.

    A chunk's end that could begin an allowed string is held back until more is known.

    >>> list(special_parts(["a<", "b><b", ">>c<"], {"<b>": 1, "<b>>": 2}, {"<b>", "<b>>"}))
    ['a', 1, 2, 'c', '<']
    """
    wanted = sorted(special_ids if allowed == ALL else set(allowed), key=len, reverse=True)
    if not wanted:
        yield from chunks
        return
    found = regex.compile("|".join(map(regex.escape, wanted)))
    beginnings = {special[:n] for special in wanted for n in range(1, len(special))}
    held = ""
    for chunk in chunks:
        text, at = held + chunk, 0
        for special in found.finditer(text):
            if special.start() >= first_beginning(text, at, len(wanted[0]), beginnings):
                break
            if special.start() > at:
                yield text[at : special.start()]
            yield special_ids[special[0]]
            at = special.end()
        end = first_beginning(text, at, len(wanted[0]), beginnings)
        if end > at:
            yield text[at:end]
        held = text[end:]
    yield from split_specials(held, special_ids, allowed)


def first_beginning(text: str, at: int, longest: int, beginnings: set[str]) -> int:
    """The first place from ``at`` on where the text could end in the beginning of a special string."""
    places = range(max(at, len(text) - longest + 1), len(text))
    return next((place for place in places if text[place:] in beginnings), len(text))


# --- seams -------------------------------------------------------------------------------------------


def find_seam(tokenizer: Tokenizer) -> Seam:
    """How to tell where a text can be cut, which follows from what can be a token."""
    plain = getattr(tokenizer, "plain", tokenizer)
    if isinstance(plain, ByteTokenizer):
        return len
    if isinstance(plain, PieceTokenizer):
        symbols = [piece.text for piece in plain.pieces if piece.kind == USER_DEFINED]
        return partial(piece_seam, plain.joints | {a + b for text in symbols for a, b in pairwise(text)})
    if isinstance(plain, BytePairTokenizer):
        return partial(byte_seam, {token[i : i + 2] for token in plain.tokens for i in range(len(token) - 1)})
    if not isinstance(plain, RankedTokenizer):
        raise ValueError(f"a text cannot be cut for a {type(plain).__name__}; encode it in one go")
    if not is_portable(plain.pattern):
        raise ValueError(
            f"pattern: nobody can tell where {plain.pattern[:60]!r} allows a text to be cut; use one without "
            "anchors, looking back and flags, or encode the text in one go"
        )
    return partial(ranked_seam, plain)


def piece_seam(joints: Set[str], text: str) -> int:
    """The last place between two characters that are neighbours in no piece: merging never passes it.

    >>> piece_seam({"▁s", "so"}, "so so")
    2
    """
    text = text.replace(" ", SPACE)
    return next((i for i in range(len(text) - 1, 0, -1) if text[i - 1 : i + 1] not in joints), 0)


def byte_seam(joints: Set[bytes], text: str) -> int:
    """The same with bytes: the last of one character and the first of the next."""
    places = range(len(text) - 1, 0, -1)
    return next((i for i in places if text[i - 1].encode()[-1:] + text[i].encode()[:1] not in joints), 0)


def ranked_seam(tokenizer: RankedTokenizer, text: str) -> int:
    """The end of the last word that is certain: words are encoded each for itself."""
    if tokenizer.pattern == LLAMA3_PATTERN and (found := LLAMA3_ENDS.match(text)):
        return found.end()
    return word_seam(tokenizer.words, text)


# --- files -------------------------------------------------------------------------------------------


def read_chunks(path: str | Path, size: int = SIZE) -> Iterator[str]:
    """A UTF-8 file, ``size`` bytes at a time, no character of it split.

    The chunks join to what ``corpus.read_text`` makes of it: without a byte-order mark, and with new
    lines as one character.
    """
    utf8, done, held, begun = codecs.getincrementaldecoder("utf-8")(), 0, "", False
    with open(path, "rb") as file:
        while block := file.read(size):
            text = held + decode_block(utf8, block, done, path)
            if text and not begun:
                text, begun = text.removeprefix("\ufeff"), True
            done += len(block)
            held = "\r" if text.endswith("\r") else ""  # \n may come
            if text := text.removesuffix("\r").replace("\r\n", "\n"):
                yield text
        if rest := held + decode_block(utf8, b"", done, path):
            yield rest


def decode_block(utf8: codecs.IncrementalDecoder, block: bytes, at: int, path: str | Path) -> str:
    """What is known of the text after ``block``, which lies at byte ``at`` of the file."""
    pending, _ = utf8.getstate()
    try:
        return utf8.decode(block, final=not block)
    except UnicodeDecodeError as error:
        place = at - len(pending) + error.start
        raise ValueError(
            f"{path} is not UTF-8: byte {error.object[error.start]:#04x} at position {place} is out of "
            f"place; convert it, for example with: iconv -f LATIN1 -t UTF-8 {Path(path).name} > new.txt"
        ) from error
