"""Sampling by hand arithmetic; the loop with toys whose answers are known."""

import pytest
import torch

from llamalite.config import preset
from llamalite.in_torch.generation import generate, keep_top, sample
from llamalite.in_torch.llama import Llama, build_cache, init_weights

V = 10


class Counter:
    """A cache for toys: all it knows is how full it is."""

    length = 0


def one_hot_logits(tokens):
    return torch.nn.functional.one_hot(tokens, V).float() * 50


def echo(tokens, cache=None):
    """The next token is the last one plus one."""
    if cache is not None:
        cache.length += tokens.shape[1]
    return one_hot_logits((tokens + 1) % V)


def position(tokens, cache=None):
    """The next token is the number of tokens before it: wrong as soon as a cache is off by one."""
    past = 0 if cache is None else cache.length
    if cache is not None:
        cache.length += tokens.shape[1]
    places = past + torch.arange(1, tokens.shape[1] + 1)
    return one_hot_logits(places[None] % V)


def test_echo_counts_on():
    assert list(generate(echo, [3, 4], 8, max_seq_len=100)) == [5, 6, 7, 8, 9, 0, 1, 2]


@pytest.mark.parametrize("cache", [None, Counter()])
def test_a_full_context_keeps_its_last_half(cache):
    """Window 6, prompt 2: positions 2 … 6 fill it; 3 tokens are kept, and so on from 3."""
    out = list(generate(position, [7, 7], 12, max_seq_len=6, cache=cache))
    assert out == [2, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4, 5]


def test_the_prompt_is_read_once_and_every_token_alone():
    seen = []

    def spy(tokens, cache=None):
        seen.append(tokens[0].tolist())
        return echo(tokens, cache)

    assert list(generate(spy, [1, 2, 3], 3, max_seq_len=9, cache=Counter())) == [4, 5, 6]
    assert seen == [[1, 2, 3], [4], [5]]


def test_it_streams():
    stream = generate(echo, [0], 10**9, max_seq_len=8)
    assert [next(stream) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(("prompt", "way_out"), [([], "one token at least"), ([0] * 9, "keep the last 8")])
def test_a_prompt_that_does_not_fit(prompt, way_out):
    with pytest.raises(ValueError, match=way_out):
        next(generate(echo, prompt, 1, max_seq_len=8))


def test_cached_and_uncached_llama_write_the_same_past_the_context():
    cfg = preset("llama3-tiny", n_layers=2, vocab_size=64, max_seq_len=12)
    model = init_weights(Llama(cfg).double(), seed=3)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(10 if p.ndim > 1 else 1)  # far from uniform, so that every mistake shows

    def ids(cache):
        draw = torch.Generator().manual_seed(5)
        return list(
            generate(model, [1, 2, 3], 40, max_seq_len=12, cache=cache, temperature=1.0, generator=draw)
        )

    cached = ids(build_cache(cfg, 1, dtype=torch.float64))
    assert cached == ids(None)
    assert len(set(cached)) > 10


def test_temperature_zero_is_the_likeliest_token_of_each_row():
    assert sample(torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), temperature=0).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.0, [0.4]), (0.39, [0.4]), (0.41, [0.4, 0.3]), (0.71, [0.4, 0.3, 0.2]), (1.0, [0.4, 0.3, 0.2, 0.1])],
)
def test_top_p_keeps_the_token_that_crosses_the_line(top_p, kept):
    """Meta's rule: a token goes when the likelier ones together exceed p."""
    probs = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
    expected = torch.tensor(
        [p / sum(kept) if p in kept else 0.0 for p in probs.tolist()], dtype=torch.float64
    )
    torch.testing.assert_close(keep_top(probs, top_p), expected, rtol=0, atol=1e-15)


def test_rows_are_cut_apart():
    probs = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    assert keep_top(probs, 0.8).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_samples_come_with_their_probabilities():
    """Temperature 0.5 squares the odds: 2:1 becomes 4:1."""
    logits = torch.tensor([2.0, 1.0]).log().expand(20_000, 2)
    draws = sample(logits, temperature=0.5, top_p=1.0, generator=torch.Generator().manual_seed(0))
    assert draws.shape == (20_000,)
    assert draws.float().mean().item() == pytest.approx(0.2, abs=0.01)  # 3.5 standard deviations


def test_the_generator_decides():
    logits = torch.zeros(4, 3, 50)
    a, b = (sample(logits, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert a.shape == (4, 3) and torch.equal(a, b)


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"top_p": 1.5}])
def test_impossible_sampling_is_refused(bad):
    with pytest.raises(ValueError, match="sample: temperature"):
        sample(torch.zeros(3), **bad)
