"""Protocol buffers by hand, against the module that ``sentencepiece`` brings and against its own reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor

from llamalite.text.tokenization.piece_file import (
    BYTE,
    NORMAL,
    Model,
    Piece,
    fields,
    read_model,
    write_fields,
    write_model,
)
from llamalite.text.tokenization.piece_training import fixed_pieces, train_pieces

SMALL = Model(
    (*fixed_pieces(["<user>"]), Piece("he", -0.0), Piece("h", -1.0), Piece("e", -2.0), Piece("안", -3.0))
)


def with_field(number: int, value, of: int) -> bytes:
    """SMALL's file with one more field in its trainer's (2) or its normalizer's (3) settings."""
    return write_model(SMALL) + write_fields([(of, write_fields([*((3, 2),) * (of == 2), (number, value)]))])


values = st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=200))


@given(st.lists(st.tuples(st.integers(1, 100), values)))
def test_fields_come_back(written):
    assert list(fields(write_fields(written))) == written


def test_the_library_reads_what_is_written_here():
    library = SentencePieceProcessor(model_proto=write_model(SMALL))
    found = [(library.id_to_piece(i), library.get_score(i)) for i in range(library.vocab_size())]
    assert found == [(piece.text, piece.score) for piece in SMALL.pieces]
    assert (library.unk_id(), library.bos_id(), library.eos_id(), library.pad_id()) == (0, 1, 2, -1)
    assert [library.is_byte(i) for i, _ in enumerate(SMALL.pieces)] == [p.kind == BYTE for p in SMALL.pieces]
    assert library.encode("he안") == [3 + 0xE2 + 1, 3 + 0x96 + 1, 3 + 0x81 + 1, 260, 263]


def test_what_is_written_is_read():
    assert read_model(write_model(SMALL)) == SMALL
    assert not read_model(write_model(SMALL._replace(dummy_prefix=False))).dummy_prefix


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (write_model(SMALL)[:2000], r"its settings are missing, after 118 pieces; is the file whole"),
        (write_model(SMALL)[:2001], r"after 118 pieces: .*restore it"),
        (write_model(SMALL)[:-1], r"after 264 pieces: .*bytes? more than there are"),
        (b"not a model", r"after its very beginning: "),
        (b"\x89PNG\r\n\x1a\n\0\0", "there are no pieces in it"),
        (b"", "there are no pieces in it"),
        (b"\xff" * 40, "too long"),
        (write_fields([(1, b"\x0a\x01\xff")]), "after its very beginning: 'utf-8'"),
        (write_fields([(1, write_fields([(2, 0.5)]))]), "a piece has no text"),
        (with_field(24, 1, of=2), "spaces at the ends of words"),
        (with_field(3, 1, of=2), "not a BPE model"),
        (with_field(2, b"charsmap", of=3), "normalises its text"),
        (with_field(4, 1, of=3), "removes extra spaces"),
        (with_field(5, 0, of=3), "does not write a space as ▁"),
        (write_model(Model(SMALL.pieces[:100])), "has not the 256 byte pieces"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(content, message):
    with pytest.raises(ValueError, match=message):
        read_model(content)


def test_whatever_is_cut_off_is_noticed_or_was_not_a_piece():
    content = write_model(train_pieces("the cat sat on the mat\n" * 9, 281))
    whole = read_model(content)
    for end in range(0, len(content), 7):
        try:
            found = read_model(content[:end])
        except ValueError:
            continue
        assert found == whole, end


def test_llama2s_own_file(real):
    """Facts D1 and D2."""
    pieces, dummy_prefix = read_model((real / "llama2-tokenizer.model").read_bytes())
    assert dummy_prefix and len(pieces) == 32_000
    kinds = [piece.kind for piece in pieces]
    assert (kinds.count(NORMAL), kinds.count(BYTE)) == (31_741, 256)
    runs = [piece for piece in pieces if set(piece.text) == {"▁"}]
    assert sorted(len(piece.text) for piece in runs) == list(range(1, 17))
    assert {piece.score for piece in runs} == {-1e9}
    assert all(
        piece.score == -(i - 259) for i, piece in enumerate(pieces[259:], 259) if set(piece.text) != {"▁"}
    )
