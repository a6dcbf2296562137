"""What several tests hold the model against: sharp random weights, and Hugging Face's Llama."""

import math

import numpy as np
import torch
from transformers import LlamaConfig as HuggingFaceConfig
from transformers import LlamaForCausalLM
from transformers.models.llama import modeling_llama

from llamalite.config import LlamaConfig, RopeScaling
from llamalite.in_torch.llama import Llama

# One small shape for each generation. No number here is a default anywhere in the code.
SHAPES = {
    "llama1": dict(n_heads=4, n_kv_heads=4, norm_eps=3e-6, rope_theta=10_000.0, max_seq_len=128),
    "llama2-mha": dict(n_heads=6, n_kv_heads=6, norm_eps=3e-5, rope_theta=10_000.0, max_seq_len=256),
    "llama2-gqa": dict(n_heads=6, n_kv_heads=2, norm_eps=3e-5, rope_theta=10_000.0, max_seq_len=256),
    "llama3": dict(n_heads=4, n_kv_heads=2, norm_eps=3e-5, rope_theta=500_000.0, max_seq_len=512),
    "llama3.1": dict(
        n_heads=6,
        n_kv_heads=3,
        norm_eps=3e-5,
        rope_theta=500_000.0,
        rope_scaling=RopeScaling(
            factor=5.0, low_freq_factor=1.5, high_freq_factor=5.0, original_max_seq_len=1024
        ),
        max_seq_len=131_072,
    ),
    "llama3.2": dict(
        n_heads=12,
        n_kv_heads=4,
        norm_eps=3e-5,
        rope_theta=500_000.0,
        rope_scaling=RopeScaling(factor=32.0, original_max_seq_len=512),
        max_seq_len=131_072,
        tied=True,
    ),
}


def shape(name: str, **changes) -> LlamaConfig:
    return LlamaConfig(**(dict(dim=96, n_layers=2, vocab_size=101, hidden_dim=136) | SHAPES[name] | changes))


def sharp_weights(cfg: LlamaConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Activations of size one throughout, attention scores of size four, gains far from one."""
    rng = np.random.default_rng(seed)

    def draw(name, shape):
        if "norm" in name:
            return 1 + 0.5 * rng.standard_normal(shape)
        gain = 2.0 if name.endswith(("wq.weight", "wk.weight")) else 1.0
        std = 1.0 if name.startswith("tok_embeddings") else gain / math.sqrt(shape[-1])
        return std * rng.standard_normal(shape)

    return {name: draw(name, shape) for name, shape in cfg.param_shapes().items()}


def sharp_llama(name: str, dtype: torch.dtype = torch.float64, **changes) -> Llama:
    """Ours, of that shape, with such weights."""
    cfg = shape(name, **({"max_seq_len": 64} | changes))
    model = Llama(cfg).to(dtype).eval()
    model.load_state_dict({name: torch.tensor(w, dtype=dtype) for name, w in sharp_weights(cfg).items()})
    return model


def frequencies_by_hand(cfg: LlamaConfig) -> list[float]:
    """Facts B3 in plain Python floats, wavelength by wavelength: a third way beside both halves'."""
    out = []
    for i in range(cfg.head_dim // 2):
        f = cfg.rope_theta ** (-2 * i / cfg.head_dim)
        if (s := cfg.rope_scaling) is not None:
            wavelength = 2 * math.pi / f
            if wavelength > s.original_max_seq_len / s.low_freq_factor:
                f = f / s.factor
            elif wavelength >= s.original_max_seq_len / s.high_freq_factor:
                ramp = s.original_max_seq_len / wavelength - s.low_freq_factor
                ramp /= s.high_freq_factor - s.low_freq_factor
                f = (1 - ramp) * f / s.factor + ramp * f
        out.append(f)
    return out


class Float64Rotary(torch.nn.Module):
    """Hugging Face's rotary tables, but in float64 (theirs are float32 in every dtype)."""

    def __init__(self, cfg: LlamaConfig):
        super().__init__()
        self.inv_freq = torch.tensor(frequencies_by_hand(cfg), dtype=torch.float64)

    def forward(self, x, position_ids):
        angles = position_ids[..., None].double() * self.inv_freq
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def hugging_face(cfg: LlamaConfig, state: dict[str, torch.Tensor], float64: bool) -> LlamaForCausalLM:
    """Hugging Face's model of this shape with these weights (in its own names and layout).

    As shipped its norms and rotary tables are float32 whatever the dtype; with ``float64`` the
    norms are torch's own ``nn.RMSNorm`` and the tables those above.
    """
    rope = {"rope_type": "default", "rope_theta": cfg.rope_theta}
    if (s := cfg.rope_scaling) is not None:
        rope |= {
            "rope_type": "llama3",
            "factor": s.factor,
            "low_freq_factor": s.low_freq_factor,
            "high_freq_factor": s.high_freq_factor,
            "original_max_position_embeddings": s.original_max_seq_len,
        }
    model = LlamaForCausalLM(
        HuggingFaceConfig(
            vocab_size=cfg.vocab_size,
            hidden_size=cfg.dim,
            intermediate_size=cfg.ffn_dim,
            num_hidden_layers=cfg.n_layers,
            num_attention_heads=cfg.n_heads,
            num_key_value_heads=cfg.n_kv_heads,
            max_position_embeddings=cfg.max_seq_len,
            rms_norm_eps=cfg.norm_eps,
            tie_word_embeddings=cfg.tied,
            rope_parameters=rope,
            attn_implementation="sdpa",
        )
    )
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"} and bool(missing) == cfg.tied
    if float64:
        model = model.double()
        model.model.rotary_emb = Float64Rotary(cfg)
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, modeling_llama.LlamaRMSNorm):
                    norm = torch.nn.RMSNorm(cfg.dim, eps=cfg.norm_eps, dtype=torch.float64)
                    norm.weight = child.weight
                    setattr(parent, name, norm)
        model.load_state_dict(state, strict=False)  # the first load had rounded them to float32
    return model.eval()
