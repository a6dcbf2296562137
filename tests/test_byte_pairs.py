"""Byte-pair encoding by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.text.tokenization.byte_pairs import BytePairTokenizer, learn_merges, merge, pairs

# The example of Wikipedia's article on byte-pair encoding; ties go to the smaller ids.
TEXT = "aaabdaaabac"


def test_the_textbook_example():
    a, b, c, d = (ord(letter) for letter in "abcd")
    assert learn_merges(list(TEXT.encode()), 3) == [(a, a), (a, b), (256, 257)]
    assert BytePairTokenizer.train(TEXT, 261).encode(TEXT) == [258, d, 258, a, c]


def test_pairs_overlap_but_merges_do_not():
    assert pairs([7, 7, 7]) == {(7, 7): 2}
    assert merge([7, 7, 7], (7, 7), 9) == [9, 7]
    assert merge([1, 2], (2, 3), 9) == [1, 2]  # the second half of the pair would be behind the end
    assert merge([], (1, 2), 9) == []


@given(ids=st.lists(st.integers(0, 3), max_size=30), pair=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_merging_is_replacing_from_left_to_right(ids, pair):
    """Python's ``replace`` on strings of one letter an id."""
    letters = "".join("abcd"[i] for i in ids)
    expected = letters.replace("abcd"[pair[0]] + "abcd"[pair[1]], "e")
    assert "".join("abcde"[i] for i in merge(ids, pair, 4)) == expected


def test_encoding_the_text_that_was_learnt_from_gives_what_learning_left():
    ids = list(TEXT.encode() * 5)
    merges = learn_merges(ids, 6)
    for new, pair in enumerate(merges, start=256):
        ids = merge(ids, pair, new)
    assert BytePairTokenizer(merges).encode(TEXT * 5) == ids


def test_a_text_too_short_to_merge_gives_fewer_merges():
    assert learn_merges([1, 2], 5) == [(1, 2)]


def test_what_cannot_be_says_so():
    with pytest.raises(ValueError, match="ask for at least 258"):
        BytePairTokenizer.train(TEXT, 100)
    with pytest.raises(ValueError, match=r"merge 1 is of 257 and 97; it can be of older ids only"):
        BytePairTokenizer([(97, 97), (257, 97)])
