"""What can be said of one document without knowing any other: stay, change, or go, and why.

The first reason that holds is the one that is given. Cheap questions come first. Llama 3 asks in another
order (facts F3: domains, deduplication, then heuristics and classifiers); the result differs little, as
what one filter leaves the next may take, and this order needs no other document before the last stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from llamalite.text.data.decontamination import RUN, overlap
from llamalite.text.data.language_id import NONE, LanguageModel, identify
from llamalite.text.data.personal import find_personal, redact
from llamalite.text.data.quality import Quality, judge
from llamalite.text.data.records import Record
from llamalite.text.data.rules import ON, broken
from llamalite.text.data.unsafe import count_unsafe

# In the order in which they are asked; "rule: " goes before the name of a rule.
REASONS = ("unreadable", "rule", "language", "unsafe", "personal", "held out", "quality")
TONGUES: Mapping[str, str] = {"code": "en", "maths": "en"}  # whose words they use


class Screen(NamedTuple):
    """The filters, ready to be asked; None leaves one out."""

    rules: tuple[str, ...] = ON
    languages: LanguageModel | None = None
    wanted: tuple[str, ...] = ()  # languages that may stay; empty: all that were learnt
    unsafe: re.Pattern[str] | None = None
    max_unsafe: int = 0
    personal: Literal["keep", "redact", "drop"] = "redact"
    held_out: np.ndarray | None = None  # runs, ascending
    run: int = RUN
    max_overlap: float = 0.5
    quality: Quality | None = None
    min_quality: float = 0.5


class Screened(NamedTuple):
    """``text`` as it may stay, or as it was where ``reason`` says why it goes."""

    text: str
    reason: str
    language: str


def screen(record: Record, filters: Screen) -> Screened:
    """Ask every filter, until one says no."""
    text = record.text
    if text is None:
        return Screened("", "unreadable", NONE)
    if names := broken(text, filters.rules):
        return Screened(text, f"rule: {names[0]}", record.claimed)
    language = identify(text, filters.languages) if filters.languages else record.claimed
    if filters.languages and not speaks(language, record.claimed, filters.wanted):
        return Screened(text, "language", language)
    if filters.unsafe and count_unsafe(text, filters.unsafe) > filters.max_unsafe:
        return Screened(text, "unsafe", language)
    if filters.personal == "drop" and find_personal(text):
        return Screened(text, "personal", language)
    if (
        filters.held_out is not None
        and overlap([text], filters.held_out, filters.run)[0] > filters.max_overlap
    ):
        return Screened(text, "held out", language)
    if filters.quality and judge([text], filters.quality)[0] < filters.min_quality:
        return Screened(text, "quality", language)
    return Screened(redact(text) if filters.personal == "redact" else text, "", language)


def speaks(language: str, claimed: str, wanted: tuple[str, ...]) -> bool:
    """Whether a page is in a language that is wanted, and in the one that it claims, if it claims any.

    >>> speaks("code", "en", ()), speaks("ko", "en", ()), speaks("ko", "", ("en",))
    (True, False, False)
    """
    if language == NONE or (wanted and language not in wanted):
        return False
    return not claimed or tongue(language) == tongue(claimed)


def tongue(language: str) -> str:
    return TONGUES.get(language, language)
