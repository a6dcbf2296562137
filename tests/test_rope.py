import math

import numpy as np
import pytest
import torch
from gradients import autograd
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import SHAPES, frequencies_by_hand, shape

from llamalite.config import RopeScaling
from llamalite.in_numpy import rope as in_numpy
from llamalite.in_torch import rope as in_torch

FAR = 131_071


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def by_complex_numbers(x, positions, theta):
    """RoFormer eq. 34 the short way: a pair is a complex number, a rotation a multiplication."""
    H = x.shape[-1]
    z = x[..., 0::2] + 1j * x[..., 1::2]
    angles = np.multiply.outer(np.asarray(positions, float), theta ** (-np.arange(H // 2) * 2 / H))
    z = z * np.exp(1j * angles)[..., None, :]
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


@pytest.mark.parametrize("theta", [100.0, 10_000.0, 500_000.0])
def test_both_halves_equal_complex_multiplication(theta):
    x = draw(2, 5, 3, 8)
    expected = by_complex_numbers(x, range(5), theta)
    np.testing.assert_allclose(
        in_numpy.apply_rope(x, *in_numpy.rope_table(8, 5, theta)), expected, atol=1e-12
    )
    ours = in_torch.apply_rope(torch.tensor(x), *in_torch.rope_table(8, 5, theta))
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)


def test_explicit_positions_with_and_without_a_batch_axis():
    x = draw(2, 3, 1, 4)
    table = in_numpy.rope_table(4, FAR + 1)
    for positions in (np.array([7, 0, FAR]), np.array([[7, 0, FAR], [1, 2, 3]])):
        expected = by_complex_numbers(x, positions, 10_000.0)
        np.testing.assert_allclose(in_numpy.apply_rope(x, *table, positions), expected, atol=1e-9)
        twin = [torch.tensor(t) for t in table]
        ours = in_torch.apply_rope(torch.tensor(x), *twin, torch.tensor(positions))
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-9)


def test_backward():
    x, dout = draw(2, 5, 3, 8), draw(2, 5, 3, 8, seed=1)
    table = in_numpy.rope_table(8, 5)
    _, (by_autograd,) = autograd(lambda x: in_torch.apply_rope(x, *in_torch.rope_table(8, 5)), (x,), dout)
    np.testing.assert_allclose(in_numpy.apply_rope_backward(dout, *table), by_autograd, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(distance=st.integers(0, 1000), shift=st.integers(0, FAR - 1000), seed=st.integers(0, 10**6))
def test_a_score_depends_on_distance_only(distance, shift, seed):
    """q at m and k at n give the same score as q at m + s and k at n + s, to the last position of 128K."""
    q, k = draw(1, 1, 16, seed=seed), draw(1, 1, 16, seed=seed + 1)

    def score(m, n):
        return (by_table(q, m) * by_table(k, n)).sum()

    assert math.isclose(score(distance, 0), score(distance + shift, shift), abs_tol=1e-8)


def by_table(x, position):
    angles = position * in_numpy.rope_frequencies(16, 500_000.0)
    return in_numpy.apply_rope(x, np.cos(angles)[None], np.sin(angles)[None])


@pytest.mark.parametrize("name", SHAPES)
def test_frequencies_of_every_generation(name):
    cfg = shape(name)
    expected = frequencies_by_hand(cfg)
    for half in (in_numpy, in_torch):
        ours = half.rope_frequencies(cfg.head_dim, cfg.rope_theta, cfg.rope_scaling)
        np.testing.assert_allclose(np.asarray(ours), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("index", "plain", "scaled", "ratio32"),
    [
        (0, 1.0, 1.0, 1),
        (28, 3.21144599e-3, 3.21144599e-3, 1),
        (29, 2.61609925e-3, 2.16657076e-3, 0.809758),
        (32, 1.41421356e-3, 5.24846161e-4, 0.303743),
        (34, 9.38473870e-4, 1.78507813e-4, 0.103448),
        (35, 7.64496988e-4, 9.55621235e-5, 0.03125),
        (63, 2.45514079e-6, 3.06892599e-7, 0.03125),
    ],
)
def test_published_frequencies_of_llama_3_1(index, plain, scaled, ratio32):
    """The golden rows of facts B3, for the real head of 128 at theta 500,000."""
    for half in (in_numpy, in_torch):
        f = [
            half.rope_frequencies(128, 500_000.0, s)[index]
            for s in (None, RopeScaling(8.0), RopeScaling(32.0))
        ]
        assert f[0] == pytest.approx(plain, rel=1e-8)
        assert f[1] == pytest.approx(scaled, rel=1e-8)
        assert round(float(f[2] / f[0]), 6) == ratio32


@pytest.mark.parametrize(("head_dim", "bands"), [(128, (29, 6, 29)), (64, (15, 3, 14))])
def test_how_many_pairs_are_kept_blended_and_divided(head_dim, bands):
    ratio = in_numpy.rope_frequencies(head_dim, 500_000.0, RopeScaling()) / in_numpy.rope_frequencies(
        head_dim, 5e5
    )
    kept, divided = int(np.sum(ratio == 1)), int(np.sum(ratio == 1 / 8))
    assert (kept, len(ratio) - kept - divided, divided) == bands


def test_a_float32_table_is_the_float64_one_rounded_once():
    """Angles are never float32: at position 131,071 such angles are wrong by thousandths of a radian."""
    wide, narrow = (in_torch.rope_table(32, FAR + 1, 5e5, dtype=d) for d in (torch.float64, torch.float32))
    assert torch.equal(narrow.cos, wide.cos.float())
    assert torch.equal(narrow.sin, wide.sin.float())
    naive = (torch.tensor(float(FAR)) * in_torch.rope_frequencies(32, 5e5).float()).cos()
    assert (naive - wide.cos[FAR]).abs().max() > 1e-3


def test_bfloat16_is_rotated_in_the_tables_precision():
    x = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    table = in_torch.rope_table(8, 4, dtype=torch.float32)
    out = in_torch.apply_rope(x, *table)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, in_torch.apply_rope(x.float(), *table).bfloat16())


def test_layout_of_a_head_of_eight():
    """facts B3: Hugging Face's order is Meta's rows 0, 2, 4, 6, 1, 3, 5, 7 in every head."""
    meta = np.arange(16.0)
    half = [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]
    assert in_numpy.relayout(meta, 2, target="half").tolist() == half
    assert in_torch.relayout(torch.tensor(meta), 2, target="half").tolist() == half
    reversed_pairs = in_numpy.relayout(meta, 2, target="reversed")
    assert reversed_pairs.tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14]


@pytest.mark.parametrize("half", [in_numpy, in_torch], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda half, x: half.apply_rope(x, *half.rope_table(4, 2)), r"the table has 2 positions, x needs 3"),
        (lambda half, x: half.rope_frequencies(5), "head_dim is 5, but coordinates turn in pairs"),
        (
            lambda half, x: half.pair_order(4, "huggingface"),
            "no layout 'huggingface'; there are interleaved, half",
        ),
        (lambda half, x: half.relayout(x[0, :, 0], 2), "3 rows do not divide into 2 heads"),
    ],
)
def test_errors_say_the_way_out(half, call, sentence):
    x = np.ones((1, 3, 1, 4)) if half is in_numpy else torch.ones(1, 3, 1, 4).double()
    with pytest.raises(ValueError, match=sentence):
        call(half, x)
