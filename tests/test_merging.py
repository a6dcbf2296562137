"""Merging by a heap against merging by looking again for the best pair after every merge."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llamalite.text.tokenization.merging import merge_symbols


def merge_slowly(symbols, rank):
    parts = list(symbols)
    while True:
        found = [(rank(a + b), i) for i, (a, b) in enumerate(pairwise(parts))]
        ranked = [(r, i) for r, i in found if r is not None]
        if not ranked:
            return parts
        _, i = min(ranked)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


tables = st.dictionaries(st.text("ab", min_size=2, max_size=5), st.integers(0, 4))  # many ties


@given(text=st.text("ab", max_size=25), ranks=tables)
def test_the_heap_merges_what_looking_again_would(text, ranks):
    assert merge_symbols(text, ranks.get) == merge_slowly(text, ranks.get)


def test_bytes_merge_like_characters():
    ranks = {b"\xc3\xa9": 0}
    assert merge_symbols([b"a", b"\xc3", b"\xa9"], ranks.get) == [b"a", b"\xc3\xa9"]


def test_nothing_and_one_symbol_stay_what_they_are():
    assert merge_symbols("", {}.get) == [] and merge_symbols("a", {}.get) == ["a"]


def test_a_long_run_is_no_trouble():
    """Looking again after each merge would take 10¹⁰ steps."""
    ranks = {"a" * 2**n: n for n in range(1, 5)}
    assert merge_symbols("a" * 100_001, ranks.get) == ["a" * 16] * 6250 + ["a"]


def test_the_leftmost_is_first_on_a_tie():
    assert merge_symbols("aaa", {"aa": 0}.get) == ["aa", "a"]
    assert merge_symbols("abab", {"ab": 1, "ba": 1}.get) == ["ab", "ab"]
