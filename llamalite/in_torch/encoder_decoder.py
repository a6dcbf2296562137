"""Encoder–decoder and encoder-only models from Llama's own block: what differs is who may look at whom.

Vaswani et al. 2017 (arXiv:1706.03762) joined an encoder, whose tokens see each other in both directions,
to a decoder that writes and looks at what was read through cross-attention. Devlin et al. 2018
(arXiv:1810.04805) kept the encoder alone, Radford et al. 2018 the decoder alone, which is what Llama is.
Norms, RoPE and SwiGLU are Llama's, so that a comparison is one of the masks and not of the parts.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from llamalite.config import LlamaConfig
from llamalite.in_torch.attention import Attention, KVCache, attention
from llamalite.in_torch.llama import Block, build_table
from llamalite.in_torch.rmsnorm import RMSNorm
from llamalite.in_torch.rope import RopeTable
from llamalite.in_torch.swiglu import FeedForward


def both_ways_mask(real: Bool[Tensor, "B S"]) -> Bool[Tensor, "B S S"]:
    """Everybody may look at every real token, before and behind; padding is looked at by nobody.

    >>> both_ways_mask(torch.tensor([[True, True, False]])).int().tolist()
    [[[1, 1, 0], [1, 1, 0], [1, 1, 0]]]
    """
    return real[:, None, :].expand(-1, real.shape[1], -1)


class Encoder(nn.Module):
    """Llama's blocks without the causal mask; what comes out are vectors, one a token."""

    def __init__(self, cfg: LlamaConfig):
        super().__init__()
        self.cfg = cfg
        self.tok_embeddings = nn.Embedding(cfg.vocab_size, cfg.dim)
        block = (cfg.dim, cfg.n_heads, cfg.n_kv_heads, cfg.ffn_dim, cfg.norm_eps)
        self.layers = nn.ModuleDict({str(i): Block(*block) for i in range(cfg.n_layers)})
        self.norm = RMSNorm(cfg.dim, cfg.norm_eps)

    def forward(self, tokens: Int[Tensor, "B S"], real: Bool[Tensor, "B S"]) -> Float[Tensor, "B S D"]:
        """``real`` is True where a token stands and False where a shorter sentence is filled up."""
        x = self.tok_embeddings(tokens)
        table = build_table(self.cfg, tokens.shape[1], x.dtype, x.device)
        mask = both_ways_mask(real)
        for layer in self.layers.values():
            x = layer(x, table, None, mask)
        return self.norm(x)


class CrossAttention(nn.Module):
    """Queries from what is being written, keys and values from what was read (Vaswani et al. §3.2.3).

    Nothing is rotated: a distance between the fifth word here and the fifth word there means nothing.
    """

    def __init__(self, dim: int, n_heads: int, n_kv_heads: int):
        super().__init__()
        self.head_dim = dim // n_heads
        self.wq = nn.Linear(dim, n_heads * self.head_dim, bias=False)
        self.wk = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wv = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wo = nn.Linear(n_heads * self.head_dim, dim, bias=False)

    def keys_values(
        self, read: Float[Tensor, "B S D"]
    ) -> tuple[Float[Tensor, "B S K H"], Float[Tensor, "B S K H"]]:
        """Of everything that was read; they stay the same while the answer grows."""
        k, v = (w(read).unflatten(-1, (-1, self.head_dim)) for w in (self.wk, self.wv))
        return k, v

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        k: Float[Tensor, "B S K H"],
        v: Float[Tensor, "B S K H"],
        mask: Bool[Tensor, "B T S"],
    ) -> Float[Tensor, "B T D"]:
        q = self.wq(x).unflatten(-1, (-1, self.head_dim))
        return self.wo(attention(q, k, v, mask).flatten(-2))


