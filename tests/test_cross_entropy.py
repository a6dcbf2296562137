import numpy as np
import torch
from gradients import check_gradients

from llamalite.in_numpy import cross_entropy as in_numpy
from llamalite.in_torch import cross_entropy as in_torch

TARGETS = np.array([[0, 4, 2], [1, 1, 3]])


def test_forward_and_backward():
    logits = np.random.default_rng(0).standard_normal((2, 3, 5))
    check_gradients(
        lambda x: in_numpy.cross_entropy(x, TARGETS),
        in_numpy.cross_entropy_backward,
        lambda x: in_torch.cross_entropy(x, torch.tensor(TARGETS)),
        (logits,),
    )


def test_by_hand():
    """Odds 3 : 1 on the right token: -log 0.75."""
    logits = np.log(np.array([[3.0, 1.0]]))
    np.testing.assert_allclose(in_numpy.cross_entropy(logits, np.array([0]))[0], [-np.log(0.75)])


def test_huge_logits_stay_finite():
    loss, saved = in_numpy.cross_entropy(np.array([[1e4, -1e4]]), np.array([1]))
    assert loss == 2e4
    np.testing.assert_allclose(in_numpy.cross_entropy_backward(np.ones(1), saved), [[1, -1]])


def test_bfloat16_logits_are_reduced_in_float32():
    logits = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0)).bfloat16()
    loss = in_torch.cross_entropy(logits, torch.tensor([1, 2, 3, 4]))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, in_torch.cross_entropy(logits.float(), torch.tensor([1, 2, 3, 4])))
