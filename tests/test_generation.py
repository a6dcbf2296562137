"""The loops: with toys whose answers are known, then with Llamas, each way against the plainest one."""

from functools import partial

import numpy as np
import pytest
import torch
from oracle import shape, sharp_weights

from llamalite.config import preset
from llamalite.in_numpy import generation as in_numpy
from llamalite.in_numpy import llama as numpy_llama
from llamalite.in_torch.generation import generate, generate_batch
from llamalite.in_torch.llama import Llama, build_cache, build_table, init_weights

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


def test_a_penalty_ends_a_loop():
    def same(tokens, cache=None):
        return torch.tensor([0.0, 5.0, 4.0, 3.0]).expand(*tokens.shape, 4)

    assert list(generate(same, [0], 3, max_seq_len=9, temperature=0.0)) == [1, 1, 1]
    assert list(generate(same, [0], 3, max_seq_len=9, temperature=0.0, repetition_penalty=2.0)) == [1, 2, 3]


def test_a_stop_token_ends_the_text_and_is_not_part_of_it():
    assert list(generate(echo, [3], 9, max_seq_len=100, stop_ids={7})) == [4, 5, 6]


# --- batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name", ["llama1", "llama2-gqa", "llama3.1"])
def test_a_batch_of_unequal_prompts_is_each_of_them_alone(name, cached):
    cfg = shape(name)
    model = Llama(cfg).double()
    model.load_state_dict({k: torch.tensor(v) for k, v in sharp_weights(cfg).items()})
    forward = partial(model, table=build_table(cfg, 64, torch.float64))
    prompts = [[5, 9, 2, 7, 1, 3], [8], [4, 4, 6], list(range(30, 50))]

    def alone(i, **how):
        cache = build_cache(cfg, 1, 64, dtype=torch.float64)
        return list(generate(forward, prompts[i], 12, max_seq_len=64, cache=cache, **how))

    def together(**how):
        cache = build_cache(cfg, len(prompts), 64, dtype=torch.float64) if cached else None
        rows = generate_batch(forward, prompts, 12, max_seq_len=64, cache=cache, **how)
        return [[token for token in row if token is not None] for row in zip(*rows, strict=True)]

    greedy = [alone(i, temperature=0.0) for i in range(4)]
    assert together(temperature=0.0) == greedy and len({tuple(row) for row in greedy}) == 4
    stop = {greedy[0][4]}
    stopped = [alone(i, temperature=0.0, stop_ids=stop) for i in range(4)]
    assert together(temperature=0.0, stop_ids=stop) == stopped and len(stopped[0]) <= 4
    draws = [torch.Generator().manual_seed(i) for i in range(4)]
    drawn = [alone(i, temperature=1.0, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    assert together(temperature=1.0, generators=draws) == drawn


def places(tokens, positions=None, mask=None, cache=None):
    """The next token is where this one stands, plus one; it must see as many, and no padding."""
    assert torch.equal(mask.sum(-1)[:, -1], positions[:, -1] + 1)
    return torch.nn.functional.one_hot((positions + 1) % V, V).float() * 50


def test_rows_count_their_own_positions_and_see_their_own_tokens():
    rows = list(generate_batch(places, [[7], [7, 7, 7]], 3, max_seq_len=9, temperature=0.0))
    assert rows == [[1, 3], [2, 4], [3, 5]]


@pytest.mark.parametrize(
    ("prompts", "n", "way_out"),
    [
        ([], 1, "there is no prompt"),
        ([[1], []], 1, "one token at least"),
        ([[1], [1] * 5], 5, "ask for 4 at"),
    ],
)
def test_batches_that_do_not_fit_are_refused(prompts, n, way_out):
    with pytest.raises(ValueError, match=way_out):
        next(generate_batch(places, prompts, n, max_seq_len=8))


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
