"""The three families in one table, every entry but the tokens computed from the presets."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

from llamalite.config import preset
from llamalite.train.comparison.published import TRAINING


class Row(NamedTuple):
    model: str
    n_params: int
    n_layers: int
    dim: int
    n_heads: int
    n_kv_heads: int
    ffn_dim: int
    vocab_size: int
    context: int
    theta: float
    cache_bytes: int  # of a token, two bytes a number
    tokens: float
    tokens_per_param: float
    train_flops: float  # 6ND


def row(model: str) -> Row:
    """
    >>> f"{row('llama3.1-405b').train_flops:.2g}"             # the paper says 3.8e25 (facts G2)
    '3.8e+25'
    """
    cfg, tokens = preset(model), TRAINING[model].tokens
    return Row(
        model,
        cfg.n_params,
        cfg.n_layers,
        cfg.dim,
        cfg.n_heads,
        cfg.n_kv_heads,
        cfg.ffn_dim,
        cfg.vocab_size,
        cfg.max_seq_len,
        cfg.rope_theta,
        cfg.kv_cache_bytes_per_token(2),
        tokens,
        tokens / cfg.n_params,
        6 * cfg.n_params * tokens,
    )


def changed(old: str, new: str) -> dict[str, tuple[Any, Any]]:
    """What of the *network* differs between two presets: shapes and settings, not how they are spelt.

    >>> changed("llama1-7b", "llama2-7b")
    {'norm_eps': (1e-06, 1e-05), 'max_seq_len': (2048, 4096)}
    """
    a, b = preset(old), preset(new)
    spelling = {"multiple_of", "ffn_dim_multiplier", "hidden_dim"}  # all three only say what ``ffn_dim`` is
    names = ["ffn_dim", *(f.name for f in fields(a) if f.name not in spelling)]
    return {n: (getattr(a, n), getattr(b, n)) for n in names if getattr(a, n) != getattr(b, n)}
