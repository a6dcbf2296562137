"""SwiGLU: a feed-forward layer whose hidden units are switched by a second projection.

Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202. Meta's w1, w3, w2 are here
``w_gate``, ``w_up``, ``w_down``: the numbers mean other matrices in other codebases.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from llamalite.in_numpy.linear import linear, linear_backward


def sigmoid(z: Float[ndarray, "*B F"]) -> Float[ndarray, "*B F"]:
    """1 / (1 + e^-z), written with tanh so that nothing overflows.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    return 0.5 * (1 + np.tanh(0.5 * z))


def swiglu(
    x: Float[ndarray, "*B D"],
    w_gate: Float[ndarray, "F D"],
    w_up: Float[ndarray, "F D"],
    w_down: Float[ndarray, "D F"],
) -> tuple[Float[ndarray, "*B D"], tuple]:
    """``(silu(x w_gateᵀ) ⊙ x w_upᵀ) w_downᵀ`` (eq. 6). Only the gate goes through silu(z) = z·sigmoid(z)."""
    gate, saved_gate = linear(x, w_gate)
    up, saved_up = linear(x, w_up)
    gate_sigmoid = sigmoid(gate)
    out, saved_down = linear(gate * gate_sigmoid * up, w_down)
    return out, (gate, gate_sigmoid, up, saved_gate, saved_up, saved_down)


def swiglu_backward(
    dout: Float[ndarray, "*B D"], saved: tuple
) -> tuple[Float[ndarray, "*B D"], Float[ndarray, "F D"], Float[ndarray, "F D"], Float[ndarray, "D F"]]:
    """dx, dw_gate, dw_up, dw_down. silu'(z) = sigmoid(z) · (1 + z · (1 - sigmoid(z)))."""
    gate, gate_sigmoid, up, saved_gate, saved_up, saved_down = saved
    dhidden, dw_down = linear_backward(dout, saved_down)
    dup = dhidden * gate * gate_sigmoid
    dgate = dhidden * up * gate_sigmoid * (1 + gate * (1 - gate_sigmoid))
    dx_gate, dw_gate = linear_backward(dgate, saved_gate)
    dx_up, dw_up = linear_backward(dup, saved_up)
    return dx_gate + dx_up, dw_gate, dw_up, dw_down
