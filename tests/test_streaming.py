"""Encoding in parts: the same ids as in one go, however the text is cut, and never all of it in memory."""

import tracemalloc
from itertools import accumulate, chain, pairwise

import pytest
import regex
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from texts import texts

from llamalite.text.corpus import read_text
from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.fast import FastPieceTokenizer, FastRankedTokenizer, fast
from llamalite.text.tokenization.patterns import LLAMA3_ENDS, certain_ends, classes, is_portable, word_seam
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.ranked import LLAMA3_PATTERN, RankedTokenizer, split_words
from llamalite.text.tokenization.streaming import Stretch, encode_iterable, find_seam, read_chunks
from llamalite.text.tokenization.tokenizer import load_tokenizer

TEXT = "They'll pay 12345 for the cat,\n\nsay 안녕 안녕, and  pay 12345!\nThe 🦙 sat  on the mat.\n" * 9
SPECIALS = ["<s>", "</s>", "<b>", "<b>>", "<b><", "b><b", "the<"]  # which begin, end and hold each other
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

PIECES = PieceTokenizer.train(TEXT, 318, ["<user>", "[x] y", "a<s"])
RANKED = RankedTokenizer.train(TEXT, 300, special_tokens=SPECIALS)
GPT2 = RankedTokenizer(RANKED.tokens, GPT2_PATTERN, SPECIALS)
TOKENIZERS = {
    "bytes": ByteTokenizer(),
    "byte pairs": BytePairTokenizer.train(TEXT, 300),
    "pieces": PIECES,
    "fast pieces": FastPieceTokenizer(PIECES),
    "ranked": RANKED,
    "fast ranked": FastRankedTokenizer(RANKED.tokens, LLAMA3_PATTERN, SPECIALS),
    "another pattern": fast(GPT2),
}

# The two halves of 🦙, which Python allows to stand alone, and what only becomes special when it is whole.
odd_texts = st.lists(
    st.one_of(texts, st.sampled_from([*SPECIALS, "<b", "<b>", "\ud83e", "\udd99", "s"]))
).map("".join)


def cut(text: str, places: list[int]) -> list[str]:
    """
    >>> cut("hello", [1, 1, 7])
    ['h', '', 'ello', '']
    """
    return [text[a:b] for a, b in pairwise([0, *sorted(places), None])]


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=100, deadline=None)
@given(
    text=odd_texts,
    places=st.lists(st.integers(0, 60), max_size=20),
    size=st.sampled_from([1, 1, 3, 10]),
    special=st.sampled_from([(), {"</s>"}, "all"]),
)
@example(text="x<b><b>>y", places=[*range(9)], size=1, special="all")
@example(text="👩‍👩‍👧‍👦 they'll  \n 1234567", places=[*range(30)], size=1, special=())
@example(text="\ud83e\udd99", places=[1], size=1, special=())
def test_parts_join_to_the_whole(name, text, places, size, special):
    tokenizer = TOKENIZERS[name]
    parts = encode_iterable(tokenizer, cut(text, places), True, True, special, size)
    assert [*chain(*parts)] == tokenizer.encode(text, True, True, special)


@pytest.mark.parametrize("family", [2, 3])
@settings(max_examples=100, deadline=None)
@given(text=odd_texts, places=st.lists(st.integers(0, 60), max_size=20))
def test_with_the_real_files(llamas, family, text, places):
    tokenizer = llamas[family]
    assert [*chain(*encode_iterable(tokenizer, cut(text, places), size=1))] == tokenizer.encode(text)


@pytest.fixture(scope="module")
def llamas(real):
    return {n: load_tokenizer(real / f"llama{n}-tokenizer.model") for n in (2, 3)}


@pytest.mark.parametrize("family", [2, 3])
def test_a_book_in_parts(real, llamas, family):
    path, tokenizer = real / "tinyshakespeare.txt", llamas[family]
    parts = list(encode_iterable(tokenizer, read_chunks(path, 1000), size=5000))
    assert [*chain(*parts)] == tokenizer.encode(read_text(path)) and len(parts) > 180


# --- memory ------------------------------------------------------------------------------------------


class Counting:
    """Lines without end, and how many characters of them were asked for."""

    def __init__(self, line: str):
        self.line, self.read = line, 0

    def __iter__(self):
        while True:
            self.read += len(self.line)
            yield self.line


@pytest.mark.parametrize("name", TOKENIZERS)
def test_only_so_much_is_read_ahead(name):
    """From a text that never ends: what was read is never further than ``size`` and a line ahead."""
    line = "They'll pay 12345 for the 🦙.\n"
    chunks, tokenizer = Counting(line), TOKENIZERS[name]
    per_line = len(tokenizer.encode(line * 101)) - len(tokenizer.encode(line * 100))
    done = 0
    for ids in encode_iterable(tokenizer, chunks, size=500):
        done += len(ids)
        assert chunks.read - done / per_line * len(line) <= 500 + 3 * len(line)
        if chunks.read > 100_000:
            break


def test_nothing_is_read_before_it_is_asked_for():
    chunks = Counting("a b\n")
    parts = encode_iterable(RANKED, chunks, bos=True)
    assert (chunks.read, next(parts), chunks.read) == (0, [RANKED.bos_id], 0)


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for n_lines in (2_000, 20_000):
        path = tmp_path / "long.txt"
        path.write_text("They'll pay 12345 for the cat.\n" * n_lines)
        tracemalloc.start()
        for _ in encode_iterable(TOKENIZERS["fast ranked"], read_chunks(path, 4096), size=4096):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 600_000  # the longer file has 620,000 bytes


