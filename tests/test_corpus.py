"""The door from files to strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.text.corpus import DATA, MANIFEST, data_folder, read_parts, read_text, shipped_texts, split


def test_a_file_is_read_as_it_stands(tmp_path):
    path = tmp_path / "play.txt"
    path.write_bytes("ROMEO:\r\nnaïve 🦙\n".encode("utf-8-sig"))
    assert read_text(path) == "ROMEO:\nnaïve 🦙\n"


def test_a_shipped_text_is_found_by_name():
    assert "tales-en" in shipped_texts()
    assert len(read_text("tales-en")) > 100_000


def test_a_shipped_text_brings_what_to_hold_out():
    train, held_out = read_parts("tales-en")
    assert train == read_text("tales-en") and held_out == read_text("tales-en-validation")
    assert read_parts(DATA / "tales" / ".." / "tales-en.txt") == (train, held_out)
    assert "tales-en-validation" not in shipped_texts()


def test_of_other_texts_the_last_tenth_is_held_out(tmp_path):
    (tmp_path / "own.txt").write_text("word " * 1000)
    assert read_parts(tmp_path / "own.txt") == split("word " * 1000)


def test_data_is_found_in_a_clone_and_in_an_installed_package(tmp_path):
    clone, wheel = tmp_path / "clone" / "llamalite", tmp_path / "site" / "llamalite"
    for folder in (clone.parent / "data", wheel / "data"):
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("cards")
    (tmp_path / "site" / "data").mkdir()  # somebody else's, beside ours
    assert data_folder(clone) == clone.parent / "data" and data_folder(wheel) == wheel / "data"
    assert (DATA / "README.md").is_file() and (DATA / "tales" / "en.txt").is_file()


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


@pytest.mark.parametrize("written", ["[1", "{}", "[]", '{"shards": [{"name": "a.txt"}]}'])
def test_a_manifest_that_lists_nothing_is_refused(tmp_path, written):
    (tmp_path / MANIFEST).write_text(written)
    with pytest.raises(ValueError, match="lists no files of a corpus; give a text file, or tales-"):
        read_text(tmp_path)


def test_a_corpus_cannot_name_files_outside_its_folder(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / MANIFEST).write_text('{"shards": [{"name": "../secret.txt", "sha256": ""}]}')
    with pytest.raises(FileNotFoundError, match=r"corpus.secret\.txt is missing"):
        read_text(folder)


def test_a_folder_does_not_hide_a_shipped_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tales-en").mkdir()
    assert read_text("tales-en") == (DATA / "tales-en.txt").read_text(encoding="utf-8")


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
