"""Special strings are text unless they are allowed by name; half characters are never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.text.tokenization.specials import decode_parts, repair, split_specials

IDS = {"<a>": 1, "<a><b>": 2, "<b>": 3, ".*": 4}


def test_nothing_is_special_until_it_is_allowed():
    assert list(split_specials("x<a>y", IDS, ())) == ["x<a>y"]
    assert list(split_specials("x<a>y", IDS, {"<a>"})) == ["x", 1, "y"]
    assert list(split_specials("x<a>y<b>", IDS, {"<b>"})) == ["x<a>y", 3]


def test_the_longest_is_meant():
    assert list(split_specials("<a><b><a>", IDS, "all")) == [2, 1]
    assert list(split_specials("<a><b>", IDS, ["<a>", "<b>"])) == [1, 3]


def test_a_special_string_is_no_pattern():
    assert list(split_specials("x.*", IDS, "all")) == ["x", 4]


@given(
    parts=st.lists(st.sampled_from(["<a>", "<b>", ".*", "<", "a>", " ", "é"])),
    allowed=st.sets(st.sampled_from(list(IDS))),
)
def test_the_parts_join_to_the_text(parts, allowed):
    strings = {number: string for string, number in IDS.items()}
    text = "".join(parts)
    found = list(split_specials(text, IDS, allowed))
    assert "".join(strings[part] if isinstance(part, int) else part for part in found) == text
    assert all(part and not any(a in part for a in allowed) for part in found if isinstance(part, str))


def test_what_is_not_special_here_says_so():
    with pytest.raises(ValueError, match="'<c>' is no special token of this tokenizer; it has <a>, "):
        list(split_specials("x", IDS, {"<c>"}))
    with pytest.raises(ValueError, match="several strings"):  # whose letters would be taken one by one
        list(split_specials("x", IDS, "<a>"))


def test_halves_of_surrogate_pairs_are_repaired():
    assert repair("a\ud83e\udd99b") == "a🦙b"
    assert repair("\udd99\ud83e") == "��"
    assert repair("né 🦙") == "né 🦙"


def test_a_special_token_ends_a_character_that_was_begun():
    llama = [bytes([byte]) for byte in "🦙".encode()]
    assert list(decode_parts(llama, "replace")) == ["🦙"]
    assert "".join(decode_parts([*llama[:2], b"", *llama[2:]], "replace")).count("�") >= 2
