"""What is in a vocabulary: what kinds of token there are and where, the longest, and how spaces, digits
and the world's scripts fare.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.piece_file import BYTE, CONTROL, UNKNOWN, USER_DEFINED
from llamalite.text.tokenization.piece_training import script
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.ranked import RankedTokenizer
from llamalite.text.tokenization.tokenizer import Tokenizer

FAMILIES = {
    ByteTokenizer: "bytes",
    BytePairTokenizer: "byte pairs",
    PieceTokenizer: "SentencePiece BPE, as in Llama 1 and 2",
    RankedTokenizer: "ranked byte pairs, as in Llama 3",
}
SPECIAL, SINGLE = "special token", "single byte"
KINDS = {BYTE: SINGLE, CONTROL: SPECIAL, UNKNOWN: "unknown", USER_DEFINED: "user symbol"}
SIGNS, FRAGMENTS = "signs and digits", "parts of characters"


class Entry(NamedTuple):
    """A row of a vocabulary. ``order``: what decides when it is merged, such as "rank 7"."""

    id: int
    kind: str
    bytes: bytes
    text: str
    order: str


def family(tokenizer: Tokenizer) -> str:
    return next((name for kind, name in FAMILIES.items() if isinstance(tokenizer, kind)), "unknown")


def entries(tokenizer: Tokenizer, ids: Iterable[int] | None = None) -> list[Entry]:
    """All there is to know of some ids, or of all.

    >>> entries(BytePairTokenizer([(104, 105)]), [256])
    [Entry(id=256, kind='merged token', bytes=b'hi', text='hi', order='merge 0 of 104 and 105')]
    """
    names = {token: name for name, token in tokenizer.special_ids.items()}
    found = []
    for token in range(tokenizer.vocab_size) if ids is None else ids:
        content = tokenizer.token_bytes(token)
        if token in names:
            found.append(Entry(token, SPECIAL, content, names[token], ""))
        else:
            kind, order, text = describe(tokenizer, token, content)
            found.append(Entry(token, kind, content, text, order))
    return found


def describe(tokenizer: Tokenizer, token: int, content: bytes) -> tuple[str, str, str]:
    """(kind, order, text) of what is no special token."""
    text = content.decode(errors="backslashreplace")
    if isinstance(tokenizer, PieceTokenizer):
        piece = tokenizer.pieces[token]
        usual = "merged token" if len(piece.text) > 1 else "single character"
        kind = KINDS.get(piece.kind, usual)
        return kind, f"score {piece.score:g}" if kind == usual else "", text
    if isinstance(tokenizer, BytePairTokenizer) and token >= 256:
        left, right = tokenizer.merges[token - 256]
        return "merged token", f"merge {token - 256} of {left} and {right}", text
    order = f"rank {token}" if isinstance(tokenizer, RankedTokenizer) else ""
    return SINGLE if len(content) == 1 else "merged token", order, text


def layout(vocabulary: list[Entry]) -> Iterator[tuple[int, int, str]]:
    """(first id, last id, kind) of each stretch of one kind.

    >>> list(layout(entries(ByteTokenizer())))
    [(0, 255, 'single byte'), (256, 257, 'special token')]
    """
    for kind, group in groupby(vocabulary, key=lambda found: found.kind):
        ids = [found.id for found in group]
        yield ids[0], ids[-1], kind


def longest(vocabulary: list[Entry], n: int = 8) -> list[Entry]:
    """The longest words; longer still are rows of dashes and the like."""
    words = [found for found in vocabulary if found.kind != SPECIAL and found.text.strip().isalpha()]
    return sorted(words, key=lambda found: (-len(found.text), found.id))[:n]


def space_runs(vocabulary: list[Entry]) -> list[int]:
    """How many spaces can be one token."""
    return sorted({len(found.text) for found in vocabulary if found.text and not found.text.strip(" ")})


def digit_runs(vocabulary: list[Entry]) -> dict[int, int]:
    """Length of a number → how many numbers of that length are a token."""
    found = {entry.text for entry in vocabulary if entry.text.isascii() and entry.text.isdigit()}
    return dict(sorted(Counter(map(len, found)).items()))


def scripts(vocabulary: list[Entry]) -> dict[str, int]:
    """Script → how many tokens have letters of it, the most frequent first."""
    counts = Counter(script_of(found.bytes) for found in vocabulary if found.kind != SPECIAL)
    return dict(counts.most_common())


def script_of(content: bytes) -> str:
    """
    >>> script_of(b" cat"), script_of(" кот".encode()), script_of(b"12;"), script_of(b"\\xec\\x95")
    ('Latin', 'Cyrillic', 'signs and digits', 'parts of characters')
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return FRAGMENTS
    if text.isascii():  # most are
        return "Latin" if any(map(str.isalpha, text)) else SIGNS
    letters = [name for name in map(script, text) if name not in ("Common", "Inherited")]
    if not letters:
        return SIGNS
    return "other scripts" if letters[0] == "None" else letters[0]


