"""A matrix product with its two gradients: what every weight of Llama but the norms' goes through.

Weights are (out, in), as in torch, and Llama has no biases. PyTorch's ``nn.Linear`` is the twin.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

FEW = 4  # rows, up to which dot products are faster than a matrix product


def linear(x: Float[ndarray, "*B D"], w: Float[ndarray, "O D"]) -> tuple[Float[ndarray, "*B O"], tuple]:
    """x wᵀ over the last axis.

    A few rows, as in decoding, take as long as it takes to read w, and ``np.inner`` reads it at twice
    the speed of BLAS's matrix product. Many rows are one large matrix, not one for each sequence.
    """
    rows = x.reshape(-1, x.shape[-1])
    out = np.inner(rows[None], w) if len(rows) <= FEW else rows @ w.T
    return out.reshape(*x.shape[:-1], len(w)), (x, w)


def linear_backward(
    dout: Float[ndarray, "*B O"], saved: tuple
) -> tuple[Float[ndarray, "*B D"], Float[ndarray, "O D"]]:
    """dx = dout w;  dw = doutᵀ x, summed over every leading axis."""
    x, w = saved
    dout, rows = dout.reshape(-1, dout.shape[-1]), x.reshape(-1, x.shape[-1])
    return (dout @ w).reshape(x.shape), dout.T @ rows