@pytest.mark.parametrize("unit", ["a", " ", "\n", "1", "▁"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_text_without_a_seam_is_held_back(name, unit):
    tokenizer = TOKENIZERS[name]
    parts = encode_iterable(tokenizer, (unit for _ in range(3000)), size=10)
    assert [*chain(*parts)] == tokenizer.encode(unit * 3000)


def test_a_text_without_a_seam_is_looked_through_a_few_times_only():
    looks = []
    stretch = Stretch(RANKED, lambda text: looks.append(len(text)) or 0, size=10)
    for _ in range(5000):
        assert not list(stretch.add("aa"))
    assert looks == [10 * 2**n for n in range(10)]
    assert [*chain(*stretch.end())] == RANKED.encode("a" * 10_000)


# --- what a pattern can promise ------------------------------------------------------------------------

PATTERNS = [
    LLAMA3_PATTERN, GPT2_PATTERN, r"\w+|\W", r".+|\n", r"(?:ab)+c?|\s++|.|\n", r"a(?=bb)|ab{2,3}|.|\n",
    r"a(?!b+c).|.|\n", r"\p{N}{1,3}+|\D+?", r"(?>a+)b|[^b]|b", r"(?:\p{L}|')*[aeiou]|\s*[\r\n]+|.|\s",
    r"(?i:ab|[sdmt]|ll)+|.|\n",
]  # fmt: skip
few = st.text(st.sampled_from("aAbbcls'' \n1"), max_size=12)


@settings(max_examples=1000, deadline=None)
@given(pattern=st.sampled_from(PATTERNS), text=few, more=few)
@example(pattern=GPT2_PATTERN, text="a \t1", more="")  # the end of \t is certain, but no seam
def test_what_is_certain_stays_whatever_follows(pattern, text, more):
    words = regex.compile(pattern)
    assert is_portable(pattern)
    ends, whole = certain_ends(words, text), split_words(words, text + more)
    assert [*accumulate(map(len, whole))][: len(ends)] == ends
    seam = word_seam(words, text)
    assert split_words(words, text[:seam]) + split_words(words, text[seam:] + more) == whole


@settings(max_examples=500, deadline=None)
@given(text=st.one_of(few, texts), more=st.one_of(few, texts))
@example(text="a!\n", more="")
@example(text="!\n ", more="\nx")
def test_llama3s_words_end_where_it_is_said(text, more):
    assume(found := LLAMA3_ENDS.match(text))
    words, seam = regex.compile(LLAMA3_PATTERN), found.end()
    parts = split_words(words, text[:seam]), split_words(words, text[seam:] + more)
    assert parts[0] + parts[1] == split_words(words, text + more)


@pytest.mark.parametrize(
    "pattern",
    [r"(?<=a)b|.", r"\bx|.", r"^a|.", r"a$|.", r"(a)\1|.", r"(?i:i)|.", r"[a&&b]|.", r"(?s).", r"\X"],
)
def test_patterns_that_promise_nothing(pattern):
    assert not is_portable(pattern)
    tokenizer = RankedTokenizer(RANKED.tokens, pattern, SPECIALS)
    with pytest.raises(ValueError, match=r"nobody can tell where .* use one without anchors"):
        encode_iterable(tokenizer, ["a"])
    assert fast(tokenizer) is tokenizer


def test_classes_of_a_pattern():
    assert classes(LLAMA3_PATTERN) == [r"\p{L}", r"\p{N}", r"\s"]


# --- refusals ------------------------------------------------------------------------------------------


def test_what_cannot_be_streamed_says_so():
    with pytest.raises(ValueError, match="'<x>' is no special token of this tokenizer"):
        encode_iterable(RANKED, ["a"], allowed_special={"<x>"})
    with pytest.raises(ValueError, match="size is 0"):
        encode_iterable(RANKED, ["a"], size=0)
    with pytest.raises(ValueError, match="cut for a Fake; encode it in one go"):
        find_seam(Fake())


class Fake:
    """A tokenizer that nobody here knows."""

    vocab_size, bos_id, eos_id, special_ids, dummy_prefix, decode_errors = 2, 0, 1, {}, False, "replace"

    def encode(self, text, bos=False, eos=False, allowed_special=()):
        return []

    def decode(self, ids):
        return ""

    def token_bytes(self, token):
        return b""

    def save(self, folder):
        pass


# --- files ---------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(st.sampled_from(["a", "é", "안", "🦙", "\r", "\n", "\r\n", "\ufeff"]), min_size=1).map(
        "".join
    ),
    size=st.integers(1, 9),
)
@example(text="\ufeffé\r\r\n", size=1)
def test_a_file_in_chunks_is_the_file(tmp_path_factory, text, size):
    assume(text.strip().strip("\ufeff"))
    path = tmp_path_factory.mktemp("files") / "text.txt"
    path.write_bytes(text.encode())
    assert "".join(read_chunks(path, size)) == read_text(path)


@pytest.mark.parametrize(("content", "place"), [(b"abc\xff", 3), ("안녕".encode()[:5], 3), (b"\xc3\xc3", 0)])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_file_that_is_not_utf8_says_where(tmp_path, content, place, size):
    path = tmp_path / "latin.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"is not UTF-8: byte 0x\w\w at position {place} is out of place"):
        list(read_chunks(path, size))
