"""The compiled step comes to the model's own logits, in two bytes a weight where that loses nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from oracle import SHAPES, sharp_llama

from llamalite.in_torch import fused_decoding
from llamalite.in_torch.fused_decoding import FusedDecoder, matrices_of, shortest, step_of, tiles
from llamalite.in_torch.llama import build_cache

TOKENS = torch.randint(0, 101, (1, 40), generator=torch.Generator().manual_seed(3))


@pytest.fixture(autouse=True)
def no_compiler_needed(monkeypatch):
    monkeypatch.setattr(fused_decoding, "check_compiler", lambda: None)


def as_written(model, **how):
    """A decoder whose step is not compiled."""
    decoder = FusedDecoder(model, **how)
    decoder.step = step_of(model.cfg, [w.shape for w in matrices_of(model)])
    return decoder


def logits_one_by_one(decoder, first=7):
    cache = build_cache(decoder.model.cfg, 1, dtype=torch.float64)
    found = [decoder(TOKENS[:, :first], cache=cache)]
    found += [decoder(TOKENS[:, [i]], cache=cache) for i in range(first, 40)]
    assert cache.length == 40
    return torch.cat(found, dim=1)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("first", [1, 7])
def test_every_step_has_the_models_logits(name, first):
    model = sharp_llama(name)
    with torch.no_grad():
        expected = model(TOKENS)
    torch.testing.assert_close(logits_one_by_one(as_written(model), first), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_published_weights_are_kept_in_two_bytes_and_lose_nothing(dtype):
    model = sharp_llama("llama3").to(dtype).double()
    decoder = as_written(model)
    assert decoder.weights.dtype == dtype
    with torch.no_grad():
        expected = model(TOKENS)
    torch.testing.assert_close(logits_one_by_one(decoder), expected, rtol=0, atol=1e-11)


def test_other_weights_keep_their_bytes_unless_told_otherwise():
    model = sharp_llama("llama3")
    assert as_written(model).weights.dtype == torch.float64
    rounded = as_written(model, dtype=torch.bfloat16)
    with torch.no_grad():
        expected = model(TOKENS)
    off = (logits_one_by_one(rounded) - expected).abs().mean() / expected.abs().mean()
    assert 1e-4 < off < 0.05


def test_a_number_too_large_for_float16_stays():
    assert shortest([torch.tensor([1.0009765625])]) == torch.float16  # 10 bits behind the point
    assert shortest([torch.tensor([1.0009765625, 70000.0])]) == torch.float32


def test_tiles_hold_every_weight_once_and_zeros():
    w = torch.arange(1.0, 1 + 33 * 3).view(33, 3)
    tiled = tiles(w)
    assert tiled.shape == (3, 3, 16)
    assert torch.equal(tiled.transpose(1, 2).reshape(48, 3)[:33], w) and tiled[2, :, 1:].sum() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_arithmetic_is_refused(dtype):
    with pytest.raises(ValueError, match="it is for float32 on a CPU"):
        FusedDecoder(sharp_llama("llama3").to(dtype))


def test_without_a_compiler_there_is_a_sentence(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="needs a C\\+\\+ compiler, and there is no no-such-compiler"):
        FusedDecoder(sharp_llama("llama3"))


def test_the_compiled_step_is_one_function_for_all_lengths():
    if shutil.which("g++") is None:
        pytest.skip("torch.compile's CPU backend needs a C++ compiler (g++), and this machine has none")
    script = Path(__file__).with_name("fused.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert "same logits" in done.stdout, done.stderr
