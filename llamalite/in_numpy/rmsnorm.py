"""RMSNorm: divide by the root mean square, multiply by a learnt gain. No mean, no bias.

Zhang & Sennrich 2019, arXiv:1910.07467. Llama normalises before each sub-layer and once before
the output head, so a model has 2L + 1 of these.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def rms_norm(
    x: Float[ndarray, "*B D"], w: Float[ndarray, " D"], eps: float
) -> tuple[Float[ndarray, "*B D"], tuple]:
    """``w * x / sqrt(mean(x²) + eps)`` over the last axis (eq. 4); eps keeps a zero vector finite.

    >>> rms_norm(np.array([3.0, 4.0]), np.ones(2), eps=0.0)[0].round(4).tolist()
    [0.8485, 1.1314]
    """
    inv_rms = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    normed = x * inv_rms
    return normed * w, (normed, inv_rms, w)


def rms_norm_backward(
    dout: Float[ndarray, "*B D"], saved: tuple
) -> tuple[Float[ndarray, "*B D"], Float[ndarray, " D"]]:
    """dx, dw. The part of the gradient along ``normed`` cannot change the output, so it drops out."""
    normed, inv_rms, w = saved
    dnormed = dout * w
    dx = inv_rms * (dnormed - normed * np.mean(dnormed * normed, axis=-1, keepdims=True))
    dw = np.sum(dout * normed, axis=tuple(range(dout.ndim - 1)))
    return dx, dw
