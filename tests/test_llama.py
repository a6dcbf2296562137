"""The whole model: the two halves agree, the cache changes nothing, the past cannot see the future."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import SHAPES, shape, sharp_weights

from llamalite.config import preset, preset_names
from llamalite.in_numpy import llama as in_numpy
from llamalite.in_numpy.cross_entropy import cross_entropy, cross_entropy_backward
from llamalite.in_torch import llama as in_torch
from llamalite.in_torch.cross_entropy import cross_entropy as torch_cross_entropy


def both(name="llama3.1", seed=0, **changes):
    cfg = shape(name, **changes)
    params = sharp_weights(cfg, seed)
    model = in_torch.Llama(cfg).double()
    model.load_state_dict({k: torch.tensor(v) for k, v in params.items()})
    return cfg, params, model


def draw_tokens(cfg, *size, seed=1):
    return np.random.default_rng(seed).integers(0, cfg.vocab_size, size)


@pytest.mark.parametrize("name", SHAPES)
def test_same_logits_and_every_gradient_by_name(name):
    cfg, params, model = both(name)
    tokens = draw_tokens(cfg, 2, 30)
    logits, saved = in_numpy.llama(params, cfg, tokens)
    theirs = model(torch.tensor(tokens))
    np.testing.assert_allclose(logits, theirs.detach().numpy(), rtol=0, atol=1e-11)
    dlogits = np.random.default_rng(2).standard_normal(logits.shape)
    grads = in_numpy.llama_backward(dlogits, saved)
    theirs.backward(torch.tensor(dlogits))
    assert set(grads) == {n for n, _ in model.named_parameters()} == set(params)
    for n, p in model.named_parameters():
        np.testing.assert_allclose(
            grads[n], p.grad.numpy(), rtol=0, atol=1e-10 * np.abs(grads[n]).max(), err_msg=n
        )


@pytest.mark.parametrize("name", ["llama2-gqa", "llama3.2"])
def test_gradient_of_the_loss_against_finite_differences(name):
    """Through the loss, every parameter by name: a random direction in each, so that no entry can hide."""
    cfg, params, _ = both(name, dim=24, vocab_size=11, hidden_dim=20)
    tokens, targets = draw_tokens(cfg, 2, 7), draw_tokens(cfg, 2, 7, seed=3)
    weights = np.random.default_rng(4).standard_normal(targets.shape)

    def loss(params):
        logits, saved = in_numpy.llama(params, cfg, tokens)
        per_token, saved_loss = cross_entropy(logits, targets)
        return np.sum(per_token * weights), lambda: in_numpy.llama_backward(
            cross_entropy_backward(weights, saved_loss), saved
        )

    grads = loss(params)[1]()
    rng, h = np.random.default_rng(5), 1e-6
    for name, w in params.items():
        for _ in range(3):
            direction = rng.standard_normal(w.shape)
            up, down = (loss(params | {name: w + s * h * direction})[0] for s in (1, -1))
            assert np.sum(grads[name] * direction) == pytest.approx(
                (up - down) / (2 * h), rel=1e-5, abs=1e-6
            ), name


@pytest.mark.parametrize("name", ["llama1", "llama3.1"])
def test_cache_equals_no_cache_in_both_halves(name):
    """Prefill, single steps and a chunk, against one pass: the same logits to float64 rounding."""
    cfg, params, model = both(name)
    tokens = draw_tokens(cfg, 2, 12)
    whole, _ = in_numpy.llama(params, cfg, tokens)
    cache, torch_cache = in_numpy.build_cache(cfg, 2, 12), in_torch.build_cache(cfg, 2, 12, torch.float64)
    parts, torch_parts = [], []
    for chunk in np.split(tokens, [5, 6, 7, 10], axis=1):
        parts.append(in_numpy.llama(params, cfg, chunk, cache=cache)[0])
        torch_parts.append(model(torch.tensor(chunk), cache=torch_cache))
    assert cache.length == torch_cache.length == 12
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=0, atol=1e-11)
    np.testing.assert_allclose(torch.cat(torch_parts, 1).detach().numpy(), whole, rtol=0, atol=1e-11)


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_a_future_token_never_changes_a_past_logit(cut, seed):
    cfg, params, _ = both("llama2-gqa")
    tokens = draw_tokens(cfg, 1, 10, seed=seed)
    changed = tokens.copy()
    changed[:, cut:] = (changed[:, cut:] + 1) % cfg.vocab_size
    before, after = (in_numpy.llama(params, cfg, t)[0] for t in (tokens, changed))
    np.testing.assert_array_equal(before[:, :cut], after[:, :cut])
    assert np.abs(before[:, cut:] - after[:, cut:]).max() > 0.1


def test_a_document_mask_equals_the_documents_one_by_one():
    cfg, params, model = both("llama3.1")
    tokens = draw_tokens(cfg, 1, 11)
    document = np.array([0] * 4 + [1] * 7)
    mask = (document[:, None] == document) & np.tri(11, dtype=bool)
    positions = np.concatenate([np.arange(4), np.arange(7)])
    table = in_numpy.build_table(cfg, 11)
    packed, _ = in_numpy.llama(params, cfg, tokens, table, positions, mask)
    alone = [in_numpy.llama(params, cfg, part)[0] for part in (tokens[:, :4], tokens[:, 4:])]
    np.testing.assert_allclose(packed, np.concatenate(alone, 1), rtol=0, atol=1e-11)
    theirs = model(
        torch.tensor(tokens),
        in_torch.build_table(cfg, 11, torch.float64),
        *map(torch.tensor, (positions, mask)),
    )
    np.testing.assert_allclose(packed, theirs.detach().numpy(), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 0.08)])
def test_lower_precisions_stay_near_float64(dtype, bound):
    cfg, _, model = both("llama3.1")
    tokens = torch.tensor(draw_tokens(cfg, 2, 30))
    with torch.no_grad():
        exact = model(tokens)
        rounded = model.to(dtype)(tokens)
    assert rounded.dtype == dtype
    assert ((rounded.double() - exact).abs().mean() / exact.abs().mean()).item() < bound


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_is_the_same_model(backend):
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("torch.compile's CPU backend needs a C++ compiler (g++), and this machine has none")
    script = Path(__file__).with_name("compiled.py")
    done = subprocess.run([sys.executable, script, backend], capture_output=True, text=True)
    assert "same logits, same gradients" in done.stdout, done.stderr


@pytest.mark.parametrize("name", [n for n in preset_names() if "tiny" not in n])
def test_names_and_shapes_of_every_preset_on_the_meta_device(name):
    cfg = preset(name)
    with torch.device("meta"):
        model = in_torch.Llama(cfg)
    assert {n: tuple(p.shape) for n, p in model.named_parameters()} == cfg.param_shapes()


def test_initial_weights_are_the_same_numbers_in_both_halves_and_from_the_meta_device():
    cfg = preset("llama3-tiny", n_layers=2)
    params = in_numpy.init_weights(cfg, seed=3)
    with torch.device("meta"):
        model = in_torch.Llama(cfg)
    model = in_torch.init_weights(model.to_empty(device="cpu").double(), seed=3)
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.detach().numpy(), params[name], err_msg=name)
    for name, residual in (
        ("attention.wq", 1),
        ("feed_forward.w_up", 1),
        ("attention.wo", 2),  # sqrt(2·2) = 2
        ("feed_forward.w_down", 2),
    ):
        w = params[f"layers.1.{name}.weight"]
        assert w.std() == pytest.approx(w.shape[1] ** -0.5 / residual, rel=0.03), name
    assert np.all(params["norm.weight"] == 1)
    assert not np.array_equal(params["layers.0.attention.wq.weight"], params["layers.1.attention.wq.weight"])


def test_a_first_loss_is_that_of_guessing():
    """Logits are N(0, 1) at first, in every shape: the loss starts at log V + log E[exp z] = log V + 1/2."""
    cfg = preset("llama3-tiny")
    tokens = torch.tensor(draw_tokens(cfg, 2, 65))
    model = in_torch.init_weights(in_torch.Llama(cfg))
    loss = torch_cross_entropy(model(tokens[:, :-1]), tokens[:, 1:]).mean()
    assert loss.item() == pytest.approx(np.log(cfg.vocab_size) + 0.5, rel=0.02)


@pytest.mark.parametrize("half", ["numpy", "torch"])
def test_positions_need_a_table(half):
    cfg, params, model = both()
    tokens = draw_tokens(cfg, 1, 3)
    with pytest.raises(ValueError, match="positions need an explicit table; build one with build_table"):
        if half == "numpy":
            in_numpy.llama(params, cfg, tokens, positions=np.arange(3))
        else:
            model(torch.tensor(tokens), positions=torch.arange(3))
