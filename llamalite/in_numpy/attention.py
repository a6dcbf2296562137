"""Causal grouped-query attention, forward and backward, and the cache that saves recomputing it.

Vaswani et al. 2017 eq. 1; Ainslie et al. 2023 (arXiv:2305.13245) for the groups. ``n_kv_heads =
n_heads`` is multi-head attention, ``n_kv_heads = 1`` multi-query attention: one code for all.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import DTypeLike


def causal_mask(T: int, S: int) -> Bool[ndarray, "T S"]:
    """True where a query may look: the T queries are the last T of S positions.

    >>> causal_mask(2, 3).astype(int).tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    return np.tri(T, S, S - T, dtype=bool)


def softmax(scores: Float[ndarray, "*B S"]) -> Float[ndarray, "*B S"]:
    """e^score, normalised over the last axis; the row maximum is taken off first, for range only."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def attention(
    q: Float[ndarray, "*B T N H"],
    k: Float[ndarray, "*B S K H"],
    v: Float[ndarray, "*B S K H"],
    mask: Bool[ndarray, "*M T S"] | None = None,
    causal: bool = False,
) -> tuple[Float[ndarray, "*B T N H"], tuple]:
    """``softmax(q kᵀ / sqrt(H)) v``; query heads j·G … j·G+G-1 share key/value head j (facts B5).

    ``mask`` is True where a query may attend and has no head axis; ``causal=True`` is the mask
    ``causal_mask(T, S)``.
    """
    if causal and mask is not None:
        raise ValueError("attention: give a mask or causal=True, not both")
    if causal:
        mask = causal_mask(q.shape[-3], k.shape[-3])
    scale = q.shape[-1] ** -0.5
    q, k, v = group_queries(q, k.shape[-2]), group_keys(k), group_keys(v)
    scores = q @ k.swapaxes(-1, -2) * scale
    if mask is not None:
        scores = np.where(mask[..., None, None, :, :], scores, -np.inf)
    weights = softmax(scores)
    return ungroup_queries(weights @ v), (q, k, v, weights, scale)


def attention_backward(
    dout: Float[ndarray, "*B T N H"], saved: tuple
) -> tuple[Float[ndarray, "*B T N H"], Float[ndarray, "*B S K H"], Float[ndarray, "*B S K H"]]:
    """dq, dk, dv. A masked score has weight 0, and so gets gradient 0 without being asked."""
    q, k, v, weights, scale = saved
    dout = group_queries(dout, k.shape[-4])
    dweights = dout @ v.swapaxes(-1, -2)
    dscores = weights * (dweights - np.sum(dweights * weights, axis=-1, keepdims=True)) * scale
    dv = np.sum(weights.swapaxes(-1, -2) @ dout, axis=-3)  # a shared head collects from its whole group
    dk = np.sum(dscores.swapaxes(-1, -2) @ q, axis=-3)
    return ungroup_queries(dscores @ k), dk.swapaxes(-3, -2), dv.swapaxes(-3, -2)


def group_queries(x: Float[ndarray, "*B T N H"], n_kv_heads: int) -> Float[ndarray, "*B K G T H"]:
    """Heads before positions, in groups: consecutive query heads belong to one key/value head."""
    *B, T, N, H = x.shape
    return np.moveaxis(x.reshape(*B, T, n_kv_heads, N // n_kv_heads, H), -4, -2)


def ungroup_queries(x: Float[ndarray, "*B K G T H"]) -> Float[ndarray, "*B T N H"]:
    """Inverse of ``group_queries``: positions first again, then merge the head axes."""
    *B, K, G, T, H = x.shape
    return np.moveaxis(x, -2, -4).reshape(*B, T, K * G, H)


def group_keys(x: Float[ndarray, "*B S K H"]) -> Float[ndarray, "*B K 1 S H"]:
    """Heads before positions, with an axis of one that broadcasts over the group."""
    return x.swapaxes(-3, -2)[..., :, None, :, :]


class KVCache:
    """Preallocated keys and values of every layer, filled up to ``length``.

    ``update`` writes after ``length``; the model raises ``length`` once per forward pass.
    """

    def __init__(
        self,
        n_layers: int,
        batch: int,
        max_seq_len: int,
        n_kv_heads: int,
        head_dim: int,
        dtype: DTypeLike = np.float64,
    ):
        self.k = np.zeros((n_layers, batch, max_seq_len, n_kv_heads, head_dim), dtype)
        self.v = np.zeros_like(self.k)
        self.length = 0

    def update(
        self, layer: int, k: Float[ndarray, "B T K H"], v: Float[ndarray, "B T K H"]
    ) -> tuple[Float[ndarray, "B S K H"], Float[ndarray, "B S K H"]]:
        """Store T new positions of one layer; return all S = length + T of them."""
        end = self.length + k.shape[1]
        if end > self.k.shape[2]:
            raise ValueError(
                f"kv cache: it holds {self.k.shape[2]} positions, {end} are needed; build it longer"
            )
        self.k[layer, :, self.length : end] = k
        self.v[layer, :, self.length : end] = v
        return self.k[layer, :, :end], self.v[layer, :, :end]
