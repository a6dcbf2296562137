"""Stop strings, against cutting the finished text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.text.stopping import until

LETTERS = st.text("ab|", max_size=12)


@given(st.lists(LETTERS, max_size=8), st.lists(st.text("ab|", min_size=1, max_size=4), max_size=3))
def test_a_stream_ends_where_the_finished_text_would_be_cut(parts, stops):
    """The earliest end of a stop string decides: that is what is known first."""
    whole = "".join(parts)
    ends = [(at + len(stop), at) for stop in stops if (at := whole.find(stop)) >= 0]
    out = "".join(until(parts, stops))
    assert out == (whole[: min(ends)[1]] if ends else whole)
    assert not any(stop in out for stop in stops)


def test_what_cannot_be_a_stop_string_comes_at_once():
    stream = until(iter(["a<", "b", "<|e", "nd|>", "never"]), ["<|end|>"])
    assert [next(stream), next(stream)] == ["a", "<b"]
    with pytest.raises(StopIteration):
        next(stream)


def test_nothing_is_written_after_the_end():
    asked = []

    def texts():
        for text in ("one ", "STOP", "two"):
            asked.append(text)
            yield text

    assert list(until(texts(), ["STOP"])) == ["one "] and asked == ["one ", "STOP"]


def test_an_empty_stop_string_is_refused():
    with pytest.raises(ValueError, match="a stop string is empty"):
        list(until(["a"], [""]))