class DecoderBlock(nn.Module):
    """Llama's block with a look at the source between attention and feed-forward."""

    def __init__(self, dim: int, n_heads: int, n_kv_heads: int, hidden_dim: int, eps: float):
        super().__init__()
        self.attention_norm = RMSNorm(dim, eps)
        self.attention = Attention(dim, n_heads, n_kv_heads)
        self.cross_norm = RMSNorm(dim, eps)
        self.cross_attention = CrossAttention(dim, n_heads, n_kv_heads)
        self.ffn_norm = RMSNorm(dim, eps)
        self.feed_forward = FeedForward(dim, hidden_dim)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        k: Float[Tensor, "B S K H"],
        v: Float[Tensor, "B S K H"],
        read_mask: Bool[Tensor, "B T S"],
        *context,
    ) -> Float[Tensor, "B T D"]:
        h = x + self.attention(self.attention_norm(x), *context)
        h = h + self.cross_attention(self.cross_norm(h), k, v, read_mask)
        return h + self.feed_forward(self.ffn_norm(h))


class Memory(NamedTuple):
    """What a source leaves behind: keys and values for each of the decoder's layers, and what is real."""

    keys_values: list[tuple[Float[Tensor, "B S K H"], Float[Tensor, "B S K H"]]]
    real: Bool[Tensor, "B S"]


class EncoderDecoder(nn.Module):
    """``cfg.n_layers`` blocks that read and as many that write, over one embedding for both."""

    def __init__(self, cfg: LlamaConfig):
        super().__init__()
        self.cfg = cfg
        self.encoder = Encoder(cfg)
        block = (cfg.dim, cfg.n_heads, cfg.n_kv_heads, cfg.ffn_dim, cfg.norm_eps)
        self.layers = nn.ModuleDict({str(i): DecoderBlock(*block) for i in range(cfg.n_layers)})
        self.norm = RMSNorm(cfg.dim, cfg.norm_eps)
        self.output = nn.Linear(cfg.dim, cfg.vocab_size, bias=False)

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], real: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B T V"]:
        """Logits of the next token of the target at each of its positions."""
        return self.decode(target, self.encode(source, real))

    def encode(self, source: Int[Tensor, "B S"], real: Bool[Tensor, "B S"]) -> Memory:
        """Read the source once; ``decode`` may then be called for every new token."""
        read = self.encoder(source, real)
        return Memory([layer.cross_attention.keys_values(read) for layer in self.layers.values()], real)

    def decode(
        self,
        tokens: Int[Tensor, "B T"],
        memory: Memory,
        table: RopeTable | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits after ``tokens``; with a cache they are those that follow what it holds."""
        past = 0 if cache is None else cache.length
        x = self.encoder.tok_embeddings(tokens)
        table = table or build_table(self.cfg, past + tokens.shape[1], x.dtype, x.device)
        positions = torch.arange(past, past + tokens.shape[1], device=x.device) if past else None
        read_mask = memory.real[:, None, :].expand(-1, tokens.shape[1], -1)
        for (i, layer), (k, v) in zip(self.layers.items(), memory.keys_values, strict=True):
            x = layer(x, k, v, read_mask, table, positions, None, cache, int(i))
        if cache is not None:
            cache.length += tokens.shape[1]
        return self.output(self.norm(x))


def mask_tokens(
    tokens: Int[Tensor, "B S"],
    may_hide: Bool[Tensor, "B S"],
    mask_id: int,
    vocab_size: int,
    generator: torch.Generator | None = None,
    rate: float = 0.15,
) -> tuple[Int[Tensor, "B S"], Bool[Tensor, "B S"]]:
    """What a masked language model is given, and where it is asked (Devlin et al. 2018, §3.1).

    Of the tokens that may be hidden, ``rate`` are asked for. Of those, 80% are replaced by ``mask_id``, 10%
    by a random token and 10% left as they are: so the model can never be sure of what it sees.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"mask_tokens: rate is {rate}; it is the share to hide, above 0 and at most 1")
    device = tokens.device
    asked = (torch.rand(tokens.shape, generator=generator, device=device) < rate) & may_hide
    lot = torch.rand(tokens.shape, generator=generator, device=device)
    noise = torch.randint(vocab_size, tokens.shape, generator=generator, device=device)
    shown = torch.where(asked & (lot < 0.8), mask_id, tokens)
    return torch.where(asked & (lot >= 0.9), noise, shown), asked
