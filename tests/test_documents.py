"""Downloads → a text of whole documents, a blank line after each."""

import importlib.machinery
import sys
from types import ModuleType

import pytest

from llamalite.text.documents import read_parquet, read_separated, require_parquet, write_documents

DOCUMENTS = ["A llama sat.\nIt had a hat.", "  ", "Ein Lama saß.", "A third."]


def test_documents_are_parted_by_a_blank_line(tmp_path):
    written = write_documents(DOCUMENTS, tmp_path / "all.txt")
    raw = (tmp_path / "all.txt").read_bytes()
    assert raw.decode() == "A llama sat.\nIt had a hat.\n\nEin Lama saß.\n\nA third.\n\n"
    assert written == len(raw)


# 28 bytes, then 16 ("ß" is two), then 10.
@pytest.mark.parametrize(("size", "written"), [(1, 28), (43, 28), (44, 44), (53, 44), (54, 54), (999, 54)])
def test_only_whole_documents_fit_and_one_always_does(tmp_path, size, written):
    documents = [document for document in DOCUMENTS if document.strip()]
    assert write_documents(documents, tmp_path / "some.txt", size) == written
    assert (tmp_path / "some.txt").stat().st_size == written


def test_a_text_is_there_when_all_of_it_is(tmp_path):
    def breaks_off():
        yield "One."
        raise OSError("disk trouble")

    with pytest.raises(OSError, match="trouble"):
        write_documents(breaks_off(), tmp_path / "half.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_stray_byte_costs_one_character(tmp_path):
    (tmp_path / "raw.txt").write_bytes(b"One.\r\n<|endoftext|>\nT\xffwo.\n<|endoftext|>\n")
    assert list(read_separated(tmp_path / "raw.txt", "<|endoftext|>")) == ["One.", "T\ufffdwo."]


def test_a_parquet_table_row_by_row(tmp_path):
    arrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    rows = {"id": [1, 2, 3], "text": ["One.\n", None, "Zwei ß."]}
    parquet.write_table(arrow.table(rows), tmp_path / "t.parquet")
    assert list(read_parquet(tmp_path / "t.parquet")) == ["One.", "", "Zwei ß."]


def test_without_pyarrow_the_sentence_comes_first(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"fineweb.* run: pip install pyarrow, then the same command"):
        require_parquet("fineweb")


def test_with_pyarrow_there_is_none(monkeypatch):
    fake = ModuleType("pyarrow")
    fake.__spec__ = importlib.machinery.ModuleSpec("pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow", fake)
    require_parquet("fineweb")