# --- in words ------------------------------------------------------------------------------------------


def row(found: Entry) -> str:
    """
    >>> row(*entries(ByteTokenizer(), [10]))
    "     10  single byte       0a                        '\\\\n'"
    """
    text = f"'{printable(found.text)}'"
    return f"{found.id:>7}  {found.kind:<16}  {found.bytes.hex(' '):<24}  {text:<16}  {found.order}".rstrip()


def printable(text: str) -> str:
    """
    >>> printable("a\\tb c\\0")
    'a\\\\tb c\\\\x00'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def report(tokenizer: Tokenizer) -> str:
    """All of it on a page."""
    return "\n".join(report_lines(tokenizer, entries(tokenizer)))


def report_lines(tokenizer: Tokenizer, vocabulary: list[Entry]) -> Iterator[str]:
    yield f"{family(tokenizer)}, {tokenizer.vocab_size:,} ids"
    yield f"begins a text with {tokenizer.bos_id}, ends it with {tokenizer.eos_id}"
    if isinstance(tokenizer, RankedTokenizer):
        yield f"cuts words by {tokenizer.pattern}"
    yield f"puts a space in front of a text: {'yes' if tokenizer.dummy_prefix else 'no'}"
    yield "\nids"
    for first, last, kind in layout(vocabulary):
        n = last - first + 1
        yield f"  {f'{first:,}' if n == 1 else f'{first:,} to {last:,}':<20} {n:>7,}  {kind}{'s' * (n > 1)}"
    yield "\nspecial tokens"
    yield from few([f"{token} {name}" for name, token in tokenizer.special_ids.items()])
    yield "\nlongest words"
    yield from few([f"{found.id} {found.text!r}" for found in longest(vocabulary)])
    yield "\nspaces that are one token"
    yield from few([ranges(space_runs(vocabulary)) or "none"])
    yield "\nnumbers that are one token"
    yield from few(
        [f"{n:,} of {length} digit{'s' * (length > 1)}" for length, n in digit_runs(vocabulary).items()]
        or ["none"]
    )
    yield "\nscripts"
    yield from few([f"{name} {n:,}" for name, n in scripts(vocabulary).items()])


def few(items: list[str], most: int = 12) -> Iterator[str]:
    """The first of many, in lines that break between two items only."""
    more = [f"… and {len(items) - most:,} more"] if len(items) > most else []
    text = ", ".join(item.replace(" ", "\xa0") for item in [*items[:most], *more])
    lines = textwrap.wrap(text, 96, break_long_words=False, break_on_hyphens=False)
    yield from ("  " + line.replace("\xa0", " ") for line in lines)


def ranges(numbers: list[int]) -> str:
    """
    >>> ranges([1, 2, 3, 7, 9, 10])
    '1 to 3, 7, 9 to 10'
    """
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{group[0]} to {group[-1]}" if group[1:] else str(group[0]) for group in groups)
