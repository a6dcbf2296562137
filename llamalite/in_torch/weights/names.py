"""The one table of names: ours, Meta's and Hugging Face's, and the permutation between their RoPEs.

Nothing here touches a file; ``meta.py`` and ``hugging_face.py`` do.
"""

from torch import Tensor

from llamalite.config import LlamaConfig
from llamalite.in_torch.rope import relayout

# ours → (Meta's, Hugging Face's); facts C1 and C2. w1/w2/w3 mean other matrices in other codebases.
TOP_NAMES = {
    "tok_embeddings.weight": ("tok_embeddings.weight", "model.embed_tokens.weight"),
    "norm.weight": ("norm.weight", "model.norm.weight"),
    "output.weight": ("output.weight", "lm_head.weight"),
}
LAYER_NAMES = {
    "attention_norm.weight": ("attention_norm.weight", "input_layernorm.weight"),
    "attention.wq.weight": ("attention.wq.weight", "self_attn.q_proj.weight"),
    "attention.wk.weight": ("attention.wk.weight", "self_attn.k_proj.weight"),
    "attention.wv.weight": ("attention.wv.weight", "self_attn.v_proj.weight"),
    "attention.wo.weight": ("attention.wo.weight", "self_attn.o_proj.weight"),
    "ffn_norm.weight": ("ffn_norm.weight", "post_attention_layernorm.weight"),
    "feed_forward.w_gate.weight": ("feed_forward.w1.weight", "mlp.gate_proj.weight"),
    "feed_forward.w_up.weight": ("feed_forward.w3.weight", "mlp.up_proj.weight"),
    "feed_forward.w_down.weight": ("feed_forward.w2.weight", "mlp.down_proj.weight"),
}


def hugging_face_names(cfg: LlamaConfig) -> dict[str, str]:
    """Our parameter names → Hugging Face's.

    >>> from llamalite.config import preset
    >>> hugging_face_names(preset("llama2-7b"))["layers.31.attention.wq.weight"]
    'model.layers.31.self_attn.q_proj.weight'
    """
    names = {
        ours: theirs for ours, (_, theirs) in TOP_NAMES.items() if not (cfg.tied and ours == "output.weight")
    }
    for i in range(cfg.n_layers):
        names |= {
            f"layers.{i}.{ours}": f"model.layers.{i}.{theirs}" for ours, (_, theirs) in LAYER_NAMES.items()
        }
    return names


def meta_names(cfg: LlamaConfig) -> dict[str, str]:
    """Our parameter names → Meta's. Its files hold an output head even where it is the embedding.

    >>> from llamalite.config import preset
    >>> meta_names(preset("llama2-7b"))["layers.31.feed_forward.w_up.weight"]
    'layers.31.feed_forward.w3.weight'
    """
    names = {ours: theirs for ours, (theirs, _) in TOP_NAMES.items()}
    for i in range(cfg.n_layers):
        names |= {f"layers.{i}.{ours}": f"layers.{i}.{theirs}" for ours, (theirs, _) in LAYER_NAMES.items()}
    return names


def rotated_heads(name: str, cfg: LlamaConfig) -> int | None:
    """How many heads RoPE turns in this weight: n_heads for wq, n_kv_heads for wk, None elsewhere."""
    if name.endswith("wq.weight"):
        return cfg.n_heads
    return cfg.n_kv_heads if name.endswith("wk.weight") else None


def to_hugging_face(state: dict[str, Tensor], cfg: LlamaConfig) -> dict[str, Tensor]:
    """Our state dict under Hugging Face's names, wq and wk in its half-split RoPE layout (facts B3)."""
    out = {}
    for ours, theirs in hugging_face_names(cfg).items():
        heads = rotated_heads(ours, cfg)
        out[theirs] = state[ours] if heads is None else relayout(state[ours], heads, target="half")
    return out


def from_hugging_face(state: dict[str, Tensor], cfg: LlamaConfig) -> dict[str, Tensor]:
    """Inverse of ``to_hugging_face``; keys that are no weights of ours are left behind."""
    out = {}
    for ours, theirs in hugging_face_names(cfg).items():
        if theirs not in state:
            raise KeyError(f"weights: the file has no {theirs!r}; is it a Llama, and is cfg.tied right?")
        heads = rotated_heads(ours, cfg)
        out[ours] = state[theirs] if heads is None else relayout(state[theirs], heads, source="half")
    return out
