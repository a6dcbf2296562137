import numpy as np
import torch
from gradients import check_gradients

from llamalite.in_numpy import swiglu as in_numpy
from llamalite.in_torch import swiglu as in_torch


def weights(D=4, F=7):
    rng = np.random.default_rng(0)
    shapes = [(2, 3, D), (F, D), (F, D), (D, F)]
    return tuple(rng.standard_normal(s) for s in shapes)


def test_forward_and_backward():
    check_gradients(in_numpy.swiglu, in_numpy.swiglu_backward, in_torch.swiglu, weights())


def test_by_hand():
    """x = 2, gate 3, up 5, down 7: silu(6) = 6/(1+e^-6) = 5.985164; times 10, times 7 = 418.9615."""
    one = [np.array([[v]]) for v in (2.0, 3.0, 5.0, 7.0)]
    out, _ = in_numpy.swiglu(*one)
    np.testing.assert_allclose(out, [[6 / (1 + np.exp(-6)) * 10 * 7]])
    np.testing.assert_allclose(in_torch.swiglu(*map(torch.tensor, one)).numpy(), out)


def test_gate_and_up_are_not_the_same():
    x, gate, up, down = weights()
    assert np.abs(in_numpy.swiglu(x, gate, up, down)[0] - in_numpy.swiglu(x, up, gate, down)[0]).max() > 0.1


def test_sigmoid_does_not_overflow():
    with np.errstate(over="raise"):
        np.testing.assert_allclose(in_numpy.sigmoid(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])


def test_the_module_is_the_function():
    x, gate, up, down = (torch.tensor(a) for a in weights())
    layer = in_torch.FeedForward(4, 7).double()
    layer.load_state_dict({"w_gate.weight": gate, "w_up.weight": up, "w_down.weight": down})
    torch.testing.assert_close(layer(x), in_torch.swiglu(x, gate, up, down))
