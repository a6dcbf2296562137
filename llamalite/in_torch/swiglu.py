"""The SwiGLU feed-forward layer in PyTorch: the twin of ``in_numpy/swiglu.py``."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def swiglu(
    x: Float[Tensor, "*B D"],
    w_gate: Float[Tensor, "F D"],
    w_up: Float[Tensor, "F D"],
    w_down: Float[Tensor, "D F"],
) -> Float[Tensor, "*B D"]:
    """``(silu(x w_gateᵀ) ⊙ x w_upᵀ) w_downᵀ`` (Shazeer 2020, eq. 6). Only the gate goes through silu."""
    return F.linear(F.silu(F.linear(x, w_gate)) * F.linear(x, w_up), w_down)


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden_dim: int):
        super().__init__()
        self.w_gate = nn.Linear(dim, hidden_dim, bias=False)
        self.w_up = nn.Linear(dim, hidden_dim, bias=False)
        self.w_down = nn.Linear(hidden_dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        # Through the modules, not swiglu(weights): tensor parallelism hooks the three of them.
        return self.w_down(F.silu(self.w_gate(x)) * self.w_up(x))
