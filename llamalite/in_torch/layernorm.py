"""LayerNorm in PyTorch: the twin of ``in_numpy/layernorm.py``. No Llama has one."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def layer_norm(
    x: Float[Tensor, "*B D"], w: Float[Tensor, " D"], b: Float[Tensor, " D"], eps: float
) -> Float[Tensor, "*B D"]:
    """``w * (x - mean) / sqrt(variance + eps) + b`` over the last axis (Ba et al. 2016).

    Half-precision input is normalised in float32, as in ``rms_norm``.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    centred = wide - wide.mean(-1, keepdim=True)
    normed = centred * torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + eps)
    return normed.to(x.dtype) * w + b


class LayerNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return layer_norm(x, self.weight, self.bias, self.eps)
