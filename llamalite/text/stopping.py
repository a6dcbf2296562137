"""Ending a text at a stop string, while it is still being written."""

from collections.abc import Iterable, Iterator, Sequence


def until(texts: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """The parts of a text up to the first of ``stops``, none of which is let out, not even in part.

    Held back is only what may be the beginning of a stop string; it follows when it was not one. Nothing
    more is asked of ``texts`` once one was found.

    >>> list(until(["one t", "wo ", "E", "ND three"], ["END"])), list(until(["an ", "E"], ["END"]))
    (['one t', 'wo '], ['an ', 'E'])
    """
    if not all(stops):
        raise ValueError("a stop string is empty; it would end every text before its first letter")
    held = ""
    for text in texts:
        held += text
        found = [(at + len(stop), at) for stop in stops if (at := held.find(stop)) >= 0]
        if found:
            _, at = min(found)  # the one that is complete first, wherever the parts were cut
            if at:
                yield held[:at]
            return
        free = len(held) - longest_beginning(held, stops)
        if free:
            yield held[:free]
            held = held[free:]
    if held:
        yield held


def longest_beginning(text: str, stops: Sequence[str]) -> int:
    """How many of the last characters may be the beginning of a stop string.

    >>> longest_beginning("what <|e", ["<|eot|>", "e.g."]), longest_beginning("what", ["<|eot|>"])
    (3, 0)
    """
    longest = max(map(len, stops), default=1) - 1
    lengths = range(min(longest, len(text)), 0, -1)
    return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in stops)), 0)
