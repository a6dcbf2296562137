"""The short way of one token at a time comes to the model's own logits."""

from functools import partial

import pytest
import torch
from oracle import SHAPES, sharp_llama

from llamalite.in_torch.decoding import Decoder, in_one_stretch, normed, turn
from llamalite.in_torch.generation import generate
from llamalite.in_torch.llama import build_cache, build_table

TOKENS = torch.randint(0, 101, (1, 40), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", SHAPES)
def test_every_step_has_the_models_logits(name):
    model = sharp_llama(name)
    decoder, cache = Decoder(model), build_cache(model.cfg, 1, dtype=torch.float64)
    with torch.no_grad():
        expected = model(TOKENS)
    found = [decoder(TOKENS[:, :7], cache=cache)] + [
        decoder(TOKENS[:, [i]], cache=cache) for i in range(7, 40)
    ]
    torch.testing.assert_close(torch.cat(found, dim=1), expected, rtol=0, atol=1e-11)
    assert cache.length == 40


def test_the_short_way_is_taken_for_one_token_after_others_and_for_nothing_else(monkeypatch):
    model = sharp_llama("llama3")
    decoder, cache, steps = Decoder(model), build_cache(model.cfg, 2, dtype=torch.float64), []
    monkeypatch.setattr(decoder, "step", lambda token, cache: steps.append(token) or torch.zeros(101))
    for tokens in (TOKENS[:, :1], TOKENS[:, :3], TOKENS[:, 3:4]):  # a first token, several, one more
        decoder(tokens, cache=cache if len(tokens) == 2 else single(cache))
    assert steps == [int(TOKENS[0, 3])]
    decoder(TOKENS[:, :1].expand(2, 1), cache=build_cache(model.cfg, 2, dtype=torch.float64))
    decoder(TOKENS[:, :1])
    assert len(steps) == 1


def single(cache):
    """One cache for all calls of a text."""
    cache.k, cache.v = cache.k[:, :1], cache.v[:, :1]
    return cache


def test_half_precision_goes_the_models_own_way():
    model = sharp_llama("llama3", torch.bfloat16)
    decoder, cache = Decoder(model), build_cache(model.cfg, 1, dtype=torch.bfloat16)
    assert not decoder.short
    found = [decoder(TOKENS[:, :3], cache=cache), decoder(TOKENS[:, 3:4], cache=cache)]
    assert [tuple(logits.shape) for logits in found] == [(1, 3, 101), (1, 1, 101)]


@pytest.mark.parametrize("name", ["llama1", "llama3.2"])
def test_it_writes_the_same_text_past_the_context(name):
    model = sharp_llama(name)
    ways = partial(model, table=build_table(model.cfg, dtype=torch.float64)), Decoder(model)
    texts = [
        list(
            generate(
                way,
                TOKENS[0, :5].tolist(),
                150,
                max_seq_len=64,
                cache=build_cache(model.cfg, 1, dtype=torch.float64),
                temperature=0,
            )
        )
        for way in ways
    ]
    assert texts[0] == texts[1] and len(texts[0]) == 150


def test_the_model_is_left_as_it_was():
    model = sharp_llama("llama3")
    before = {name: w.clone() for name, w in model.state_dict().items()}
    decoder = Decoder(model)
    decoder.head.zero_()
    assert all(torch.equal(w, before[name]) and w.is_contiguous() for name, w in model.state_dict().items())


def test_a_norm_without_its_gain():
    x = torch.tensor([3.0, -4.0, 0.0, 0.0])  # mean square 25 / 4
    torch.testing.assert_close(normed(x, 0.0), x / 2.5)


def test_matrices_that_read_the_same_vector_stand_side_by_side():
    layers = [torch.nn.Linear(3, n, bias=False) for n in (2, 4)]
    x = torch.randn(3)
    torch.testing.assert_close(x @ turn(*layers), torch.cat([layer(x) for layer in layers]))


def test_one_stretch_begins_with_a_cache_line():
    parts = [torch.arange(5.0).bfloat16(), torch.arange(6.0).bfloat16().view(2, 3).T]
    flat = in_one_stretch(parts)
    assert flat.data_ptr() % 64 == 0 and flat.dtype == torch.bfloat16
    assert flat.tolist() == [0, 1, 2, 3, 4, 0, 3, 1, 4, 2, 5]
