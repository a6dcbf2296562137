"""Both tokenizers through one interface; SentencePiece against the ids of Llama 2's own file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer, stream_text

TEXT = "The cat sat on the mat, and the 12 rats sat on the 34 hats.\nThat was that.\n" * 30


@pytest.fixture(scope="module")
def pieces():
    return PieceTokenizer.train(TEXT, 300)


@pytest.fixture(params=["bytes", "pieces"])
def tokenizer(request, pieces) -> Tokenizer:
    return ByteTokenizer() if request.param == "bytes" else pieces


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁\0"))


@settings(max_examples=200, deadline=None)
@given(text=anything)
def test_round_trip(pieces, text):
    for tokenizer in (pieces, ByteTokenizer()):
        assert tokenizer.decode(tokenizer.encode(text, bos=True, eos=True)) == text


@settings(max_examples=200, deadline=None)
@given(text=anything)
def test_a_stream_joins_to_the_text_and_never_splits_a_character(pieces, text):
    for tokenizer in (pieces, ByteTokenizer()):
        parts = list(stream_text(tokenizer, tokenizer.encode(text)))
        assert "".join(parts) == text
        assert ("�" in text) or not any("�" in part for part in parts)


def test_a_stream_waits_for_the_last_byte_of_a_character():
    taken = []
    ids = (taken.append(i) or i for i in "a🦙b".encode())
    stream = stream_text(ByteTokenizer(), ids)
    assert (next(stream), len(taken)) == ("a", 1)
    assert (next(stream), len(taken)) == ("🦙", 5)
    assert list(stream) == ["b"]


def test_a_stream_that_ends_within_a_character_says_so():
    assert list(stream_text(ByteTokenizer(), "é".encode()[:1])) == ["�"]


def test_a_continued_stream_keeps_its_first_space(pieces):
    ids = pieces.encode("cat")
    assert "".join(stream_text(pieces, ids)) == "cat"
    assert "".join(stream_text(pieces, ids, continues=True)) == " cat"


def test_special_strings_in_text_are_text(tokenizer):
    for text in ("<s>", "</s>", "<unk>", "<0x0A>"):
        ids = tokenizer.encode(text)
        assert tokenizer.bos_id not in ids and tokenizer.eos_id not in ids
        assert tokenizer.decode(ids) == text


def test_bos_and_eos_stand_at_the_ends(tokenizer):
    ids = tokenizer.encode("cat", bos=True, eos=True)
    assert (ids[0], ids[-1]) == (tokenizer.bos_id, tokenizer.eos_id)
    assert tokenizer.decode(ids) == "cat"


def test_it_loads_as_it_was_saved(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert isinstance(again, type(tokenizer)) and isinstance(again, Tokenizer)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)


def test_a_folder_without_tokenizer_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


def test_a_damaged_model_says_so(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"tokenizer\.model is not a SentencePiece model"):
        load_tokenizer(tmp_path)


def test_the_layout_is_llamas(pieces):
    """Facts D1: unk 0, bos 1, eos 2, then the bytes at byte + 3."""
    assert (pieces.bos_id, pieces.eos_id, pieces.vocab_size) == (1, 2, 300)
    assert [pieces.token_bytes(3 + b) for b in range(256)] == [bytes([b]) for b in range(256)]
    assert pieces.encode("\n")[-1] == 3 + 10  # no piece crosses a line


def test_every_number_is_split_into_digits(pieces):
    learnt = [pieces.pieces.id_to_piece(i) for i in range(259, 300)]
    assert all(len(piece.lstrip("▁")) == 1 for piece in learnt if any(c.isdigit() for c in piece))


def test_training_is_silent(capfd):
    PieceTokenizer.train(TEXT, 290)
    assert capfd.readouterr() == ("", "")


def test_a_long_line_is_learnt_from_too():
    """The library skips lines above 4,192 bytes unless told otherwise."""
    tokenizer = PieceTokenizer.train("abracadabra " * 1000, 280)
    assert len(tokenizer.encode("abracadabra")) <= 2


@pytest.mark.parametrize(
    ("size", "message"),
    [(5000, r"too small for 5000 pieces; ask for at most \d+"), (100, r"100 pieces .* ask for at least \d+")],
)
def test_an_impossible_vocabulary_names_a_possible_one(size, message):
    with pytest.raises(ValueError, match=message) as error:
        PieceTokenizer.train(TEXT, size)
    possible = int(str(error.value).split()[-1 if size == 100 else -4].strip(","))
    assert PieceTokenizer.train(TEXT, possible).vocab_size == possible


def test_llama2s_own_file_gives_its_own_ids(real):
    """Golden vectors of facts D1, and the bytes of a stream."""
    llama2 = PieceTokenizer((real / "llama2-tokenizer.model").read_bytes())
    assert llama2.vocab_size == 32_000
    assert llama2.encode("Hello this is a test") == [15043, 445, 338, 263, 1243]
    assert llama2.encode("<s>") == [529, 29879, 29958]
    assert llama2.encode("🦙 llama") == [29871, 243, 162, 169, 156, 11148, 3304]
    assert list(stream_text(llama2, llama2.encode("🦙 llama"))) == ["🦙", " ll", "ama"]
