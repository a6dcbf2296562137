"""A Llama laid out for writing one token at a time on a CPU: the same logits, sooner.

One token is one product of a matrix with a vector after another, and each takes as long as it takes to
read the matrix, once, from memory. So the matrices are stored the way in which they are read fastest
(turned over, in one stretch of memory), those that read the same vector are one matrix (wq, wk, wv; w_gate,
w_up), the norms' gains are multiplied into the matrix behind them, and little is done in between.

Left out: prompts and many texts at once, which the model itself reads (a weight is read once for many
tokens there), GPUs, half precision, training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.nn import functional as F

from llamalite.in_torch.attention import KVCache
from llamalite.in_torch.llama import Llama, build_table

LINE = 64  # bytes of a cache line


class BlockWeights(NamedTuple):
    """One block's weights, turned over: (in, out)."""

    wqkv: Float[Tensor, "D N2KH"]  # wq, wk and wv side by side, behind the first norm's gain
    wo: Float[Tensor, "NH D"]
    w_gate_up: Float[Tensor, "D FF"]  # w_gate and w_up, behind the second norm's gain
    w_down: Float[Tensor, "F D"]


class Decoder:
    """Called as ``generate`` calls a model: ``decoder(tokens, cache=cache)`` returns logits.

    One token after others goes the short way; anything else is handed to ``model``. The weights are held a
    second time, as they were when this was built.
    """

    @torch.no_grad()
    def __init__(self, model: Llama, max_seq_len: int | None = None):
        weight = model.tok_embeddings.weight
        self.model = model
        self.table = build_table(model.cfg, max_seq_len, weight.dtype, weight.device)
        self.short = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)
        if self.short:
            self.turns = torch.complex(*self.table)
            *matrices, self.head = side_by_side(list(turned_over(model)))
            self.blocks = [BlockWeights(*matrices[i : i + 4]) for i in range(0, len(matrices), 4)]

    @torch.inference_mode()
    def __call__(self, tokens: Int[Tensor, "B T"], cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        if self.short and cache is not None and cache.length and tokens.numel() == 1:
            return self.step(int(tokens), cache)[None, None]
        return self.model(tokens, self.table, cache=cache)

    def step(self, token: int, cache: KVCache) -> Float[Tensor, " V"]:
        """Logits after one more token, which is written into the cache."""
        eps, turns = self.model.cfg.norm_eps, self.turns[cache.length]
        x = self.model.tok_embeddings.weight[token]
        for i, w in enumerate(self.blocks):
            x = x + attend(normed(x, eps) @ w.wqkv, turns, cache, i) @ w.wo
            gate, up = (normed(x, eps) @ w.w_gate_up).chunk(2)
            x = x + (F.silu(gate) * up) @ w.w_down
        cache.length += 1
        return normed(x, eps) @ self.head


def normed(x: Float[Tensor, " D"], eps: float) -> Float[Tensor, " D"]:
    """RMSNorm without its gain."""
    return x * (1 / math.sqrt(float(x.dot(x)) / len(x) + eps))


def attend(
    heads: Float[Tensor, " N2KH"], turns: Complex[Tensor, " half"], cache: KVCache, layer: int
) -> Float[Tensor, " NH"]:
    """Rotate the new queries and keys, store keys and values, look at all that is stored."""
    K, H = cache.k.shape[-2:]
    rows = heads.view(-1, H)  # N queries, K keys, K values
    N = len(rows) - 2 * K
    pairs = torch.view_as_complex(rows[: N + K].view(N + K, -1, 2))
    turned = torch.view_as_real(pairs * turns).view(N + K, H)
    k, v = cache.update(layer, turned[None, None, N:], rows[None, None, N + K :])
    # (K G H) x (K H S): the query heads that share a key are the rows of one product.
    scores = turned[:N].view(K, -1, H) @ k[0].permute(1, 2, 0) * H**-0.5
    return (scores.softmax(-1) @ v[0].transpose(0, 1)).view(-1)


def turned_over(model: Llama) -> Iterator[Float[Tensor, "i o"]]:
    """Four matrices a block, then the head, each (in, out)."""
    for block in model.layers.values():
        a, f = block.attention, block.feed_forward
        yield turn(a.wq, a.wk, a.wv) * block.attention_norm.weight[:, None]
        yield turn(a.wo)
        yield turn(f.w_gate, f.w_up) * block.ffn_norm.weight[:, None]
        yield turn(f.w_down)
    yield turn(model.output or model.tok_embeddings) * model.norm.weight[:, None]


def turn(*layers: torch.nn.Module) -> Float[Tensor, "i o"]:
    """Weights (out, in) that read the same vector, as one matrix (in, out)."""
    return torch.cat([layer.weight.detach() for layer in layers]).T


def side_by_side(matrices: list[Tensor]) -> list[Tensor]:
    """Copies that follow each other in one stretch of memory."""
    parts = in_one_stretch(matrices).split([m.numel() for m in matrices])
    return [part.view(m.shape) for part, m in zip(parts, matrices, strict=True)]


def in_one_stretch(tensors: list[Tensor]) -> Tensor:
    """All numbers of all, flat. NumPy asks for large pages of memory, torch does not; and a stretch that
    begins with a cache line has no register of 64 bytes across two of them."""
    n, dtype = sum(t.numel() for t in tensors), tensors[0].dtype
    room = torch.from_numpy(np.empty(n * dtype.itemsize + LINE, np.uint8))
    begin = -room.data_ptr() % LINE
    flat = room[begin : begin + n * dtype.itemsize].view(dtype)
    for part, t in zip(flat.split([t.numel() for t in tensors]), tensors, strict=True):
        part.view(t.shape).copy_(t)
    return flat
