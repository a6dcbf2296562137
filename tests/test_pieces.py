"""Our SentencePiece against ``sentencepiece`` itself, on Llama 2's own file and on one with user symbols."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from texts import texts

from llamalite.text.tokenization.piece_file import Model
from llamalite.text.tokenization.pieces import PieceTokenizer

# Golden vectors of facts D1.
GOLDEN = {
    "Hello this is a test": [15043, 445, 338, 263, 1243],
    "Hello world": [15043, 3186],
    "  ": [1678],
    " ": [259],
    "  two  spaces": [259, 1023, 29871, 8162],
    "2023 was 12.5%": [29871, 29906, 29900, 29906, 29941, 471, 29871, 29896, 29906, 29889, 29945, 29995],
    "a\nb\tc": [263, 13, 29890, 12, 29883],
    "안녕하세요 세계": [29871, 31734, 238, 136, 152, 30944, 31578, 31527, 29871, 31578, 237, 182, 135],
    "🦙 llama": [29871, 243, 162, 169, 156, 11148, 3304],
    "naïve café": [1055, 30085, 345, 274, 28059],
    "trailing ": [25053, 29871],
    "<s>": [529, 29879, 29958],
    "": [],
}
USER_SYMBOLS = ["<user>", "<use", "[x] y"]
TEXT = "The cat sat on the mat, and the 12 rats sat on the 34 hats.\nThat was that.\n" * 30


@pytest.fixture(scope="module")
def content(real) -> bytes:
    return (real / "llama2-tokenizer.model").read_bytes()


@pytest.fixture(scope="module")
def llama2(content) -> PieceTokenizer:
    return PieceTokenizer(content)


@pytest.fixture(scope="module")
def library(content) -> SentencePieceProcessor:
    return SentencePieceProcessor(model_proto=content)


@pytest.mark.parametrize("text", GOLDEN)
def test_golden(llama2, library, text):
    assert llama2.encode(text) == GOLDEN[text] == library.encode(text)
    assert llama2.decode(GOLDEN[text]) == text


@settings(max_examples=10_000, deadline=None)
@given(text=texts)
def test_ids_are_the_librarys_on_whatever_is_written(llama2, library, text):
    ids = llama2.encode(text)
    assert ids == library.encode(text)
    assert llama2.decode(ids) == library.decode(ids) == text.replace("▁", " ")


@settings(max_examples=10_000, deadline=None)
@given(
    ids=st.lists(
        st.one_of(st.integers(0, 31_999), st.integers(0, 258), st.sampled_from([1, 2, 29871])), max_size=10
    )
)
@example(ids=[225, 2, 180])  # a special token in the middle of a character
@example(ids=[35, 29871, 3000])  # a space that is a byte is no dummy prefix
def test_text_is_the_librarys_whatever_the_ids(llama2, library, ids):
    """Most of these are no UTF-8."""
    assert llama2.decode(ids) == library.decode(ids)


def test_a_book_both_ways(real, llama2, library):
    text = (real / "tinyshakespeare.txt").read_text(encoding="utf-8")
    ids = llama2.encode(text)
    assert ids == library.encode(text) and llama2.decode(ids) == text


@pytest.mark.parametrize("long", ["a" * 30_000, " " * 30_000, "🦙" * 10_000, "ab " * 10_000, "1" * 30_000])
def test_long_runs(llama2, library, long):
    assert llama2.encode(long) == library.encode(long)


@pytest.fixture(scope="module")
def with_symbols() -> PieceTokenizer:
    return PieceTokenizer.train(TEXT, 300, USER_SYMBOLS)


@settings(max_examples=1_000, deadline=None)
@given(text=texts)
@example(text="<user> cat<user>")
@example(text="<use<user>")
def test_user_symbols_are_never_taken_apart(with_symbols, text):
    """With a file that we have written, on which both must agree as well."""
    library = SentencePieceProcessor(model_proto=with_symbols.model)
    assert with_symbols.encode(text) == library.encode(text)
    ids = with_symbols.encode(text)
    assert with_symbols.decode(ids) == library.decode(ids)


def test_spaces_at_both_ends_come_back(with_symbols):
    for text in (" cat ", "  cat  ", "\ncat\n", " ", "\t", "s", "<s>"):
        assert with_symbols.decode(with_symbols.encode(text, bos=True, eos=True)) == text


def test_user_symbols_have_ids_of_their_own(with_symbols):
    assert [with_symbols.pieces[i].text for i in range(3, 6)] == ["<user>", "<use", "[x]▁y"]
    assert with_symbols.encode("<user>cat").count(3) == 1


def test_without_dummy_prefix(llama2):
    plain = PieceTokenizer(Model(llama2.pieces, dummy_prefix=False))
    library = SentencePieceProcessor(model_proto=plain.model)
    for text in GOLDEN:
        assert plain.encode(text) == library.encode(text)
        assert plain.decode(plain.encode(text)) == library.decode(plain.encode(text)) == text


def test_the_layout_is_llamas(with_symbols):
    """Facts D1: unk 0, bos 1, eos 2, then the bytes in their order (user symbols come before them)."""
    assert (with_symbols.bos_id, with_symbols.eos_id, with_symbols.vocab_size) == (1, 2, 300)
    first = 3 + len(USER_SYMBOLS)
    assert [with_symbols.token_bytes(first + b) for b in range(256)] == [bytes([b]) for b in range(256)]
    assert with_symbols.encode("\n")[-1] == first + 10  # no piece crosses a line


def test_every_number_is_split_into_digits(with_symbols):
    learnt = [piece.text for piece in with_symbols.pieces[3 + len(USER_SYMBOLS) + 256 :]]
    assert all(len(piece) == 1 for piece in learnt if any(c.isdigit() for c in piece))


@pytest.mark.parametrize(
    ("size", "message"),
    [(5000, r"too small for 5000 pieces; ask for at most \d+"), (100, r"100 pieces .* ask for at least \d+")],
)
def test_an_impossible_vocabulary_names_a_possible_one(size, message):
    with pytest.raises(ValueError, match=message) as error:
        PieceTokenizer.train(TEXT, size)
    possible = int(str(error.value).split()[-1 if size == 100 else -4].strip(","))
    assert PieceTokenizer.train(TEXT, possible).vocab_size == possible
    with pytest.raises(ValueError):
        PieceTokenizer.train(TEXT, possible + (1 if size == 5000 else -1))


def test_a_text_without_words_says_so():
    with pytest.raises(ValueError, match="no words to learn from"):
        PieceTokenizer.train("\n\n", 300)
