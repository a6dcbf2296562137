import numpy as np
import pytest
import torch
from gradients import check_gradients

from llamalite.in_numpy import layernorm as in_numpy
from llamalite.in_numpy.rmsnorm import rms_norm
from llamalite.in_torch import layernorm as in_torch

EPS = 0.3  # large, so that a misplaced eps is seen


@pytest.fixture
def xwb():
    rng = np.random.default_rng(0)
    return 2 + rng.standard_normal((2, 3, 6)), rng.standard_normal(6), rng.standard_normal(6)


def test_forward_and_backward(xwb):
    check_gradients(
        lambda x, w, b: in_numpy.layer_norm(x, w, b, EPS),
        in_numpy.layer_norm_backward,
        lambda x, w, b: in_torch.layer_norm(x, w, b, EPS),
        xwb,
    )


def test_equals_torchs_own(xwb):
    x, w, b = map(torch.tensor, xwb)
    expected = torch.nn.functional.layer_norm(x, (6,), w, b, EPS)
    torch.testing.assert_close(in_torch.layer_norm(x, w, b, EPS), expected)
    np.testing.assert_allclose(in_numpy.layer_norm(*xwb, EPS)[0], expected.numpy(), rtol=1e-12)


def test_it_is_rms_norm_of_what_is_left_without_the_mean(xwb):
    x, w, b = xwb
    centred = x - x.mean(-1, keepdims=True)
    np.testing.assert_allclose(
        in_numpy.layer_norm(*xwb, EPS)[0], rms_norm(centred, w, EPS)[0] + b, rtol=1e-12
    )


def test_the_module_is_the_function(xwb):
    x, w, b = map(torch.tensor, xwb)
    layer = in_torch.LayerNorm(6, EPS).double()
    layer.load_state_dict({"weight": w, "bias": b})
    torch.testing.assert_close(layer(x), in_torch.layer_norm(x, w, b, EPS))


def test_bfloat16_keeps_its_dtype_and_its_variance(xwb):
    """The mean is 2,000 and the spread 1: in bfloat16 the squares of differences would be noise."""
    x = 100 + torch.linspace(-3, 3, 64).bfloat16()
    out = in_torch.layer_norm(x, torch.ones(64).bfloat16(), torch.zeros(64).bfloat16(), 1e-5)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(
        out.double(), torch.nn.functional.layer_norm(x.double(), (64,)), atol=0.02, rtol=0.02
    )
