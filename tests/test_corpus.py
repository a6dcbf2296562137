"""The door from files to strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.text.corpus import read_text, shipped_texts, split


def test_a_file_is_read_as_it_stands(tmp_path):
    path = tmp_path / "play.txt"
    path.write_bytes("ROMEO:\r\nnaïve 🦙\n".encode("utf-8-sig"))
    assert read_text(path) == "ROMEO:\nnaïve 🦙\n"


def test_a_shipped_text_is_found_by_name():
    assert "tales-en" in shipped_texts()
    assert len(read_text("tales-en")) > 100_000


def test_a_misspelt_file_gets_the_near_name(tmp_path):
    (tmp_path / "plays.txt").write_text("text")
    with pytest.raises(FileNotFoundError, match=r"no file .*play\.txt; did you mean plays\.txt\?.*tales-en"):
        read_text(tmp_path / "play.txt")


def test_a_misspelt_shipped_text_gets_the_near_name():
    with pytest.raises(FileNotFoundError, match="did you mean tales-en"):
        read_text("tale-en")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "void.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"void\.txt is empty; give a file"):
        read_text(tmp_path / "void.txt")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; give one text file"):
        read_text(tmp_path)


def test_latin1_is_refused_at_its_byte(tmp_path):
    (tmp_path / "old.txt").write_bytes("caf\u00e9!".encode("latin1"))
    with pytest.raises(ValueError, match=r"not UTF-8: byte 0xe9 at position 3 .* iconv -f LATIN1"):
        read_text(tmp_path / "old.txt")


@given(st.text(min_size=1), st.floats(0.05, 0.95))
def test_the_parts_of_a_split_are_the_text(text, share):
    assert "".join(split(text, share)) == text


def test_the_cut_falls_between_paragraphs():
    text = "".join(f"paragraph {i:03d} of the text\n\n" for i in range(200))
    first, second = split(text, 0.1)
    assert second.startswith("paragraph 180") and first.endswith("\n\n")


def test_the_cut_falls_on_the_exact_place_where_there_is_no_boundary():
    assert split("x" * 100, 0.1) == ("x" * 90, "x" * 10)


def test_the_share_must_be_a_share():
    with pytest.raises(ValueError, match="share between 0 and 1"):
        split("text", 10)
