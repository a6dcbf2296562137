"""Our ranked byte pairs against ``tiktoken``, on Llama 3's own file and on one that was learnt here."""

import re

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st
from texts import assigned_texts, texts

from llamalite.text.tokenization.merging import merge_symbols
from llamalite.text.tokenization.rank_file import read_ranks
from llamalite.text.tokenization.ranked import RankedTokenizer, llama3_specials, split_words

# Golden vectors of facts D3.
GOLDEN = {
    "This is a test sentence.": [2028, 374, 264, 1296, 11914, 13],
    "Hello this is a test": [9906, 420, 374, 264, 1296],
    "Hello world": [9906, 1917],
    "  two  spaces": [220, 1403, 220, 12908],
    "2023 was 12.5%": [2366, 18, 574, 220, 717, 13, 20, 4],
    "1234567890": [4513, 10961, 16474, 15],
    "a\nb\tc": [64, 198, 65, 1470],
    "안녕하세요 세계": [101193, 124409, 110572],
    "🦙 llama": [9468, 99, 247, 94776],
    " việc": [100769],
    "\n\n": [271],
    "": [],
}


def by_tiktoken(tokenizer: RankedTokenizer) -> tiktoken.Encoding:
    return tiktoken.Encoding(
        "oracle",
        pat_str=tokenizer.pattern,
        mergeable_ranks=tokenizer.ranks,
        special_tokens=dict(tokenizer.special_ids),
    )


@pytest.fixture(scope="module")
def llama3(real) -> RankedTokenizer:
    return RankedTokenizer(read_ranks((real / "llama3-tokenizer.model").read_bytes()))


@pytest.fixture(scope="module")
def library(llama3) -> tiktoken.Encoding:
    return by_tiktoken(llama3)


@pytest.fixture(scope="module")
def small() -> RankedTokenizer:
    return RankedTokenizer.train("They'll pay 12345 for the cat,\n\nsay 안녕 안녕, and pay 12345!\n" * 9, 290)


@pytest.mark.parametrize("text", GOLDEN)
def test_golden(llama3, library, text):
    assert llama3.encode(text) == GOLDEN[text] == library.encode_ordinary(text)
    assert llama3.decode(GOLDEN[text]) == text


@settings(max_examples=10_000, deadline=None)
@given(text=assigned_texts)
def test_ids_are_the_librarys_on_whatever_is_written(llama3, library, text):
    ids = llama3.encode(text)
    assert ids == library.encode_ordinary(text)
    assert llama3.decode(ids) == text


@settings(max_examples=10_000, deadline=None)
@given(ids=st.lists(st.one_of(st.integers(0, 127_999), st.integers(0, 255)), max_size=10))
def test_text_is_the_librarys_whatever_the_ids(llama3, library, ids):
    """Most of these are no UTF-8."""
    assert llama3.decode(ids) == library.decode(ids)


@settings(max_examples=1_000, deadline=None)
@given(text=assigned_texts)
def test_a_vocabulary_learnt_here_is_encoded_alike(small, text):
    assert small.encode(text) == by_tiktoken(small).encode_ordinary(text)
    assert small.decode(small.encode(text)) == text


def test_a_book_both_ways(real, llama3, library):
    text = (real / "tinyshakespeare.txt").read_text(encoding="utf-8")
    ids = llama3.encode(text)
    assert ids == library.encode_ordinary(text) and llama3.decode(ids) == text


def test_588_tokens_cannot_be_reached_by_merging(llama3):
    """Facts D3; a word that is a token is looked up, so that each encodes to itself all the same."""
    unreachable = [
        token
        for token in llama3.tokens
        if merge_symbols([bytes([byte]) for byte in token], llama3.ranks.get) != [token]
    ]
    assert len(unreachable) == 588
    assert min(map(llama3.ranks.__getitem__, unreachable)) >= 100_256
    assert all(llama3.encode_word(token) == [llama3.ranks[token]] for token in unreachable)


def test_a_word_that_is_a_token_is_never_taken_apart(small):
    """In small what Llama 3's file is, with tokens of another vocabulary at its end: "pays" has no two halves
    that are tokens, once "pa" has been merged."""
    other = [bytes([byte]) for byte in range(256)] + [b"pa", b"ay", b"p" + b"ay" + b"s"]
    appended = RankedTokenizer(other, special_tokens=["<s>", "</s>"])
    assert appended.encode("pays") == [258] and appended.encode("payx") == [256, *b"yx"]


