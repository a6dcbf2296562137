"""RMSNorm in PyTorch: the twin of ``in_numpy/rmsnorm.py``."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def rms_norm(x: Float[Tensor, "*B D"], w: Float[Tensor, " D"], eps: float) -> Float[Tensor, "*B D"]:
    """``w * x / sqrt(mean(x²) + eps)`` over the last axis (Zhang & Sennrich 2019, eq. 4).

    Half-precision input is normalised in float32, cast back, and only then multiplied by the
    gain, which is Meta's order (facts B2).
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return normed.to(x.dtype) * w


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return rms_norm(x, self.weight, self.eps)
