"""Personal data: found by its form, and taken out of the text, or the text with it.

Llama 2 removed sites with much personal data; Llama 3 removes domains that hold it (facts F2, F3). Forms
find what has a form: an address at a mail server, a telephone number, a street with a number. Left out:
names, and whatever only a reader recognises.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A local number, or a long one that begins as only telephone numbers do: with + or 0.
NUMBER = r"(?<![\w-])(?:\d{3}[ -]\d{4}|(?:\+\d{1,3}|0\d{1,4})(?:[ -]\d{2,4}){2,4})(?![\w-])"
FORMS = {
    "e-mail": re.compile(r"[\w.+-]+@\w[\w-]*(?:\.[\w-]+)+"),
    "telephone": re.compile(NUMBER),
    "address": re.compile(r"\d+ (?:\w+ ){1,3}(?:Street|Lane|Road|Avenue|Square)\b(?:, \d{5} \w+)?"),
}


class Found(NamedTuple):
    """``text[start:end]`` looks like ``kind``."""

    start: int
    end: int
    kind: str


def find_personal(text: str) -> list[Found]:
    """In order of appearance; no two overlap (the first form in ``FORMS`` wins).

    >>> [found.kind for found in find_personal("Call 555-0123 or mail a.b@example.com")]
    ['telephone', 'e-mail']
    """
    found: list[Found] = []
    for kind, form in FORMS.items():
        for match in form.finditer(text):
            if all(match.end() <= f.start or f.end <= match.start() for f in found):
                found.append(Found(match.start(), match.end(), kind))
    return sorted(found)


def redact(text: str) -> str:
    """
    >>> redact("Call 555-0123!")
    'Call [telephone]!'
    """
    for start, end, kind in reversed(find_personal(text)):
        text = f"{text[:start]}[{kind}]{text[end:]}"
    return text
