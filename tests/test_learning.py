"""The fast trainer against counting anew, against Hugging Face's ``tokenizers`` and ``sentencepiece``."""

import io
from collections import Counter
from itertools import pairwise

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from llamalite.text.corpus import DATA
from llamalite.text.tokenization.byte_pairs import learn_merges
from llamalite.text.tokenization.learning import by_age, by_length, learn
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.ranked import LLAMA3_PATTERN, RankedTokenizer, byte_order

LLAMA_OPTIONS = dict(  # facts D1
    model_type="bpe", normalization_rule_name="identity", add_dummy_prefix=True, minloglevel=2,
    remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, split_digits=True, byte_fallback=True,
    character_coverage=0.99995, max_sentencepiece_length=16, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
    max_sentence_length=10**6,
)  # fmt: skip


@pytest.fixture(scope="module")
def mix() -> str:
    """Six languages; the code among them has runs of spaces, the sums have digits."""
    return "".join(path.read_text() for path in sorted(DATA.glob("tales-*-validation.txt")))


def learn_slowly(words: Counter, n: int, order, allowed) -> list:
    """The definition: before every merge, all pairs of all words are counted."""
    symbols = sorted({symbol for word in words for symbol in word})
    words, merges, known = {tuple(word): n for word, n in words.items()}, [], len(symbols) + n
    while len(symbols) < known:
        counts = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                counts[pair] += times
        possible = [pair for pair in counts if allowed("".join(pair))]
        if not possible:
            break
        ages = {symbol: age for age, symbol in enumerate(symbols)}
        keys = {(a, b): order((ages[a], ages[b]), a + b) for a, b in possible}
        best = min(possible, key=lambda pair: (-counts[pair], keys[pair]))
        merges.append(best)
        if "".join(best) not in ages:
            symbols.append("".join(best))
        words = {glue(word, best): times for word, times in words.items()}
    return merges


def glue(word: tuple, pair: tuple) -> tuple:
    parts, i = [], 0
    while i < len(word):
        n = 2 if word[i : i + 2] == pair else 1
        parts.append("".join(word[i : i + n]))
        i += n
    return tuple(parts)


lists_of_words = st.dictionaries(st.text("abc", min_size=1, max_size=7), st.integers(1, 4), min_size=1)


@pytest.mark.parametrize("order", [by_age, by_length])
@pytest.mark.parametrize("allowed", [lambda piece: True, lambda piece: "ba" not in piece])
@given(words=lists_of_words)
def test_counts_that_are_kept_are_counts_made_anew(words, order, allowed):
    """Few letters, so that ties, overlaps ("aaa") and two ways to the same piece come all the time.

    "ab" + "c" and "a" + "bc" make one piece, and glueing the words may make two of them alike.
    """
    counted = Counter(words)
    assert learn(counted, 12, order, allowed) == learn_slowly(counted, 12, order, allowed)


def test_a_whole_text_as_one_word_is_the_naive_way():
    text = b"the cat sat on the mat, the rat sat on the cat; aaaa banana"
    symbols = [bytes([byte]) for byte in text]
    alphabet = [bytes([byte]) for byte in range(256)]
    merges, learnt = learn_merges(list(text), 20), list(alphabet)
    for left, right in merges:
        learnt.append(learnt[left] + learnt[right])
    found = learn({tuple(symbols): 1}, 20, alphabet=alphabet)
    assert [left + right for left, right in found] == learnt[256:]


def test_a_frequent_word_counts_as_often_as_it_comes():
    assert learn({"ab": 3, "cd": 1, "xcd": 1}, 2) == [("a", "b"), ("c", "d")]


def test_learning_stops_where_no_pair_is_left():
    assert learn({"ab": 3}, 10) == [("a", "b")]
    assert learn({}, 5) == [] and learn({"a": 1}, 5) == []


# --- others' trainers ------------------------------------------------------------------------------


def by_hugging_face(text: str, vocab_size: int) -> list[bytes]:
    """The tokens of a byte-level BPE with Llama 3's pattern; a byte is written as a printable character."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    byte_of = dict(zip(sorted(alphabet), byte_order(), strict=True))
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [b"".join(byte_of[character] for character in token) for token, _ in tokens]


def by_sentencepiece(text: str, vocab_size: int) -> list[tuple[str, float]]:
    out = io.BytesIO()
    lines = iter([line for line in text.split("\n") if line])
    SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=out, vocab_size=vocab_size, **LLAMA_OPTIONS
    )
    pieces = SentencePieceProcessor(model_proto=out.getvalue())
    return [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(vocab_size)]


@pytest.mark.parametrize("vocab_size", [300, 2048])
def test_ranked_tokens_are_those_of_tokenizers(mix, vocab_size):
    ours = RankedTokenizer.train(mix, vocab_size + 2)
    assert ours.tokens == by_hugging_face(mix, vocab_size)


@pytest.mark.parametrize("vocab_size", [700, 2048])
def test_pieces_and_scores_are_those_of_sentencepiece(mix, vocab_size):
    ours = PieceTokenizer.train(mix, vocab_size)
    assert [(piece.text, piece.score) for piece in ours.pieces] == by_sentencepiece(mix, vocab_size)


def test_a_book_is_learnt_as_others_learn_it(real):
    text = (real / "tinyshakespeare.txt").read_text(encoding="utf-8")
    pieces = PieceTokenizer.train(text, 4096).pieces
    assert [(piece.text, piece.score) for piece in pieces] == by_sentencepiece(text, 4096)
    assert RankedTokenizer.train(text, 4098).tokens == by_hugging_face(text, 4096)


def test_words_are_all_that_training_sees():
    """Counting words once is no approximation: the order of the text does not matter."""
    words = regex.findall(LLAMA3_PATTERN, "so they say, so they said; so they do")
    counted = {tuple(word): n for word, n in Counter(words).items()}
    several = {tuple(word): n for word, n in Counter(sorted(words)).items()}
    assert learn(counted, 9, by_length) == learn(several, 9, by_length)
