"""The library-backed twins: the ids of our own classes and of the libraries, and no text that stops them."""

import pytest
import sentencepiece
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st
from texts import assigned_texts, texts

from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.fast import TOO_LONG, FastPieceTokenizer, FastRankedTokenizer, fast
from llamalite.text.tokenization.piece_file import Model, Piece
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.rank_file import read_ranks
from llamalite.text.tokenization.ranked import RankedTokenizer
from llamalite.text.tokenization.specials import repair
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer, stream_text

TEXT = "They'll pay 12345 for the cat,\n\nsay 안녕 안녕, and  pay 12345!\nThe 🦙 sat  on the mat.\n" * 9
SPECIALS = ["<s>", "</s>", "<b>", "<b>>"]
odd_texts = st.lists(st.one_of(texts, st.sampled_from([*SPECIALS, "\ud83e", "\udd99"]))).map("".join)


@pytest.fixture(scope="module")
def sentencepieces(real) -> sentencepiece.SentencePieceProcessor:
    return by_library((real / "llama2-tokenizer.model").read_bytes())


def by_library(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


@pytest.fixture(scope="module")
def llama2(real):
    return load_tokenizer(real / "llama2-tokenizer.model")


@pytest.fixture(scope="module")
def llama3(real):
    return load_tokenizer(real / "llama3-tokenizer.model")


@pytest.fixture(scope="module")
def tiktokens(real) -> tiktoken.Encoding:
    """Llama 3's file in tiktoken's own reader's stead, with nothing of ours between."""
    tokens = read_ranks((real / "llama3-tokenizer.model").read_bytes())
    ranks = {token: rank for rank, token in enumerate(tokens)}
    pattern = RankedTokenizer(tokens).pattern
    return tiktoken.Encoding("oracle", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


# --- the same ids as ours and as theirs ----------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(text=odd_texts)
@example(text="\0a\0 \0")
@example(text="▁▁ ▁a")
def test_llama2s_ids_are_ours_and_the_librarys(llama2, sentencepieces, text):
    ids = llama2.encode(text)
    assert ids == llama2.plain.encode(text)
    assert ids == sentencepieces.encode(repair(text))


@settings(max_examples=300, deadline=None)
@given(text=odd_texts)
@example(text="a\U000323b0a1\U00011de0 1")  # a letter and a digit of Unicode 17, which tiktoken does not know
@example(text="\U00050000a")  # not even of Unicode 17
def test_llama3s_ids_are_ours(llama3, text):
    assert llama3.encode(text) == llama3.plain.encode(text)


@settings(max_examples=300, deadline=None)
@given(text=assigned_texts)
@example(text="\0a\0 \0")
def test_llama3s_ids_are_tiktokens(llama3, tiktokens, text):
    assert llama3.encode(text) == tiktokens.encode_ordinary(text)


def test_a_book(real, llama2, sentencepieces, llama3, tiktokens):
    text = (real / "tinyshakespeare.txt").read_text(encoding="utf-8")
    assert llama2.encode(text) == sentencepieces.encode(text)
    assert llama3.encode(text) == tiktokens.encode_ordinary(text)


PIECES = PieceTokenizer.train(TEXT, 318, ["<user>", "<use", "[x] y"])
RANKED = RankedTokenizer.train(TEXT, 300, special_tokens=SPECIALS)
TWINS = {"pieces": fast(PIECES), "ranked": fast(RANKED)}


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=200, deadline=None)
@given(text=odd_texts, special=st.sampled_from([(), {"</s>"}, "all"]))
@example(text="<b>>[x] y<user>x</s>", special="all")
def test_learnt_here(name, text, special):
    twin = TWINS[name]
    ids = twin.encode(text, True, True, special)
    assert ids == twin.plain.encode(text, True, True, special)
    assert twin.decode(ids) == twin.plain.decode(ids) == "".join(stream_text(twin, ids))


def test_a_piece_with_a_space_inside():
    """Such a model cannot be shown word by word; ours and theirs agree all the same."""
    pieces = [*PIECES.pieces, Piece("at▁", -0.5), Piece("at▁s", -0.25)]
    odd = PieceTokenizer(Model(tuple(pieces)))
    assert FastPieceTokenizer(odd).encode(TEXT) == odd.encode(TEXT) == by_library(odd.model).encode(TEXT)


def test_without_dummy_prefix():
    plain = PieceTokenizer(Model(tuple(PIECES.pieces), dummy_prefix=False))
    twin = fast(plain)
    assert not twin.dummy_prefix and twin.encode(TEXT) == plain.encode(TEXT) != PIECES.encode(TEXT)


# --- what stops the libraries -----------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["a", " ", "\n", "🦙", "1", "\0", "▁", "ab "])
def test_long_runs(llama2, llama3, unit):
    text = unit * (20_000 // len(unit))
    for tokenizer in (llama2, llama3):
        assert tokenizer.encode(text) == tokenizer.plain.encode(text)


def test_so_many_spaces_that_tiktoken_would_abort():
    """It does at 999,999; a file of no size to speak of must not end a training."""
    with pytest.raises(BaseException, match="StackOverflow"):
        TWINS["ranked"].library.encode_ordinary(" " * 1_000_000)
    text = "a" + " " * 500_000 + "b"
    assert TOO_LONG.search(text)
    assert TWINS["ranked"].decode(TWINS["ranked"].encode(text)) == text


def test_whatever_tiktoken_aborts_on_is_encoded_all_the_same():
    """Another pattern has other limits."""
    twin, text = FastRankedTokenizer(RANKED.tokens, r"(?:\p{L}|\d)+(?!x)|.|\n", SPECIALS), "z" * 500_000
    with pytest.raises(BaseException, match="StackOverflow"):
        twin.library.encode_ordinary(text)
    assert twin.decode(twin.encode(text)) == text


def test_other_errors_are_not_swallowed(monkeypatch):
    class Stopped:
        def encode_ordinary(self, text):
            raise KeyboardInterrupt

    twin = fast(RANKED)
    monkeypatch.setattr(twin, "library", Stopped())
    with pytest.raises(KeyboardInterrupt):
        twin.encode("a")


def test_doubtful_characters_are_those_of_other_unicode_versions(llama3):
    """Each is one that at least one library does not know yet; everything that is assigned is agreed on."""
    import unicodedata

    assert all(unicodedata.category(c) == "Cn" for c in llama3.doubtful) or unicodedata.unidata_version > "16"
    assert "é" not in llama3.doubtful


# --- all else is ours ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TWINS)
def test_they_are_tokenizers(name, tmp_path):
    twin = TWINS[name]
    assert isinstance(twin, Tokenizer)
    twin.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert type(again) is type(twin) and again.encode(TEXT) == twin.encode(TEXT)
    assert type(load_tokenizer(tmp_path, fast=False)) is type(twin.plain)
    assert [twin.token_bytes(i) for i in range(300)] == [twin.plain.token_bytes(i) for i in range(300)]
    with pytest.raises(ValueError, match="is not one of the"):
        twin.token_bytes(twin.vocab_size)


def test_from_what_is_in_a_file():
    assert FastPieceTokenizer(PIECES.model).encode(TEXT) == PIECES.encode(TEXT)
    assert FastRankedTokenizer(RANKED.tokens, special_tokens=SPECIALS).encode(TEXT) == RANKED.encode(TEXT)


def test_those_without_a_library_stay_what_they_are():
    for tokenizer in (ByteTokenizer(), BytePairTokenizer([])):
        assert fast(tokenizer) is tokenizer


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"\x89PNG\r\n\x1a\n", PIECES.model[:2000]])
def test_what_is_no_model_is_refused_by_our_reader(content):
    with pytest.raises(ValueError, match=r"not a SentencePiece model|its settings are missing"):
        FastPieceTokenizer(content)


def test_a_pattern_of_two_meanings_is_refused():
    with pytest.raises(ValueError, match="may mean something else to tiktoken; use RankedTokenizer"):
        FastRankedTokenizer(RANKED.tokens, r"(?<=a)b|.", SPECIALS)
