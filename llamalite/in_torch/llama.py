"""All of Llama in PyTorch: the twin of ``in_numpy/llama.py``. One model for every generation.

``model(tokens)`` returns logits. The RoPE table, explicit positions, a mask and a key/value cache
are arguments; nothing about devices, ranks or training is known here.
"""

import zlib

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from llamalite.config import LlamaConfig
from llamalite.in_torch.attention import Attention, KVCache
from llamalite.in_torch.rmsnorm import RMSNorm
from llamalite.in_torch.rope import RopeTable, rope_table
from llamalite.in_torch.swiglu import FeedForward


class Block(nn.Module):
    """h = x + Attention(RMSNorm(x));  h + FeedForward(RMSNorm(h))  (facts B1)."""

    def __init__(self, dim: int, n_heads: int, n_kv_heads: int, hidden_dim: int, eps: float):
        super().__init__()
        self.attention_norm = RMSNorm(dim, eps)
        self.attention = Attention(dim, n_heads, n_kv_heads)
        self.ffn_norm = RMSNorm(dim, eps)
        self.feed_forward = FeedForward(dim, hidden_dim)

    def forward(self, x: Float[Tensor, "B T D"], *context) -> Float[Tensor, "B T D"]:
        h = x + self.attention(self.attention_norm(x), *context)
        return h + self.feed_forward(self.ffn_norm(h))


class Llama(nn.Module):
    """Llama 1, 2, 3, 3.1 or 3.2, as ``cfg`` says."""

    def __init__(self, cfg: LlamaConfig):
        super().__init__()
        self.cfg = cfg
        self.tok_embeddings = nn.Embedding(cfg.vocab_size, cfg.dim)
        # A dict keyed by number: names survive when a pipeline stage drops layers.
        block = (cfg.dim, cfg.n_heads, cfg.n_kv_heads, cfg.ffn_dim, cfg.norm_eps)
        self.layers = nn.ModuleDict({str(i): Block(*block) for i in range(cfg.n_layers)})
        self.norm = RMSNorm(cfg.dim, cfg.norm_eps)
        self.output = None if cfg.tied else nn.Linear(cfg.dim, cfg.vocab_size, bias=False)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        table: RopeTable | None = None,
        positions: Int[Tensor, "*P T"] | None = None,
        mask: Bool[Tensor, "*M T S"] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of the next token at every position.

        ``table`` defaults to one built on the spot, ``positions`` to those after the cache,
        ``mask`` to causal. A cache is written in place and grows by T.
        """
        past = 0 if cache is None else cache.length
        x = self.tok_embeddings(tokens)
        if positions is None and past:
            positions = torch.arange(past, past + tokens.shape[1], device=tokens.device)
        if table is None:
            if positions is not None and past == 0:
                raise ValueError(
                    "llama: explicit positions need an explicit table; build one with build_table(cfg, n)"
                )
            table = build_table(self.cfg, past + tokens.shape[1], x.dtype, x.device)
        for i, layer in self.layers.items():
            x = layer(x, table, positions, mask, cache, int(i))
        if cache is not None:
            cache.length += tokens.shape[1]
        x = self.norm(x)
        return x @ self.tok_embeddings.weight.T if self.output is None else self.output(x)


def build_table(
    cfg: LlamaConfig,
    max_seq_len: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> RopeTable:
    """The RoPE table of a config; float32 at least, since bf16 angles would be useless."""
    dtype = torch.promote_types(dtype, torch.float32)
    return rope_table(
        cfg.head_dim, max_seq_len or cfg.max_seq_len, cfg.rope_theta, cfg.rope_scaling, dtype, device
    )


def build_cache(
    cfg: LlamaConfig,
    batch: int,
    max_seq_len: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> KVCache:
    """An empty cache for ``batch`` sequences of up to ``max_seq_len`` tokens."""
    sizes = (cfg.n_layers, batch, max_seq_len or cfg.max_seq_len, cfg.n_kv_heads, cfg.head_dim)
    return KVCache(*sizes, dtype=dtype, device=device)


def init_weight(name: str, shape: tuple[int, ...], n_layers: int, seed: int) -> Float[np.ndarray, "..."]:
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


def init_weights(model: Llama, seed: int = 0) -> Llama:
    """Fill every parameter in place (also after ``to_empty`` from the meta device)."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(init_weight(name, tuple(p.shape), model.cfg.n_layers, seed)))
    return model
