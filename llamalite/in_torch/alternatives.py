"""What Llama might have been: the norm after the sub-layer or nowhere, LayerNorm, other feed-forward layers.

Each is a part to be put into a ``Llama`` in place of its own, so that everything else stays the same.
Chapters ``rmsnorm`` and ``swiglu`` train them side by side.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from llamalite.in_torch.layernorm import LayerNorm
from llamalite.in_torch.llama import Block, Llama, init_weight
from llamalite.in_torch.rmsnorm import RMSNorm

NORMS = {"rms": RMSNorm, "layer": LayerNorm}
PLACES = ("pre", "post", "none")
ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "identity": torch.clone,
}


class PostBlock(Block):
    """h = Norm(x + Attention(x));  Norm(h + FeedForward(h)): as in Vaswani et al. 2017, §3.1."""

    def forward(self, x: Float[Tensor, "B T D"], *context) -> Float[Tensor, "B T D"]:
        h = self.attention_norm(x + self.attention(x, *context))
        return self.ffn_norm(h + self.feed_forward(h))


def place_norms(model: Llama, place: str = "pre", norm: str = "rms") -> Llama:
    """Change a Llama's norms in place: "pre" as it is, "post" after each addition, or "none" at all.

    A post-normalised stack ends with a norm, so the one before the output head goes. Gains start at 1
    and biases at 0, whatever they were before.
    """
    if place not in PLACES or norm not in NORMS:
        raise ValueError(f"place_norms: {place!r} must be one of {PLACES}, {norm!r} one of {tuple(NORMS)}")
    cfg = model.cfg
    where = model.tok_embeddings.weight
    fresh = nn.Identity if place == "none" else lambda: NORMS[norm](cfg.dim, cfg.norm_eps).to(where)
    for layer in model.layers.values():
        layer.attention_norm, layer.ffn_norm = fresh(), fresh()
        layer.__class__ = PostBlock if place == "post" else Block
    model.norm = fresh() if place == "pre" else nn.Identity()
    return model


class MLP(nn.Module):
    """The feed-forward layer before gates: w_down · activation(w_up · x), no biases (T5's form of it)."""

    def __init__(self, dim: int, hidden_dim: int, activation: str):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.w_up = nn.Linear(dim, hidden_dim, bias=False)
        self.w_down = nn.Linear(hidden_dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.w_down(self.activation(self.w_up(x)))


class GLU(nn.Module):
    """The family of gates: w_down · (activation(w_gate · x) ⊙ (w_up · x)); with silu it is Llama's own.

    Shazeer 2020, arXiv:2002.05202, eqs. 5 and 6: sigmoid is GLU, identity bilinear, relu ReGLU, gelu GEGLU.
    """

    def __init__(self, dim: int, hidden_dim: int, activation: str):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.w_gate = nn.Linear(dim, hidden_dim, bias=False)
        self.w_up = nn.Linear(dim, hidden_dim, bias=False)
        self.w_down = nn.Linear(hidden_dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.w_down(self.activation(self.w_gate(x)) * self.w_up(x))


def place_feed_forward(
    model: Llama, kind: type[MLP | GLU], activation: str, hidden_dim: int, seed: int = 0
) -> Llama:
    """Give every block of a Llama another feed-forward layer, its first weights drawn by name."""
    for i, layer in model.layers.items():
        layer.feed_forward = kind(model.cfg.dim, hidden_dim, activation)
        for name, p in layer.feed_forward.named_parameters():
            name = f"layers.{i}.feed_forward.{name}"
            value = init_weight(name, tuple(p.shape), model.cfg.n_layers, seed)
            p.data = torch.from_numpy(value).to(model.tok_embeddings.weight)
    return model
