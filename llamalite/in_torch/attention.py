"""Causal grouped-query attention in PyTorch: the twin of ``in_numpy/attention.py``.

``n_kv_heads = n_heads`` is multi-head attention, ``n_kv_heads = 1`` multi-query attention.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from llamalite.in_torch.rope import RopeTable, apply_rope


def causal_mask(T: int, S: int, device: torch.device | str | None = None) -> Bool[Tensor, "T S"]:
    """True where a query may look: the T queries are the last T of S positions.

    >>> causal_mask(2, 3).int().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def attention(
    q: Float[Tensor, "*B T N H"],
    k: Float[Tensor, "*B S K H"],
    v: Float[Tensor, "*B S K H"],
    mask: Bool[Tensor, "*M T S"] | None = None,
    causal: bool = False,
) -> Float[Tensor, "*B T N H"]:
    """``softmax(q kᵀ / sqrt(H)) v``; query heads j·G … j·G+G-1 share key/value head j (facts B5).

    ``mask`` is True where a query may attend and has no head axis; ``causal=True`` is the mask
    ``causal_mask(T, S)`` without building it where PyTorch has a faster way.
    """
    T, S, N, K = q.shape[-3], k.shape[-3], q.shape[-2], k.shape[-2]
    if causal and mask is not None:
        raise ValueError("attention: give a mask or causal=True, not both")
    if causal and 1 < T != S:  # is_causal counts from the first key, we count from the last
        mask, causal = causal_mask(T, S, q.device), False
    if mask is not None:
        mask = mask[..., None, :, :]
    q, k, v = (x.transpose(-3, -2) for x in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal and T > 1, enable_gqa=N != K)
    return out.transpose(-3, -2)


class KVCache:
    """Preallocated keys and values of every layer, filled up to ``length``.

    ``update`` writes after ``length``; the model raises ``length`` once per forward pass.
    """

    def __init__(self, n_layers: int, batch: int, max_seq_len: int, n_kv_heads: int, head_dim: int, **where):
        self.k = torch.zeros(n_layers, batch, max_seq_len, n_kv_heads, head_dim, **where)
        self.v = torch.zeros_like(self.k)
        self.length = 0

    def update(
        self, layer: int | slice, k: Float[Tensor, "*L B T K H"], v: Float[Tensor, "*L B T K H"]
    ) -> tuple[Float[Tensor, "*L B S K H"], Float[Tensor, "*L B S K H"]]:
        """Store T new positions of one layer, or of several; return all S = length + T of them."""
        end = self.length + k.shape[-3]
        if end > self.k.shape[2]:
            raise ValueError(
                f"kv cache: it holds {self.k.shape[2]} positions, {end} are needed; build it longer"
            )
        self.k[layer, :, self.length : end] = k
        self.v[layer, :, self.length : end] = v
        return self.k[layer, :, :end], self.v[layer, :, :end]


class Attention(nn.Module):
    def __init__(self, dim: int, n_heads: int, n_kv_heads: int):
        super().__init__()
        self.head_dim = dim // n_heads
        self.wq = nn.Linear(dim, n_heads * self.head_dim, bias=False)
        self.wk = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wv = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wo = nn.Linear(n_heads * self.head_dim, dim, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        table: RopeTable,
        positions: Int[Tensor, "*P T"] | None = None,
        mask: Bool[Tensor, "*M T S"] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T D"]:
        # -1 infers the number of heads: under tensor parallelism each rank holds fewer.
        q, k, v = (w(x).unflatten(-1, (-1, self.head_dim)) for w in (self.wq, self.wk, self.wv))
        q, k = apply_rope(q, *table, positions), apply_rope(k, *table, positions)
        if cache is not None:
            k, v = cache.update(layer, k, v)
        return self.wo(attention(q, k, v, mask, causal=mask is None).flatten(-2))
