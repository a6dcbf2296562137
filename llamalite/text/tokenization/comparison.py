"""Two tokenizers on the same text: how many tokens each takes, over all and line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from llamalite.text.tokenization.inspection import printable
from llamalite.text.tokenization.streaming import encode_iterable
from llamalite.text.tokenization.tokenizer import Tokenizer


class Comparison(NamedTuple):
    """``tokens`` and ``better`` (lines that took fewer tokens) are of the first and of the second."""

    lines: int
    characters: int
    bytes: int
    tokens: tuple[int, int]
    better: tuple[int, int]


def compare(first: Tokenizer, second: Tokenizer, read: Callable[[], Iterable[str]]) -> Comparison:
    """``read()``: the text in chunks, as often as it is asked for. Its lines are also encoded each alone.

    >>> from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
    >>> from llamalite.text.tokenization.bytes import ByteTokenizer
    >>> compare(ByteTokenizer(), BytePairTokenizer([(104, 105)]), lambda: ["hi\\n", "ho"])
    Comparison(lines=2, characters=5, bytes=5, tokens=(5, 4), better=(0, 1))
    """
    tokens = [sum(map(len, encode_iterable(tokenizer, read()))) for tokenizer in (first, second)]
    n_lines = characters = size = 0
    better = [0, 0]
    for line in lines(read()):
        a, b = len(first.encode(line)), len(second.encode(line))
        better[0] += a < b
        better[1] += b < a
        n_lines += 1
        characters += len(line)
        size += len(line.encode(errors="replace"))
    return Comparison(n_lines, characters, size, (tokens[0], tokens[1]), (better[0], better[1]))


def lines(chunks: Iterable[str]) -> Iterator[str]:
    """
    >>> list(lines(["a", "b\\nc", "\\n", "d"]))
    ['ab\\n', 'c\\n', 'd']
    """
    held: list[str] = []
    for chunk in chunks:
        *whole, rest = chunk.split("\n")
        for line in whole:
            yield "".join([*held, line, "\n"])
            held = []
        held.append(rest)
    if rest := "".join(held):
        yield rest


def shown(tokenizer: Tokenizer, text: str) -> str:
    """A text with a bar between its tokens; what cannot be printed as Python writes it.

    >>> from llamalite.text.tokenization.bytes import ByteTokenizer
    >>> shown(ByteTokenizer(), "hé\\n")
    'h|\\\\xc3|\\\\xa9|\\\\n'
    """
    tokens = map(tokenizer.token_bytes, tokenizer.encode(text))
    return "|".join(printable(token.decode(errors="backslashreplace")) for token in tokens)


def report(names: tuple[str, str], tokenizers: tuple[Tokenizer, Tokenizer], found: Comparison) -> str:
    """What was found, as a table."""
    rows = [
        f"{label}  {name}: {tokenizer.vocab_size:,} ids"
        for label, name, tokenizer in zip("AB", names, tokenizers, strict=True)
    ]
    alike, plural = found.lines - sum(found.better), "s" * (found.lines != 1)
    rows += [
        f"\n{found.characters:,} characters, {found.bytes:,} bytes, {found.lines:,} line{plural}",
        f"{'':<20} {'A':>12} {'B':>12}",
        f"{'tokens':<20} {found.tokens[0]:>12,} {found.tokens[1]:>12,}",
        f"{'characters a token':<20} {per(found.characters, found.tokens)}",
        f"{'bytes a token':<20} {per(found.bytes, found.tokens)}",
        f"{'fewer tokens':<20} {found.better[0]:>12,} {found.better[1]:>12,}  lines; as many in {alike:,}",
    ]
    return "\n".join(rows)


def per(amount: int, tokens: tuple[int, int]) -> str:
    """
    >>> per(10, (4, 0))
    '        2.50            –'
    """
    return " ".join(f"{amount / n:>12.2f}" if n else f"{'–':>12}" for n in tokens)
