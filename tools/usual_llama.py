"""Llama in NumPy as it is usually written: what ``bench_llama.py`` holds ours against.

Written from memory of how single-file NumPy Llamas are built after Meta's code; it copies none of them:
``x @ w`` with the weights' transposed views, a preallocated cache, keys and values repeated for the query
heads that share them, a mask only for more than one token, logits of the last position only, RoPE tables
made once, float32 throughout. Nothing is slower than it has to be in this form. Two variations:

cache_dtype  float64 is what ``np.zeros`` makes when it is not told otherwise; it spreads from the cache to
             all that comes after, and each product then converts its weights. The best-known of these
             programs, llama3.np, is of this kind (its caches and RoPE tables, read in November 2026).
turned       weights turned over and copied once, when they are loaded: the fastest form found
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from llamalite.config import LlamaConfig
from llamalite.in_numpy.llama import BLOCK, build_table


class UsualAttention:
    def __init__(self, weights: list[ndarray], cfg: LlamaConfig, cache_dtype: type):
        self.wq, self.wk, self.wv, self.wo = weights
        self.n_heads, self.n_kv_heads, self.head_dim = cfg.n_heads, cfg.n_kv_heads, cfg.head_dim
        shape = (1, cfg.max_seq_len, cfg.n_kv_heads, cfg.head_dim)
        self.cache_k, self.cache_v = np.zeros(shape, cache_dtype), np.zeros(shape, cache_dtype)

    def __call__(self, x: ndarray, start: int, mask: ndarray | None, cos: ndarray, sin: ndarray) -> ndarray:
        B, T, _ = x.shape
        q = (x @ self.wq).reshape(B, T, self.n_heads, self.head_dim)
        k = (x @ self.wk).reshape(B, T, self.n_kv_heads, self.head_dim)
        v = (x @ self.wv).reshape(B, T, self.n_kv_heads, self.head_dim)
        q, k = usual_rope(q, cos, sin), usual_rope(k, cos, sin)
        self.cache_k[:B, start : start + T], self.cache_v[:B, start : start + T] = k, v
        k, v = self.cache_k[:B, : start + T], self.cache_v[:B, : start + T]
        if self.n_heads > self.n_kv_heads:
            k, v = (np.repeat(y, self.n_heads // self.n_kv_heads, axis=2) for y in (k, v))
        q, k, v = (y.transpose(0, 2, 1, 3) for y in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / np.float32(self.head_dim**0.5)
        if mask is not None:
            scores = scores + mask
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores = scores / scores.sum(axis=-1, keepdims=True)
        return (scores @ v).transpose(0, 2, 1, 3).reshape(B, T, -1) @ self.wo


def usual_rope(x: ndarray, cos: ndarray, sin: ndarray) -> ndarray:
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    cos, sin = cos[:, None], sin[:, None]
    return np.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(x.shape)


def usual_norm(x: ndarray, w: ndarray, eps: float) -> ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * w


class UsualLlama:
    def __init__(
        self,
        params: dict[str, ndarray],
        cfg: LlamaConfig,
        cache_dtype: type = np.float32,
        turned: bool = False,
    ):
        turn = np.ascontiguousarray if turned else np.asarray  # a copy, or a view of the same numbers
        w = {name: turn(p.T) if p.ndim == 2 else p for name, p in params.items()}
        self.cfg, self.embedding, self.norm = cfg, params["tok_embeddings.weight"], w["norm.weight"]
        self.head = w["tok_embeddings.weight" if cfg.tied else "output.weight"]
        self.cos, self.sin = build_table(cfg, dtype=np.float32)
        self.layers = []
        for i in range(cfg.n_layers):
            block = {name: w[f"layers.{i}.{name}"] for name in BLOCK}
            heads = [block[f"attention.{name}.weight"] for name in ("wq", "wk", "wv", "wo")]
            feed = [block[f"feed_forward.{name}.weight"] for name in ("w_gate", "w_up", "w_down")]
            norms = block["attention_norm.weight"], block["ffn_norm.weight"]
            self.layers.append((UsualAttention(heads, cfg, cache_dtype), feed, norms))

    def __call__(self, tokens: ndarray, start: int) -> ndarray:
        T, eps = tokens.shape[1], self.cfg.norm_eps
        h = self.embedding[tokens]
        cos, sin = self.cos[start : start + T], self.sin[start : start + T]
        mask = None
        if T > 1:
            mask = np.triu(np.full((T, T), -np.inf, dtype=np.float32), k=1)
            mask = np.concatenate([np.zeros((T, start), dtype=np.float32), mask], axis=1)
        for attention, (w_gate, w_up, w_down), (norm1, norm2) in self.layers:
            h = h + attention(usual_norm(h, norm1, eps), start, mask, cos, sin)
            x = usual_norm(h, norm2, eps)
            gate = x @ w_gate
            h = h + (gate * (1 / (1 + np.exp(-gate))) * (x @ w_up)) @ w_down
        return usual_norm(h, self.norm, eps)[:, -1:] @ self.head
