"""Llama in PyTorch as it is usually written: what ``bench_torch.py`` holds ours against.

Written from memory of how single-file PyTorch Llamas are built after Meta's code; it copies none of them:
complex numbers for RoPE, keys and values repeated for the query heads that share them, PyTorch's fused
attention, RMSNorm in float32, a tied head, logits and loss in float32, ``torch.optim.AdamW`` as it comes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llamalite.config import LlamaConfig


class UsualNorm(nn.Module):
    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight


class UsualBlock(nn.Module):
    def __init__(self, cfg: LlamaConfig):
        super().__init__()
        self.cfg, D, H = cfg, cfg.dim, cfg.head_dim
        self.wq, self.wo = nn.Linear(D, D, bias=False), nn.Linear(D, D, bias=False)
        self.wk, self.wv = (nn.Linear(D, cfg.n_kv_heads * H, bias=False) for _ in range(2))
        self.w1, self.w3 = (nn.Linear(D, cfg.ffn_dim, bias=False) for _ in range(2))
        self.w2 = nn.Linear(cfg.ffn_dim, D, bias=False)
        self.attention_norm, self.ffn_norm = UsualNorm(D, cfg.norm_eps), UsualNorm(D, cfg.norm_eps)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        h = x + self.attend(self.attention_norm(x), turns)
        y = self.ffn_norm(h)
        return h + self.w2(F.silu(self.w1(y)) * self.w3(y))

    def attend(self, x: Tensor, turns: Tensor) -> Tensor:
        B, T, _ = x.shape
        q, k, v = (w(x).view(B, T, -1, self.cfg.head_dim) for w in (self.wq, self.wk, self.wv))
        q, k = usual_rope(q, turns), usual_rope(k, turns)
        if (times := self.cfg.n_heads // self.cfg.n_kv_heads) > 1:
            k, v = k.repeat_interleave(times, dim=2), v.repeat_interleave(times, dim=2)
        out = F.scaled_dot_product_attention(*(y.transpose(1, 2) for y in (q, k, v)), is_causal=True)
        return self.wo(out.transpose(1, 2).reshape(B, T, -1))


def usual_rope(x: Tensor, turns: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns[: x.shape[1], None]).flatten(3).type_as(x)


class UsualLlama(nn.Module):
    def __init__(self, cfg: LlamaConfig):
        super().__init__()
        self.tok_embeddings = nn.Embedding(cfg.vocab_size, cfg.dim)
        self.layers = nn.ModuleList(UsualBlock(cfg) for _ in range(cfg.n_layers))
        self.norm = UsualNorm(cfg.dim, cfg.norm_eps)
        self.output = nn.Linear(cfg.dim, cfg.vocab_size, bias=False)
        if cfg.tied:
            self.output.weight = self.tok_embeddings.weight
        freqs = cfg.rope_theta ** (-torch.arange(0, cfg.head_dim, 2) / cfg.head_dim)
        angles = torch.outer(torch.arange(cfg.max_seq_len), freqs)
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x, self.turns)
        return self.output(self.norm(x)).float()


def usual_names(name: str) -> str:
    """Our name of a weight → the one it has here."""
    for ours, theirs in (("w_gate", "w1"), ("w_up", "w3"), ("w_down", "w2")):
        name = name.replace(ours, theirs)
    return name.replace(".attention.", ".").replace(".feed_forward.", ".")
