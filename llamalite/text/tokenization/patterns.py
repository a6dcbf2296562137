"""What can be said for certain about a pattern that cuts a text into words (``ranked``).

Two questions, neither of which a pattern answers by itself: does it mean the same to ``regex`` as it does
to tiktoken, and which words of a text stay as they are whatever is written behind it?
"""

from __future__ import annotations

import regex

# Of both dialects, the part that has one meaning: classes by general category, sets without operations,
# repetitions, scoped groups, looking ahead. Not: anchors and looking back, which ask what came before;
# (?i:i), which has the Turkish İ to one of the two; names, scripts and flags, which are written in two ways.
CLASS = r"\\[pP]\{[A-Z][a-z]?\}|\\[sSdDwW]"
CHARACTER = rf"{CLASS}|\\[rnt]|\\[^\w\s]"
SET = rf"\[\^?(?:{CHARACTER}|(?!&&|\|\||~~|--|\[)[^\\\]])+\]"
CASELESS = r"\(\?i:(?:[a-hj-zA-HJ-Z'|]|\[[a-hj-zA-HJ-Z]+\])+\)"
PORTABLE = regex.compile(
    rf"(?:(?:{CHARACTER}|{SET}|{CASELESS}|[^\\\[\](){{}}?*+|^$.]|\.|\))(?:(?:[?*+]|\{{\d+(?:,\d*)?\}})[?+]?)?"
    r"|\((?:\?[:=!>])?|\|)+"
)

# Llama 3's words, with the places between two characters that are an end of a word whatever stands before
# and behind: letters and digits have no other characters behind them in a word, other characters none but
# new lines, and new lines nothing but more white space.
LLAMA3_ENDS = regex.compile(
    r"(?s).*(?:(?<=\p{L})(?=\P{L})|(?<=\p{N})(?=\P{N})"
    r"|(?<=[^\s\p{L}\p{N}])(?=[^\S\r\n])|(?<=[\r\n])(?=\S))"
)


def is_portable(pattern: str) -> bool:
    """Whether a pattern means the same to ``regex`` and to tiktoken, and never asks what came before.

    >>> is_portable(r"\\p{L}+|\\s+(?!\\S)|\\s"), is_portable(r"\\b\\w+|(?<=x)."), is_portable(r"(?i:i'm)")
    (True, False, False)
    """
    return PORTABLE.fullmatch(pattern) is not None


def classes(pattern: str) -> list[str]:
    """The classes of characters that a pattern speaks of, each as what it is, not as what it is not.

    >>> classes(r"[^\\s\\p{L}]+|\\p{L}|\\S")
    ['\\\\p{L}', '\\\\s']
    """
    return sorted({name[:2].lower() + name[2:] for name in regex.findall(CLASS, pattern)})


def certain_ends(words: regex.Pattern[str], text: str) -> list[int]:
    """Where those words of a text end that stay the same whatever is written behind it.

    The matcher goes from left to right. If what follows could change a word, it must have come to the end
    of the text while it looked for that word; and a match that has come to the end is what ``regex`` calls
    partial, or it is a whole one of all that is left. Where there is neither, the word is certain.

    >>> certain_ends(regex.compile(r"\\d{1,3}|\\w+|\\s+(?!\\S)|\\s"), "12345 you  ")
    [3, 5, 6, 9]
    """
    ends, at = [], 0
    while at < len(text) and words.fullmatch(text, at, partial=True) is None:
        word = words.match(text, at)
        if word is None or word.end() == at:
            break  # no pattern to cut by; the encoder will say so
        ends.append(at := word.end())
    return ends


def word_seam(words: regex.Pattern[str], text: str, tries: int = 8) -> int:
    """The last place where a text can be cut so that both parts have the words of the whole.

    The end of a certain word is no such place if the part before it has other words when it stands alone:
    the two white spaces in front of x are two words, but one where nothing follows.

    >>> word_seam(regex.compile(r"\\w+|\\s+(?!\\S)|\\s"), "so\\t\\tx")
    3
    """
    ends = certain_ends(words, text)
    for n in range(len(ends), max(0, len(ends) - tries), -1):
        if [word.end() for word in words.finditer(text, 0, ends[n - 1])] == ends[:n]:
            return ends[n - 1]
    return 0
