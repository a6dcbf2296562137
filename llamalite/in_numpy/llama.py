"""All of Llama in NumPy, forward and backward: the pieces of the other files, put together.

Parameters are one flat dict under the names of the PyTorch half's ``state_dict()``. Every
generation is the same code under another ``LlamaConfig``.
"""

import zlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from numpy.typing import DTypeLike

from llamalite.config import LlamaConfig
from llamalite.in_numpy.attention import KVCache, attention, attention_backward
from llamalite.in_numpy.linear import linear, linear_backward
from llamalite.in_numpy.rmsnorm import rms_norm, rms_norm_backward
from llamalite.in_numpy.rope import RopeTable, apply_rope, apply_rope_backward, rope_table, table_rows
from llamalite.in_numpy.swiglu import swiglu, swiglu_backward

Params = dict[str, ndarray]

BLOCK = [
    *(f"attention.{name}.weight" for name in ("wq", "wk", "wv", "wo")),
    *(f"feed_forward.{name}.weight" for name in ("w_gate", "w_up", "w_down")),
    *("attention_norm.weight", "ffn_norm.weight"),
]


def llama(
    params: Params,
    cfg: LlamaConfig,
    tokens: Int[ndarray, "B T"],
    table: RopeTable | None = None,
    positions: Int[ndarray, "*P T"] | None = None,
    mask: Bool[ndarray, "*M T S"] | None = None,
    cache: KVCache | None = None,
) -> tuple[Float[ndarray, "B T V"], tuple]:
    """Logits of the next token at every position, and what ``llama_backward`` needs.

    ``table`` defaults to one built on the spot, ``positions`` to those after the cache,
    ``mask`` to causal. A cache is written in place and grows by T.
    """
    past, T = 0 if cache is None else cache.length, tokens.shape[1]
    x = params["tok_embeddings.weight"][tokens]
    if table is None:
        if positions is not None and past == 0:
            raise ValueError(
                "llama: explicit positions need an explicit table; build one with build_table(cfg, n)"
            )
        table = build_table(cfg, past + T, x.dtype)
    if positions is None and past:  # the new positions' rows, looked up once for all layers
        table = RopeTable(*(table_rows(rows, T, np.arange(past, past + T))[:, 0] for rows in table))
    saved_blocks = []
    for i in range(cfg.n_layers):
        x, saved = block(x, layer_weights(params, i), cfg, table, positions, mask, cache, i)
        saved_blocks.append(saved)
    if cache is not None:
        cache.length += T
    x, saved_norm = rms_norm(x, params["norm.weight"], cfg.norm_eps)
    logits, saved_head = linear(x, params["tok_embeddings.weight" if cfg.tied else "output.weight"])
    return logits, (tokens, params, cfg, saved_blocks, saved_norm, saved_head)


def llama_backward(dlogits: Float[ndarray, "B T V"], saved: tuple) -> Params:
    """The gradient of every parameter, by name."""
    tokens, params, cfg, saved_blocks, saved_norm, saved_head = saved
    grads = {}
    dx, dhead = linear_backward(dlogits, saved_head)
    dx, grads["norm.weight"] = rms_norm_backward(dx, saved_norm)
    for i in reversed(range(cfg.n_layers)):
        dx, layer_grads = block_backward(dx, saved_blocks[i])
        grads |= {f"layers.{i}.{name}": g for name, g in layer_grads.items()}
    if not cfg.tied:
        grads["output.weight"] = dhead
        dhead = np.zeros_like(params["tok_embeddings.weight"])
    np.add.at(dhead, tokens, dx)  # a token that occurs twice collects twice
    return grads | {"tok_embeddings.weight": dhead}


def layer_weights(params: Params, i: int) -> Params:
    """One block's weights: ``layers.3.attention.wq.weight`` becomes ``attention.wq.weight``."""
    return {name: params[f"layers.{i}.{name}"] for name in BLOCK}


def block(
    x: Float[ndarray, "B T D"],
    w: Params,
    cfg: LlamaConfig,
    table: RopeTable,
    positions,
    mask,
    cache,
    layer: int,
) -> tuple[Float[ndarray, "B T D"], tuple]:
    """h = x + Attention(RMSNorm(x));  h + FeedForward(RMSNorm(h))  (facts B1)."""
    normed, saved_norm1 = rms_norm(x, w["attention_norm.weight"], cfg.norm_eps)
    attended, saved_attention = attention_layer(normed, w, cfg, table, positions, mask, cache, layer)
    h = x + attended
    normed, saved_norm2 = rms_norm(h, w["ffn_norm.weight"], cfg.norm_eps)
    ffn_weights = (w[f"feed_forward.{name}.weight"] for name in ("w_gate", "w_up", "w_down"))
    fed, saved_ffn = swiglu(normed, *ffn_weights)
    return h + fed, (saved_norm1, saved_attention, saved_norm2, saved_ffn)


