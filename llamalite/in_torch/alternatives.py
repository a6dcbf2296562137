"""What Llama might have been: the norm after the sub-layer or nowhere, LayerNorm, other feed-forward layers,
positions that are learnt and added.

Each is a part to be put into a ``Llama`` in place of its own, so that everything else stays the same.
Chapters ``rmsnorm``, ``swiglu`` and ``comparison`` train them side by side.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from llamalite.config import LlamaConfig
from llamalite.in_torch.layernorm import LayerNorm
from llamalite.in_torch.llama import Block, Llama, init_weight
from llamalite.in_torch.rmsnorm import RMSNorm
from llamalite.in_torch.rope import RopeTable

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


class AddedPositions(nn.Module):
    """A token's embedding plus its position's, both learnt: what BERT and GPT-2 have where Llama turns."""

    def __init__(self, tokens: nn.Embedding, max_seq_len: int):
        super().__init__()
        self.tokens = tokens
        self.positions = nn.Embedding(max_seq_len, tokens.embedding_dim)

    @property
    def weight(self) -> nn.Parameter:
        """The tokens' own, which a tied head shares."""
        return self.tokens.weight

    def forward(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        if ids.shape[1] > self.positions.num_embeddings:
            raise ValueError(
                f"learnt positions: there are {self.positions.num_embeddings}, the text has {ids.shape[1]} "
                f"tokens; nothing was learnt for those behind, so cut the text"
            )
        return self.tokens(ids) + self.positions.weight[: ids.shape[1]]


def place_positions(model: Llama, seed: int = 0) -> Llama:
    """Give a Llama learnt positions, added once at the start, as many as its context has tokens.

    Hand it ``still_table(cfg)``, or it turns queries and keys as well.
    """
    added = AddedPositions(model.tok_embeddings, model.cfg.max_seq_len)
    name, shape = "tok_embeddings.positions.weight", tuple(added.positions.weight.shape)
    value = init_weight(name, shape, model.cfg.n_layers, seed)
    added.positions.weight.data = torch.from_numpy(value).to(model.tok_embeddings.weight)
    model.tok_embeddings = added
    return model


def still_table(cfg: LlamaConfig) -> RopeTable:
    """A RoPE table of angle 0 at every position: nothing turns, so attention sees no order."""
    shape = (cfg.max_seq_len, cfg.head_dim // 2)
    return RopeTable(torch.ones(shape), torch.zeros(shape))
