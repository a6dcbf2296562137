"""Llama 3's file format: read, written, and every way it can be wrong."""

import pytest
from tiktoken.load import load_tiktoken_bpe

from llamalite.text.tokenization.rank_file import read_ranks, write_ranks
from llamalite.text.tokenization.ranked import byte_order

TOKENS = [*byte_order(), b"he", b"\xec\x95"]
LINES = write_ranks(TOKENS).split(b"\n")


def damaged(line: int, content: bytes) -> bytes:
    """The file with another line (from 1) in place of its own."""
    return b"\n".join([*LINES[: line - 1], content, *LINES[line:]])


def test_it_reads_what_it_wrote_and_so_does_tiktoken(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")  # or it would find what an earlier test run left there
    path = tmp_path / "tokenizer.model"
    path.write_bytes(write_ranks(TOKENS))
    assert read_ranks(path.read_bytes()) == TOKENS
    assert load_tiktoken_bpe(str(path)) == {token: rank for rank, token in enumerate(TOKENS)}


def test_line_ends_of_windows_and_a_missing_last_one_do_not_matter():
    assert read_ranks(write_ranks(TOKENS).replace(b"\n", b"\r\n")) == TOKENS
    assert read_ranks(write_ranks(TOKENS).rstrip()) == TOKENS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (damaged(7, b"a*c= 6"), r"line 7: 'a\*c=' is not base64"),
        (damaged(7, b"YQ= 6"), r"line 7: 'YQ=' is not base64"),
        (damaged(7, b"YQ=="), r"line 7: 'YQ==' is not a token in base64 and its rank"),
        (damaged(7, b"YQ== six"), r"line 7: 'YQ== six' is not a token"),
        (damaged(7, LINES[6].replace(b" 6", b" 5")), r"line 7: rank 5 was given already, in line 6"),
        (damaged(7, LINES[5].replace(b" 5", b" 6")), r"line 7: b'&' is a token already, of rank 5 in line 6"),
        (damaged(7, b""), r"line 8: rank 6 is missing before it"),
        (damaged(7, LINES[6].replace(b" 6", b" 999")), r"rank 6 is missing"),
        (write_ranks(TOKENS)[:-5], r"line 258: '7JU=' is not a token"),
        (b"\n".join(LINES[:200]), r"the byte \d+ \(0x..\) is not among its tokens; is the file whole\?"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"line 1: '\\ufffdPNG"),
        (b"", r"there is no token in it"),
        (b"\n\n", r"there is no token in it"),
    ],
)
def test_a_wrong_file_names_its_line(content, message):
    with pytest.raises(ValueError, match=message):
        read_ranks(content)


def test_llama3s_own_file(real):
    """Facts D3: 128,000 lines; the bytes first, the printable ones before all."""
    content = (real / "llama3-tokenizer.model").read_bytes()
    tokens = read_ranks(content)
    assert len(tokens) == 128_000 and tokens[:256] == byte_order()
    assert write_ranks(tokens) == content
