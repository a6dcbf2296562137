"""Learning the pieces of a SentencePiece vocabulary, by the rules that Llama's was learnt with (facts D1).

Source: ``trainer_interface.cc`` and ``bpe_model_trainer.cc`` of SentencePiece. Its trainer looks only at
the pairs that were frequent a hundred merges ago; here every pair is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import regex

from llamalite.text.tokenization.learning import by_length, learn
from llamalite.text.tokenization.piece_file import BYTE, CONTROL, UNKNOWN, USER_DEFINED, Model, Piece

SPACE = "▁"
COVERAGE = 0.99995  # of the characters of a text; rarer ones are left to the bytes
LONGEST = 16  # characters in a piece
N_FIXED = 3 + 256  # unknown, begin, end, and the bytes

# Characters of scripts that are not listed here count as being of one script.
LISTED = (
    "Common Inherited Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Devanagari Bengali Gurmukhi "
    "Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic "
    "Cherokee Khmer Mongolian Hiragana Katakana Bopomofo Han Braille"
)
SCRIPTS = regex.compile("|".join(rf"(?P<{name}>\p{{Script={name}}})" for name in LISTED.split()))


def train_pieces(text: str, vocab_size: int, user_symbols: Sequence[str] = ()) -> Model:
    """Special pieces, user symbols, bytes, merged pieces in the order of merging, characters by frequency.

    The n-th piece that is learnt scores −n, so that encoding merges in the order of learning.
    """
    words = count_words(text, user_symbols)
    if not words:
        raise ValueError("tokenizer: the text has no words to learn from; give one with some, or use bytes")
    characters = frequent_characters(words)
    n_merged = vocab_size - N_FIXED - len(user_symbols) - len(characters)
    if n_merged < 0:
        raise ValueError(
            f"tokenizer: {vocab_size} pieces cannot hold every byte and character; "
            f"ask for at least {vocab_size - n_merged}"
        )
    allowed = partial(is_piece, scripts={c: script(c) for c in characters})
    merges = learn(words, n_merged, by_length, allowed)
    merged = list(dict.fromkeys(left + right for left, right in merges))
    if len(merged) < n_merged:
        raise ValueError(
            f"tokenizer: the text is too small for {vocab_size} pieces; "
            f"ask for at most {vocab_size - n_merged + len(merged)}, or use bytes"
        )
    learnt = [Piece(piece, -float(n)) for n, piece in enumerate([*merged, *characters])]
    return Model((*fixed_pieces(user_symbols), *learnt))


def fixed_pieces(user_symbols: Sequence[str]) -> Iterator[Piece]:
    yield Piece("<unk>", 0.0, UNKNOWN)
    yield from (Piece(mark, 0.0, CONTROL) for mark in ("<s>", "</s>"))
    yield from (Piece(symbol.replace(" ", SPACE), 0.0, USER_DEFINED) for symbol in user_symbols)
    yield from (Piece(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256))


def count_words(text: str, user_symbols: Sequence[str] = ()) -> Counter[str]:
    """How often each word comes. A word begins with its spaces, and every line with one more.

    >>> dict(count_words("so  so\\nso"))
    {'▁so': 2, '▁▁so': 1}
    """
    longest_first = sorted(user_symbols, key=len, reverse=True)
    symbols = regex.compile("|".join(map(regex.escape, longest_first)) or "(?!)")
    words: Counter[str] = Counter()
    for line in text.split("\n"):
        for stretch in symbols.split(" " + line) if line else ():
            words.update(regex.findall("▁*[^▁]+|▁+", stretch.replace(" ", SPACE)))
    return words


def frequent_characters(words: Counter[str]) -> list[str]:
    """The most frequent characters, as many as it takes to cover the text; equally frequent by code point."""
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for character in word:
            counts[character] += times
    whole, covered, frequent = counts.total(), 0, []
    for character, times in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered / whole >= COVERAGE:
            break
        frequent.append(character)
        covered += times
    return frequent


def is_piece(text: str, scripts: Mapping[str, str]) -> bool:
    """Whether a piece may be this: spaces in front only, digits alone, letters of one script.

    ``scripts``: of each character that a piece may have.

    >>> known = {c: script(c) for c in "▁abc1.б"}
    >>> [is_piece(text, known) for text in ("▁ab", "a▁", "▁▁", "▁1", "a1", "a.", "aб", "ad")]
    [True, False, True, False, False, False, False, False]
    """
    if len(text) > LONGEST or not all(c in scripts for c in text):
        return False
    body = text.removeprefix(SPACE)
    if SPACE in body:
        return not text.strip(SPACE)
    if len(text) > 1 and any("0" <= c <= "9" for c in text):
        return False
    return len({scripts[c] for c in body}) <= 1


def script(character: str) -> str:
    """The Unicode script of a character; Japanese writes its words in three, which count as one.

    >>> script("a"), script("ん"), script("日"), script(".")
    ('Latin', 'Han', 'Han', 'Common')
    """
    found = SCRIPTS.match(character)
    name = found.lastgroup if found else None
    return "Han" if name in ("Hiragana", "Katakana") or character == "ー" else str(name)
