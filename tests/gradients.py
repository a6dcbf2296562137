"""Two oracles for a hand-written backward pass: finite differences, and torch's autograd."""

import numpy as np
import torch


def finite_differences(
    f, args: tuple[np.ndarray, ...], dout: np.ndarray, h: float = 1e-6
) -> list[np.ndarray]:
    """Gradients of ``sum(f(*args) * dout)``, one number at a time, by central differences."""
    grads = []
    for i, arg in enumerate(args):
        grad = np.zeros_like(arg)
        for index in np.ndindex(arg.shape):
            moved = [a.copy() for a in args]
            moved[i][index] += h
            up = np.sum(f(*moved) * dout)
            moved[i][index] -= 2 * h
            grad[index] = (up - np.sum(f(*moved) * dout)) / (2 * h)
        grads.append(grad)
    return grads


def autograd(f, args: tuple[np.ndarray, ...], dout: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """torch's output and gradients of the twin ``f`` under the same upstream gradient."""
    tensors = [torch.tensor(a, requires_grad=True) for a in args]
    out = f(*tensors)
    out.backward(torch.tensor(dout))
    return out.detach().numpy(), [t.grad.numpy() for t in tensors]


def check_gradients(forward, backward, twin, args: tuple[np.ndarray, ...], seed: int = 0) -> None:
    """Same outputs in both halves; same gradients by hand, by autograd and by finite differences.

    The upstream gradient is random: a ``.sum()`` would hide a transposed or permuted output.
    """
    out, saved = forward(*args)
    dout = np.random.default_rng(seed).standard_normal(out.shape)
    by_hand = backward(dout, saved)
    by_hand = by_hand if isinstance(by_hand, tuple) else (by_hand,)
    twin_out, by_autograd = autograd(twin, args, dout)
    by_differences = finite_differences(lambda *a: forward(*a)[0], args, dout)
    np.testing.assert_allclose(out, twin_out, rtol=1e-10, atol=1e-12)
    for ours, auto, numeric in zip(by_hand, by_autograd, by_differences, strict=True):
        np.testing.assert_allclose(ours, auto, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours, numeric, rtol=1e-5, atol=1e-7)
