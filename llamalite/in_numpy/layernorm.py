"""LayerNorm: what RMSNorm grew out of. It also takes the mean off, and adds a learnt bias.

Ba, Kiros & Hinton 2016, arXiv:1607.06450. No Llama has one; chapter ``rmsnorm`` compares.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def layer_norm(
    x: Float[ndarray, "*B D"], w: Float[ndarray, " D"], b: Float[ndarray, " D"], eps: float
) -> tuple[Float[ndarray, "*B D"], tuple]:
    """``w * (x - mean) / sqrt(variance + eps) + b`` over the last axis (eqs. 3 and 4 there).

    >>> layer_norm(np.array([3.0, 5.0]), np.ones(2), np.zeros(2), eps=0.0)[0].tolist()
    [-1.0, 1.0]
    """
    centred = x - np.mean(x, axis=-1, keepdims=True)
    inv_std = 1 / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + eps)
    normed = centred * inv_std
    return normed * w + b, (normed, inv_std, w)


def layer_norm_backward(
    dout: Float[ndarray, "*B D"], saved: tuple
) -> tuple[Float[ndarray, "*B D"], Float[ndarray, " D"], Float[ndarray, " D"]]:
    """dx, dw, db. As in RMSNorm, and what would only move the mean drops out as well."""
    normed, inv_std, w = saved
    dnormed = dout * w
    along = normed * np.mean(dnormed * normed, axis=-1, keepdims=True)
    dx = inv_std * (dnormed - np.mean(dnormed, axis=-1, keepdims=True) - along)
    rows = tuple(range(dout.ndim - 1))
    return dx, np.sum(dout * normed, axis=rows), np.sum(dout, axis=rows)
