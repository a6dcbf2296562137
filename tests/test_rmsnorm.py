import numpy as np
import pytest
import torch
from gradients import check_gradients

from llamalite.in_numpy import rmsnorm as in_numpy
from llamalite.in_torch import rmsnorm as in_torch

EPS = 0.3  # large, so that a misplaced eps is seen


@pytest.fixture
def xw():
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 3, 6)), rng.standard_normal(6)


def test_forward_and_backward(xw):
    check_gradients(
        lambda x, w: in_numpy.rms_norm(x, w, EPS),
        in_numpy.rms_norm_backward,
        lambda x, w: in_torch.rms_norm(x, w, EPS),
        xw,
    )


def test_equals_torchs_own(xw):
    """eps stands inside the root, as in ``torch.nn.functional.rms_norm``."""
    x, w = map(torch.tensor, xw)
    expected = torch.nn.functional.rms_norm(x, (6,), w, EPS)
    torch.testing.assert_close(in_torch.rms_norm(x, w, EPS), expected)
    np.testing.assert_allclose(in_numpy.rms_norm(*xw, EPS)[0], expected.numpy(), rtol=1e-12)


def test_scale_of_the_input_does_not_matter_and_zero_is_finite(xw):
    x, w = xw
    np.testing.assert_allclose(
        in_numpy.rms_norm(1000 * x, w, 1e-12)[0], in_numpy.rms_norm(x, w, 1e-12)[0], rtol=1e-9
    )
    assert np.all(in_numpy.rms_norm(0 * x, w, 1e-6)[0] == 0)


def test_bfloat16_is_normalised_in_float32_and_gained_in_bfloat16():
    """Meta's order: float32, cast back, gain (facts B2). 300 rounds differently the other way round."""
    x = torch.linspace(-3, 3, 64).bfloat16()
    w = torch.linspace(0.5, 2, 64).bfloat16()
    wide = x.float() * torch.rsqrt(x.float().pow(2).mean() + 1e-5)
    assert torch.equal(in_torch.rms_norm(x, w, 1e-5), wide.bfloat16() * w)
    assert not torch.equal(in_torch.rms_norm(x, w, 1e-5), (wide * w.float()).bfloat16())
