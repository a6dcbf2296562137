"""A matrix product with its two gradients: what every weight of Llama but the norms' goes through.

Weights are (out, in), as in torch, and Llama has no biases. PyTorch's ``nn.Linear`` is the twin.
"""

from jaxtyping import Float
from numpy import ndarray


def linear(x: Float[ndarray, "*B D"], w: Float[ndarray, "O D"]) -> tuple[Float[ndarray, "*B O"], tuple]:
    return x @ w.T, (x, w)


def linear_backward(
    dout: Float[ndarray, "*B O"], saved: tuple
) -> tuple[Float[ndarray, "*B D"], Float[ndarray, "O D"]]:
    """dx = dout w;  dw = doutᵀ x, summed over every leading axis."""
    x, w = saved
    return dout @ w, dout.reshape(-1, dout.shape[-1]).T @ x.reshape(-1, x.shape[-1])
