"""Unsafe text, by its words: Llama 3 counts "dirty words" and bars whole domains (facts F3).

The list is an argument: the words of this book's crawl are invented, and a real list is nothing to print.
A list knows words, not meanings: it takes a medical page for an obscene one, and never finds what is said
politely. Left out: classifiers, lists of domains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def build_pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the words, whole, in small letters or capitals.

    >>> pattern = build_pattern(["ass"])
    >>> len(pattern.findall("An ASS, an assistant")), len(pattern.findall("class"))
    (1, 0)
    """
    choices = sorted({word.strip() for word in words if word.strip()}, key=len, reverse=True)
    if not choices:
        return re.compile(r"(?!)")  # matches nothing
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, choices))})(?!\w)", re.IGNORECASE)


def count_unsafe(text: str, pattern: re.Pattern[str]) -> int:
    return sum(1 for _ in pattern.finditer(text))