def block_backward(dout: Float[ndarray, "B T D"], saved: tuple) -> tuple[Float[ndarray, "B T D"], Params]:
    """dx and the block's gradients; around each sub-layer the residual path passes dout unchanged."""
    saved_norm1, saved_attention, saved_norm2, saved_ffn = saved
    grads = {}
    dnormed, *dffn = swiglu_backward(dout, saved_ffn)
    for name, g in zip(("w_gate", "w_up", "w_down"), dffn, strict=True):
        grads[f"feed_forward.{name}.weight"] = g
    dh, grads["ffn_norm.weight"] = rms_norm_backward(dnormed, saved_norm2)
    dh += dout
    dnormed, attention_grads = attention_layer_backward(dh, saved_attention)
    dx, grads["attention_norm.weight"] = rms_norm_backward(dnormed, saved_norm1)
    return dx + dh, grads | attention_grads


def attention_layer(
    x: Float[ndarray, "B T D"],
    w: Params,
    cfg: LlamaConfig,
    table: RopeTable,
    positions,
    mask,
    cache,
    layer: int,
) -> tuple[Float[ndarray, "B T D"], tuple]:
    """Project, split into heads, rotate, attend, merge, project."""
    flat, saved = zip(*(linear(x, w[f"attention.{name}.weight"]) for name in ("wq", "wk", "wv")), strict=True)
    q, k, v = (y.reshape(*y.shape[:-1], -1, cfg.head_dim) for y in flat)
    q, k = apply_rope(q, *table, positions), apply_rope(k, *table, positions)
    if cache is not None:
        k, v = cache.update(layer, k, v)
    causal = mask is None and q.shape[-3] > 1  # one query, the last position, sees all without a mask
    heads, saved_heads = attention(q, k, v, mask, causal)
    out, saved_out = linear(heads.reshape(*heads.shape[:-2], -1), w["attention.wo.weight"])
    return out, (saved, saved_heads, saved_out, table, positions, cfg.head_dim)


def attention_layer_backward(
    dout: Float[ndarray, "B T D"], saved: tuple
) -> tuple[Float[ndarray, "B T D"], Params]:
    saved, saved_heads, saved_out, table, positions, head_dim = saved
    dheads, dwo = linear_backward(dout, saved_out)
    dq, dk, dv = attention_backward(dheads.reshape(*dheads.shape[:-1], -1, head_dim), saved_heads)
    dq, dk = (apply_rope_backward(d, *table, positions) for d in (dq, dk))
    dx, grads = 0.0, {"attention.wo.weight": dwo}
    for name, d, saved_linear in zip(("wq", "wk", "wv"), (dq, dk, dv), saved, strict=True):
        dx_part, grads[f"attention.{name}.weight"] = linear_backward(
            d.reshape(*d.shape[:-2], -1), saved_linear
        )
        dx = dx + dx_part
    return dx, grads


def as_model(
    params: Params, cfg: LlamaConfig, dtype: DTypeLike | None = None
) -> Callable[..., Float[ndarray, "B T V"]]:
    """What ``generate`` calls: ``llama`` with its weights (in ``dtype``) and table, logits alone."""
    packed = pack(params, dtype)
    table = build_table(cfg, dtype=packed["norm.weight"].dtype)
    return lambda tokens, cache=None: llama(packed, cfg, tokens, table, cache=cache)[0]


def pack(params: Params, dtype: DTypeLike | None = None) -> Params:
    """A copy of the parameters side by side in one array, of which each is a view.

    One large array lies in large pages of memory, and decoding, which is little but the reading of
    weights, was 1.15 times as fast (stories-15m, Linux).
    """
    flat = np.concatenate([w.ravel() for w in params.values()], dtype=dtype)
    parts = np.split(flat, np.cumsum([w.size for w in params.values()])[:-1])
    return {name: part.reshape(w.shape) for part, (name, w) in zip(parts, params.items(), strict=True)}


def build_table(cfg: LlamaConfig, max_seq_len: int | None = None, dtype: DTypeLike = np.float64) -> RopeTable:
    """The RoPE table of a config."""
    return rope_table(cfg.head_dim, max_seq_len or cfg.max_seq_len, cfg.rope_theta, cfg.rope_scaling, dtype)


def build_cache(
    cfg: LlamaConfig, batch: int, max_seq_len: int | None = None, dtype: DTypeLike = np.float64
) -> KVCache:
    """An empty cache for ``batch`` sequences of up to ``max_seq_len`` tokens."""
    return KVCache(cfg.n_layers, batch, max_seq_len or cfg.max_seq_len, cfg.n_kv_heads, cfg.head_dim, dtype)


def init_weight(name: str, shape: tuple[int, ...], n_layers: int, seed: int) -> Float[ndarray, "..."]:
    """One parameter's first value: gains 1, else N(0, 1/n) for n inputs, so that what comes out is as
    large as what went in; what writes to the residual stream (wo, w_down) is divided by sqrt(2L), as in
    GPT-2. The Llama papers publish none (facts B6); 0.02, which many use, is 1/sqrt(n) for n = 2,500.
    The seed is that of the name, so every layout of the model starts alike.
    """
    if "norm" in name:
        return np.ones(shape)
    std = shape[-1] ** -0.5
    if name.endswith(("wo.weight", "w_down.weight")):
        std /= (2 * n_layers) ** 0.5
    return std * np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)


def init_weights(cfg: LlamaConfig, seed: int = 0, dtype: DTypeLike = np.float64) -> Params:
    """Every parameter of the model by its name."""
    return {
        name: init_weight(name, shape, cfg.n_layers, seed).astype(dtype)
        for name, shape in cfg.param_shapes().items()
    }
