"""Heuristic rules: what a program that cannot read may still say against a page.

After Gopher (Rae and others 2021) and C4 (Raffel and others 2019): their kinds of rules, as we remember
the papers; our limits, which fit texts of a few dozen words. Llama 3 names the coverage by duplicated
n-grams and the count of dirty words (facts F3). Every rule is one function from a text to a number and the
range of numbers that may stay; each can be left out. Two of them are here although they do harm, switched
off: they show what a rule does that was written with one language in mind.

Left out: rules for whole sites, KL divergence of the tokens from those of the corpus (Llama 3).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

ENGLISH = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})  # Gopher's eight
WORD = re.compile(r"\w+")


class Rule(NamedTuple):
    """A text may stay if ``low <= measure(text) <= high``."""

    measure: Callable[[str], float]
    low: float
    high: float
    source: str
    says: str  # what is wrong with a text outside


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def n_words(text: str) -> float:
    return len(text.split())


def word_length(text: str) -> float:
    """Mean characters a word."""
    words = text.split()
    return share(sum(map(len, words)), len(words))


def symbols(text: str) -> float:
    """Hashes and ellipses a word."""
    return share(text.count("#") + text.count("…") + text.count("..."), len(text.split()))


def bullets(text: str) -> float:
    """The share of lines that begin with a bullet."""
    lines = filled_lines(text)
    return share(sum(line.lstrip()[0] in "•‣·-*" for line in lines), len(lines))


def ellipses(text: str) -> float:
    """The share of lines that break off."""
    lines = filled_lines(text)
    return share(sum(line.endswith(("...", "…")) for line in lines), len(lines))


def alphabetic(text: str) -> float:
    """The share of words with a letter in them, of any script."""
    words = text.split()
    return share(sum(any(map(str.isalpha, word)) for word in words), len(words))


def latin(text: str) -> float:
    """The same with a to z alone: the slip that takes every other script for noise."""
    words = text.split()
    return share(sum(bool(re.search("[a-zA-Z]", word)) for word in words), len(words))


def english_words(text: str) -> float:
    """How many of Gopher's eight words occur."""
    return len(ENGLISH & set(WORD.findall(text.casefold())))


def repeated_lines(text: str) -> float:
    """The share of lines that are not the first of their kind."""
    lines = filled_lines(text)
    return share(len(lines) - len(set(lines)), len(lines))


def most_common_pair(text: str) -> float:
    """The share of the characters that stand in the commonest pair of words."""
    words = text.split()
    counts = Counter(pairwise(words))
    pair, n = counts.most_common(1)[0] if counts else (("", ""), 0)
    return share(n * sum(map(len, pair)), sum(map(len, words))) if n > 1 else 0.0


def repeated_runs(text: str, n: int = 5) -> float:
    """The share of the words that stand in a run of ``n`` which has been there before.

    >>> repeated_runs("a b c a b c x", n=3)
    0.42857142857142855
    """
    words = text.split()
    covered, seen = set(), set()
    for i in range(len(words) - n + 1):
        run = tuple(words[i : i + n])
        if run in seen:
            covered.update(range(i, i + n))
        seen.add(run)
    return share(len(covered), len(words))


def foreign_marks(text: str) -> float:
    """The share of the characters that are neither letter, digit, blank nor common punctuation."""
    odd = sum(not (c.isalnum() or c.isspace() or c in COMMON) for c in text)
    return share(odd, len(text))


def broken_bytes(text: str) -> float:
    """Pairs of characters that UTF-8 read as Latin-1 leaves behind, a word."""
    return share(len(MOJIBAKE.findall(text)), len(text.split()))


def unended_lines(text: str) -> float:
    """The share of lines without a full stop or its like at the end (C4 removes such lines)."""
    lines = filled_lines(text)
    return share(
        sum(not line.rstrip("\"'”’»“)").endswith((".", "!", "?", "…")) for line in lines), len(lines)
    )


def braces(text: str) -> float:
    return text.count("{") + text.count("}")


def placeholder(text: str) -> float:
    return text.casefold().count("lorem ipsum")


def filled_lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


COMMON = frozenset(".,;:!?'\"-–—()[]{}/\\*+=<>_#%&@|$^`~“”„‘’«»¡¿…·")
MOJIBAKE = re.compile("[ÃÂâ][\u0080-\u00bf€™œ¤]|\ufffd")
MANY = float("inf")

RULES: Mapping[str, Rule] = {
    "too short": Rule(n_words, 8, 1e5, "Gopher", "fewer than 8 words, or more than 100,000"),
    "word length": Rule(word_length, 1.5, 14, "Gopher", "words too short or too long in the mean"),
    "symbols": Rule(symbols, 0, 0.25, "Gopher", "hashes and ellipses among the words"),
    "bullets": Rule(bullets, 0, 0.9, "Gopher", "nothing but bullets"),
    "ellipses": Rule(ellipses, 0, 0.3, "Gopher", "lines that break off"),
    "letters": Rule(alphabetic, 0.4, 1, "Gopher", "words without a letter"),
    "repeated lines": Rule(repeated_lines, 0, 0.3, "Gopher", "the same lines again"),
    "repeated pair": Rule(most_common_pair, 0, 0.3, "Gopher", "one pair of words all over"),
    "repeated runs": Rule(repeated_runs, 0, 0.5, "Gopher, Llama 3", "runs of five words that come again"),
    "odd marks": Rule(foreign_marks, 0, 0.03, "ours", "characters that no text needs"),
    "broken bytes": Rule(broken_bytes, 0, 0.05, "ours", "text decoded with the wrong table"),
    "placeholder": Rule(placeholder, 0, 0, "C4", "a page that waits for its text"),
    # Off by default: each was written with English prose in mind.
    "braces": Rule(braces, 0, 0, "C4", "a curly bracket"),
    "unended lines": Rule(unended_lines, 0, 0.5, "C4", "lines that do not end as sentences"),
    "English words": Rule(english_words, 2, MANY, "Gopher", "fewer than two of eight English words"),
    "Latin letters": Rule(latin, 0.8, 1, "a slip", "words without a letter from a to z"),
}
OFF = ("braces", "unended lines", "English words", "Latin letters")
ON = tuple(name for name in RULES if name not in OFF)


def broken(text: str, names: Iterable[str] = ON, rules: Mapping[str, Rule] = RULES) -> list[str]:
    """Which of the named rules the text breaks.

    >>> broken("bell " * 60)
    ['repeated pair', 'repeated runs']
    """
    return [name for name in names if not rules[name].low <= rules[name].measure(text) <= rules[name].high]
