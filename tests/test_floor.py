"""The floor: right in units, right in error, and no model gets under it."""

import math
from random import Random

import pytest

from llamalite.tales.floor import floor, floor_of, n_bytes, n_tokens
from llamalite.tales.telling import END, Tales
from llamalite.tales.world import World
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.pieces import PieceTokenizer

TALES = Tales("en", World(64))


def tell(n: int, seed: int) -> list:
    rng = Random(seed)
    return [TALES.tell(rng) for _ in range(n)]


@pytest.fixture(scope="module")
def pieces() -> PieceTokenizer:
    return PieceTokenizer.train(END.join(tale.text for tale in tell(300, 9)), 600)


def test_with_bytes_for_tokens_the_two_units_are_one():
    found = floor(TALES, ByteTokenizer(), n_tales=200)
    assert math.isclose(found.nats_per_token, found.bits_per_byte * math.log(2))
    assert math.isclose(found.standard_error, found.bits_per_byte_error * math.log(2))


def test_bits_per_byte_do_not_depend_on_the_tokenizer(pieces):
    a, b = (floor(TALES, tokenizer, n_tales=200) for tokenizer in (ByteTokenizer(), pieces))
    assert a.bits_per_byte == b.bits_per_byte and b.nats_per_token > 2.5 * a.nats_per_token


def test_tokens_of_tales_are_the_tokens_of_their_stream(pieces):
    """The stream as it is trained on: tale, blank line, tale, …"""
    texts = [tale.text for tale in tell(50, 1)]
    stream = "\n" + "".join(text + END for text in texts)
    for tokenizer in (ByteTokenizer(), pieces):
        whole = len(tokenizer.encode(stream)) - len(tokenizer.encode("\n"))
        assert sum(n_tokens(text, tokenizer) for text in texts) == whole
    assert sum(map(n_bytes, texts)) == len(stream.encode()) - 1


def test_the_floor_of_given_tales_is_their_own_surprise():
    told = tell(30, 2)
    found = floor_of(told, ByteTokenizer())
    nats, size = -sum(tale.logprob for tale in told), sum(n_bytes(tale.text) for tale in told)
    assert math.isclose(found.nats_per_token, nats / size)
    assert math.isclose(found.bits_per_byte, nats / size / math.log(2))


def test_the_standard_errors_are_what_other_seeds_show(pieces):
    """Spread of 40 independent estimates against the error each claims for itself."""
    for estimate in (
        lambda seed: floor(TALES, pieces, n_tales=60, seed=seed),
        lambda seed: floor_of(tell(60, seed), pieces),
    ):
        found = [estimate(seed) for seed in range(40)]
        for value, error in (("nats_per_token", "standard_error"), ("bits_per_byte", "bits_per_byte_error")):
            values = [getattr(one, value) for one in found]
            mean = sum(values) / len(values)
            spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
            claimed = sum(getattr(one, error) for one in found) / len(found)
            assert 0.65 < spread / claimed < 1.5, (value, spread, claimed)


def test_both_floors_agree_within_their_errors(pieces):
    a, b = floor(TALES, pieces, n_tales=1000, seed=1), floor_of(tell(1000, 2), pieces)
    assert abs(a.nats_per_token - b.nats_per_token) < 4 * math.hypot(a.standard_error, b.standard_error)


def test_nobody_gets_under_the_floor_not_even_a_counter_of_whole_tales():
    """The best guess without the grammar: how often each first sentence came. Worse than the truth."""
    seen, unseen = tell(4000, 3), tell(400, 4)
    counts: dict[str, int] = {}
    for tale in seen:
        first = tale.text.split(".")[0]
        counts[first] = counts.get(first, 0) + 1
    grammar = TALES.grammar.tellings[0]
    truth = [
        grammar.draws[0][1].logprob(tale.plot["hero"], {}) + grammar.phrasing.logs[tale.told["opening"]]
        for tale in unseen
    ]
    guess = [
        math.log((counts.get(tale.text.split(".")[0], 0) + 0.5) / (len(seen) + 0.5 * 256)) for tale in unseen
    ]
    assert sum(guess) < sum(truth)
