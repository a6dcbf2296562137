"""Sampling by hand arithmetic; the loop with toys whose answers are known."""

import numpy as np
import pytest
import torch

from llamalite.config import preset
from llamalite.in_numpy import generation as in_numpy
from llamalite.in_numpy import llama as numpy_llama
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


# --- the NumPy half ----------------------------------------------------------------------------------


def numpy_position(tokens, cache=None):
    """The toy above; torch does its counting."""
    return position(torch.tensor(tokens), cache).numpy()


@pytest.mark.parametrize("cache", [None, Counter()])
def test_numpy_keeps_the_last_half_of_a_full_context(cache):
    out = list(in_numpy.generate(numpy_position, [7, 7], 12, max_seq_len=6, cache=cache))
    assert out == [2, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4, 5]


@pytest.mark.parametrize(("prompt", "way_out"), [([], "one token at least"), ([0] * 9, "keep the last 8")])
def test_numpy_refuses_a_prompt_that_does_not_fit(prompt, way_out):
    with pytest.raises(ValueError, match=way_out):
        next(in_numpy.generate(numpy_position, prompt, 1, max_seq_len=8))


def sharp_twins(seed=3):
    """The same weights in both halves, so large that every mistake shows."""
    cfg = preset("llama3-tiny", n_layers=2, vocab_size=64, max_seq_len=12)
    params = {name: w * (10 if w.ndim > 1 else 1) for name, w in numpy_llama.init_weights(cfg, seed).items()}
    model = Llama(cfg).double()
    model.load_state_dict({name: torch.tensor(w) for name, w in params.items()})
    return cfg, params, model


def test_both_halves_write_the_same_past_the_context():
    cfg, params, model = sharp_twins()
    how = {"n": 40, "max_seq_len": 12, "temperature": 0.0}
    ours = numpy_llama.as_model(params, cfg)
    theirs = list(generate(model, [1, 2, 3], cache=build_cache(cfg, 1, dtype=torch.float64), **how))
    assert list(in_numpy.generate(ours, [1, 2, 3], cache=numpy_llama.build_cache(cfg, 1), **how)) == theirs
    assert list(in_numpy.generate(ours, [1, 2, 3], **how)) == theirs
    assert len(set(theirs)) > 5


def test_numpy_draws_the_same_with_a_cache_and_without():
    cfg, params, _ = sharp_twins()
    model = numpy_llama.as_model(params, cfg)

    def ids(cache):
        draw = np.random.default_rng(5)
        how = {"max_seq_len": 12, "temperature": 1.0, "generator": draw}
        return list(in_numpy.generate(model, [1, 2, 3], 40, cache=cache, **how))

    assert ids(numpy_llama.build_cache(cfg, 1)) == ids(None)
    assert len(set(ids(None))) > 10


def test_a_model_holds_its_weights_in_one_array_of_the_precision_asked_for():
    cfg, params, _ = sharp_twins()
    packed = numpy_llama.pack(params, np.float32)
    for name, w in params.items():
        np.testing.assert_array_equal(packed[name], w.astype(np.float32), err_msg=name)
        assert np.shares_memory(packed[name].base, packed["norm.weight"].base), name
    cache = numpy_llama.build_cache(cfg, 1, dtype=np.float32)
    logits = numpy_llama.as_model(params, cfg, np.float32)(np.array([[1, 2]]), cache=cache)
    assert logits.dtype == np.float32 and cache.length == 2


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.71, 1.0])
def test_both_halves_keep_the_same_tokens(top_p):
    probs = np.random.default_rng(0).dirichlet(np.full(20, 0.5), size=(3, 4))
    probs[0, 0] = 1 / 20  # of equals, the first stay
    expected = keep_top(torch.tensor(probs), top_p).numpy()
    np.testing.assert_allclose(in_numpy.keep_top(probs, top_p), expected, rtol=1e-12)


def test_numpy_samples_come_with_their_probabilities():
    logits = np.broadcast_to(np.log([2.0, 1.0]), (20_000, 2))
    draws = in_numpy.sample(logits, temperature=0.5, top_p=1.0, generator=np.random.default_rng(0))
    assert draws.shape == (20_000,)
    assert draws.mean() == pytest.approx(0.2, abs=0.01)
    assert in_numpy.sample(np.array([[0.0, 2.0], [3.0, 2.0]]), temperature=0).tolist() == [1, 0]


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"top_p": 1.5}])
def test_numpy_refuses_impossible_sampling(bad):
    with pytest.raises(ValueError, match="sample: temperature"):
        in_numpy.sample(np.zeros(3), **bad)
