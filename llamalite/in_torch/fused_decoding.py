"""One token at a time on a CPU, as one compiled function: near the speed at which weights can be read.

``decoding.py`` still calls on PyTorch hundreds of times a token and leaves products to a library. Here the
step is written so that ``torch.compile`` turns it into loops that read every weight once, in the order of
memory, with the rest done on the way. It wants a C++ compiler and a quarter of a minute, so it is for those
who ask (``llamalite generate --compile``).

Weights are kept in two bytes where that loses nothing. Meta's own code loads its models so (Llama 1 and 2 in
float16, Llama 3 in bfloat16), and half the bytes take half the time; all arithmetic is float32, as before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from llamalite.config import LlamaConfig
from llamalite.in_torch.attention import KVCache
from llamalite.in_torch.decoding import in_one_stretch
from llamalite.in_torch.llama import Llama, build_table

TILE = 16  # rows of a matrix that are multiplied at once: 16 float32 are one register of AVX-512


class FusedDecoder:
    """Called as ``generate`` calls a model: ``decoder(tokens, cache=cache)`` returns logits.

    The first token that goes the short way waits for the compiler. ``dtype`` is what weights are kept in, by
    default the shortest that holds every one exactly; a shorter one rounds them. Raises ValueError where
    there is no compiler, or nothing to gain: on a GPU, in half precision.
    """

    @torch.no_grad()
    def __init__(self, model: Llama, max_seq_len: int | None = None, dtype: torch.dtype | None = None):
        weight = model.tok_embeddings.weight
        if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"compile: it is for float32 on a CPU, and this is {weight.dtype} on {weight.device.type}; "
                "leave it out"
            )
        check_compiler()
        self.model = model
        self.table = build_table(model.cfg, max_seq_len, weight.dtype, weight.device)
        matrices = list(matrices_of(model))
        kept = [tiles(w).to(dtype or shortest(matrices)) for w in matrices]
        self.weights = in_one_stretch(kept)
        self.gains = torch.stack([p for name, p in model.named_parameters() if "norm" in name])
        self.step = torch.compile(step_of(model.cfg, [w.shape for w in matrices]))

    @torch.inference_mode()
    def __call__(self, tokens: Int[Tensor, "B T"], cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        if cache is None or cache.length < 2 or tokens.numel() != 1:
            return self.model(tokens, self.table, cache=cache)
        past = [x[:, 0, : cache.length] for x in (cache.k, cache.v)]
        for x in past:
            torch._dynamo.mark_dynamic(x, 1)  # one function for all lengths, not one a length
        x, turns = self.model.tok_embeddings.weight[int(tokens)], (part[cache.length] for part in self.table)
        logits, k, v = self.step(x, *turns, *past, self.weights, self.gains)
        cache.update(slice(None), k[:, None, None], v[:, None, None])
        cache.length += 1
        return logits[None, None]


def step_of(
    cfg: LlamaConfig, matrix_shapes: list[tuple[int, int]]
) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """The step as a function of tensors alone. ``matrix_shapes``: (out, in) of each of ``matrices_of``."""
    L, N, K, H, eps = cfg.n_layers, cfg.n_heads, cfg.n_kv_heads, cfg.head_dim, cfg.norm_eps
    outs = [out for out, _ in matrix_shapes]
    shapes = [(-(-out // TILE), n_in, TILE) for out, n_in in matrix_shapes]
    sizes = [a * b * c for a, b, c in shapes]

    def step(
        x: Float[Tensor, " D"], cos: Float[Tensor, " half"], sin: Float[Tensor, " half"],
        past_k: Float[Tensor, "L S K H"], past_v: Float[Tensor, "L S K H"],
        weights: Float[Tensor, " all"], gains: Float[Tensor, "norms D"],
    ) -> tuple[Float[Tensor, " V"], Float[Tensor, "L K H"], Float[Tensor, "L K H"]]:  # fmt: skip
        """Logits after one more token; and its keys and values, which go into the cache."""
        parts = zip(weights.split(sizes), shapes, outs, strict=True)
        matrices = [(flat.view(shape), out) for flat, shape, out in parts]
        keys, values = [], []
        for i in range(L):
            wqkv, wo, w_gate_up, w_down = matrices[4 * i : 4 * i + 4]
            rows = normed_product(wqkv, x, gains[2 * i], eps).view(-1, H)  # N queries, K keys, K values
            turned = written(turn(rows[: N + K], cos, sin))
            q, k, v = turned[:N].view(K, -1, H), turned[N:], written(rows[N + K :])
            before = (q[:, :, None] * past_k[i].transpose(0, 1)[:, None]).sum(-1)  # (K G S)
            own = (q * k[:, None]).sum(-1, keepdim=True)
            p = written((torch.cat((before, own), -1) * H**-0.5).softmax(-1))
            seen = (p[..., :-1, None] * past_v[i].transpose(0, 1)[:, None]).sum(-2) + p[..., -1:] * v[:, None]
            x = written(x + product(wo, written(seen.reshape(-1))))
            gate, up = normed_product(w_gate_up, x, gains[2 * i + 1], eps).chunk(2)
            x = written(x + product(w_down, written(F.silu(gate) * up)))
            keys.append(k)
            values.append(v)
        return normed_product(matrices[-1], x, gains[-1], eps), torch.stack(keys), torch.stack(values)

    return step


def product(matrix: tuple[Float[Tensor, "tiles i 16"], int], x: Float[Tensor, " i"]) -> Float[Tensor, " o"]:
    """Matrix times vector, written as sums, which the compiler fuses into one pass over the weights."""
    w, out = matrix
    return (w * x[:, None]).sum(1).flatten()[:out]


def normed_product(
    matrix: tuple[Float[Tensor, "tiles i 16"], int], x: Float[Tensor, " i"], gain: Tensor, eps: float
) -> Float[Tensor, " o"]:
    """W RMSNorm(x): the division by the RMS, one number, comes after the product."""
    return product(matrix, written(x * gain)) * torch.rsqrt(x.square().mean() + eps)


def turn(heads: Float[Tensor, "n H"], cos: Tensor, sin: Tensor) -> Float[Tensor, "n H"]:
    """RoPE at one position."""
    a, b = heads.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def written(x: Tensor) -> Tensor:
    """x itself. The compiler would rather compute a vector anew for every row that reads it than write it
    down, which for a vector behind a sigmoid costs more than the product; a strided view it has to write."""
    return x.as_strided(x.shape, x.stride())


def matrices_of(model: Llama) -> Iterator[Float[Tensor, "o i"]]:
    """Four a block, then the head; those that read the same vector are one."""
    for block in model.layers.values():
        a, f = block.attention, block.feed_forward
        yield torch.cat((a.wq.weight, a.wk.weight, a.wv.weight))
        yield a.wo.weight
        yield torch.cat((f.w_gate.weight, f.w_up.weight))
        yield f.w_down.weight
    yield (model.output or model.tok_embeddings).weight


def tiles(w: Float[Tensor, "o i"]) -> Float[Tensor, "tiles i 16"]:
    """Sixteen rows at a time, column by column; the last tile is filled up with zeros.

    >>> tiles(torch.arange(34.0).view(17, 2))[:, :, :2].tolist()
    [[[0.0, 2.0], [1.0, 3.0]], [[32.0, 0.0], [33.0, 0.0]]]
    """
    return F.pad(w, (0, 0, 0, -len(w) % TILE)).unflatten(0, (-1, TILE)).transpose(1, 2)


def shortest(matrices: list[Tensor]) -> torch.dtype:
    """The first of bfloat16 and float16 that holds every weight exactly, else what they are.

    >>> shortest([torch.tensor([1.0, 0.5])]), shortest([torch.tensor([1 / 3])])
    (torch.bfloat16, torch.float32)
    """
    for dtype in (torch.bfloat16, torch.float16):
        if all(torch.equal(w.to(dtype).to(w.dtype), w) for w in matrices):
            return dtype
    return matrices[0].dtype


def check_compiler() -> None:
    wanted = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++", "cl"]
    if not any(map(shutil.which, wanted)):
        raise ValueError(
            f"compile: it needs a C++ compiler, and there is no {' or '.join(wanted)}; "
            "install one (Debian, Ubuntu: apt install g++), or leave it out"
        )