def test_a_dialogue_has_one_beginning(small):
    ids = small.encode("<|begin_of_text|>hello", allowed_special={"<|begin_of_text|>"})
    assert ids == small.encode("hello", bos=True) and ids.count(small.bos_id) == 1


def test_all_numbers_of_up_to_three_digits_are_tokens(llama3):
    numbers = [f"{n:0{digits}}" for digits in (1, 2, 3) for n in range(10**digits)]
    assert len(numbers) == 1110
    assert all(len(llama3.encode(number)) == 1 for number in numbers)


# Special tokens by id: facts D3's table, the last column for what its release calls "current".
TABLE = {
    0: ("begin_of_text", "begin_of_text", "begin_of_text"),
    1: ("end_of_text", "end_of_text", "end_of_text"),
    2: ("reserved_special_token_0", "reserved_special_token_0", "reserved_special_token_0"),
    3: ("reserved_special_token_1", "reserved_special_token_1", "reserved_special_token_1"),
    4: ("reserved_special_token_2", "finetune_right_pad_id", "finetune_right_pad_id"),
    5: ("reserved_special_token_3", "reserved_special_token_2", "step_id"),
    6: ("start_header_id", "start_header_id", "start_header_id"),
    7: ("end_header_id", "end_header_id", "end_header_id"),
    8: ("reserved_special_token_4", "eom_id", "eom_id"),
    9: ("eot_id", "eot_id", "eot_id"),
    10: ("reserved_special_token_5", "python_tag", "python_tag"),
    11: ("reserved_special_token_6", "reserved_special_token_3", "image"),
    12: ("reserved_special_token_7", "reserved_special_token_4", "reserved_special_token_2"),
    255: ("reserved_special_token_250", "reserved_special_token_247", "reserved_special_token_245"),
}


@pytest.mark.parametrize(("column", "generation"), [(0, "3"), (1, "3.1"), (2, "3.2")])
def test_special_tokens_stand_where_meta_put_them(column, generation):
    specials = llama3_specials(generation)
    assert len(set(specials)) == 256
    assert {i: specials[i] for i in TABLE} == {i: f"<|{names[column]}|>" for i, names in TABLE.items()}


def test_special_strings_in_text_are_text(llama3, library):
    text = "a<|eot_id|>b<|begin_of_text|>"
    assert llama3.encode(text) == library.encode_ordinary(text) and max(llama3.encode(text)) < 128_000
    assert llama3.encode(text, allowed_special={"<|eot_id|>"}) == library.encode(
        text, allowed_special={"<|eot_id|>"}, disallowed_special=()
    )
    everything = llama3.encode(text, bos=True, eos=True, allowed_special="all")
    assert everything == [128_000, 64, 128_009, 65, 128_000, 128_001]
    assert llama3.decode(everything) == "ab"
    with pytest.raises(ValueError, match="no generation '4'"):
        llama3_specials("4")


@pytest.mark.parametrize("long", ["a" * 30_000, " " * 30_000, "🦙" * 10_000, "ab " * 10_000, "1" * 30_000])
def test_long_runs(llama3, long):
    """tiktoken's own limits are another module's trouble (``fast``); merging must undo what it did."""
    ids = llama3.encode(long)
    assert llama3.decode(ids) == long and len(ids) < len(long.encode())


@settings(max_examples=300)
@given(text=texts)
@example(text="x\n  \n y")
def test_words_join_to_the_text(small, text):
    assert "".join(split_words(small.words, text)) == text


def test_a_pattern_that_leaves_something_out_says_so():
    tokenizer = RankedTokenizer(
        [bytes([byte]) for byte in range(256)], pattern=r"\w+", special_tokens=["a", "b"]
    )
    with pytest.raises(ValueError, match="it leaves out some of 'hi you'"):
        tokenizer.encode("hi you")


@pytest.mark.parametrize("specials", [[], ["<s>"], ["<s>", "<s>", "</s>"]])
def test_a_text_needs_a_beginning_and_an_end(specials):
    with pytest.raises(ValueError, match="at least one to begin a text and one to end it"):
        RankedTokenizer([b"a"], special_tokens=specials)


@pytest.mark.parametrize(
    ("size", "message"), [(5000, r"ask for at most (\d+)"), (100, r"ask for at least (\d+)")]
)
def test_an_impossible_vocabulary_names_a_possible_one(size, message):
    text = "to be or not to be " * 9
    with pytest.raises(ValueError, match=message) as error:
        RankedTokenizer.train(text, size)
    possible = int(re.search(message, str(error.value))[1])
    assert RankedTokenizer.train(text, possible).vocab_size == possible
