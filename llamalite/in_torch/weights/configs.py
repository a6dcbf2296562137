"""Meta's ``params.json`` and Hugging Face's ``config.json``, from a LlamaConfig and into one (facts C)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from llamalite.config import LlamaConfig, RopeScaling, ffn_hidden
from llamalite.in_torch.weights.folders import build_config, number

# --- Meta ----------------------------------------------------------------------------------------------

OLD_THETA = 10_000.0  # Llama 1 and 2, whose files do not say it
CONTEXT, LLAMA3_CONTEXT, LLAMA31_CONTEXT = 2048, 8192, 131_072


def from_params(params: dict[str, Any], path: Path, vocab_size: int, tied: bool) -> LlamaConfig:
    """The config of Meta's ``params.json``; the sizes that it leaves open come from the weights.

    It does not say how long the context is. We take Llama 3.1's where RoPE is scaled, Llama 3's where its
    base is not 10,000, and otherwise Llama 1's; for Llama 2, whose file looks the same, that is half of it.
    """
    theta = number(params, "rope_theta", path, float, OLD_THETA)
    scaling = params.get("rope_scaling") or (RopeScaling() if params.get("use_scaled_rope") is True else None)
    context = LLAMA31_CONTEXT if scaling else LLAMA3_CONTEXT if theta != OLD_THETA else CONTEXT
    stated = number(params, "vocab_size", path, int, -1)
    if stated not in (-1, vocab_size):
        raise ValueError(
            f"{path} speaks of {stated} tokens, and the weights have {vocab_size}; they do not fit"
        )
    heads = number(params, "n_heads", path)
    widened = params.get("ffn_dim_multiplier")
    values = {
        "dim": number(params, "dim", path),
        "n_layers": number(params, "n_layers", path),
        "n_heads": heads,
        "n_kv_heads": number(params, "n_kv_heads", path, int, heads),
        "vocab_size": vocab_size,
        "multiple_of": number(params, "multiple_of", path, int, 256),
        "ffn_dim_multiplier": None if widened is None else number(params, "ffn_dim_multiplier", path, float),
        "norm_eps": number(params, "norm_eps", path, float),
        "rope_theta": theta,
        "rope_scaling": scaling,
        "max_seq_len": context,
        "tied": tied,
    }
    return build_config(path, values)


def to_params(cfg: LlamaConfig) -> dict[str, Any]:
    """Meta's ``params.json``, which has no place for the feed-forward layers' width: it is a rule's result.

    A RoPE scaling other than Llama 3.1's has no place either; it is written as an entry of our own, at which
    Meta's code stops instead of computing something else.

    >>> to_params(LlamaConfig(dim=96, n_layers=2, n_heads=4, hidden_dim=136))["ffn_dim_multiplier"]
    0.533203125
    """
    multiple_of, widened = cfg.multiple_of, cfg.ffn_dim_multiplier
    if ffn_hidden(cfg.dim, multiple_of, widened) != cfg.ffn_dim:
        # Between ffn_dim and the next whole number, so that truncating gives it back.
        multiple_of, widened = 1, (cfg.ffn_dim + 0.5) / ffn_hidden(cfg.dim, 1)
    params: dict[str, Any] = {"dim": cfg.dim, "n_layers": cfg.n_layers, "n_heads": cfg.n_heads}
    if cfg.n_kv_heads != cfg.n_heads:
        params["n_kv_heads"] = cfg.n_kv_heads
    params |= {"vocab_size": cfg.vocab_size, "multiple_of": multiple_of, "norm_eps": cfg.norm_eps}
    if widened is not None:
        params["ffn_dim_multiplier"] = widened
    if cfg.rope_theta != OLD_THETA:
        params["rope_theta"] = cfg.rope_theta
    if cfg.rope_scaling is not None:
        params["use_scaled_rope"] = True
        if cfg.rope_scaling != RopeScaling():
            params["rope_scaling"] = asdict(cfg.rope_scaling)
    return params


# --- Hugging Face --------------------------------------------------------------------------------------

SCALING = {  # ours → theirs
    "factor": "factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "original_max_seq_len": "original_max_position_embeddings",
}
OTHERWISE = {  # what another Llama-like model would say, and what every Llama says
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "quantization_config": None,
}
LLAMA3_VOCAB = 128_256


def from_hugging_face_config(found: dict[str, Any], path: Path) -> LlamaConfig:
    """The config of a Hugging Face folder, with the RoPE entries of old files or of new ones (facts C2)."""
    if found.get("model_type") != "llama":
        raise ValueError(
            f"{path} describes a model of type {found.get('model_type')!r}, and this reads Llamas only"
        )
    for key, llama in OTHERWISE.items():
        if found.get(key, llama) != llama:
            raise ValueError(
                f"{path}: {key} is {found[key]!r}; Llama 1 to 3 have {llama!r}, and nothing else is built"
            )
    dim, heads = number(found, "hidden_size", path), number(found, "num_attention_heads", path)
    if heads and number(found, "head_dim", path, int, dim // heads) != dim // heads:
        raise ValueError(
            f"{path}: head_dim is {found['head_dim']}, and Llamas have hidden_size / heads = {dim // heads}"
        )
    theta, scaling = rope_of(found, path)
    values = {
        "dim": dim,
        "n_layers": number(found, "num_hidden_layers", path),
        "n_heads": heads,
        "n_kv_heads": number(found, "num_key_value_heads", path, int, heads),
        "vocab_size": number(found, "vocab_size", path),
        "hidden_dim": number(found, "intermediate_size", path),
        "norm_eps": number(found, "rms_norm_eps", path, float),
        "rope_theta": theta,
        "rope_scaling": scaling,
        "max_seq_len": number(found, "max_position_embeddings", path),
        "tied": found.get("tie_word_embeddings", False) is True,
    }
    return build_config(path, values)


def rope_of(found: dict[str, Any], path: Path) -> tuple[float, RopeScaling | None]:
    """Base and scaling, from ``rope_parameters`` (since v5) or ``rope_theta`` and ``rope_scaling``."""
    rope = found.get("rope_parameters") or found.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise ValueError(
            f"{path}: the RoPE settings are {rope!r}, and should be an object; fetch the file again"
        )
    theta = number({"rope_theta": found.get("rope_theta")} | rope, "rope_theta", path, float, OLD_THETA)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return theta, None
    if kind != "llama3":
        raise ValueError(
            f"{path}: RoPE scaling of type {kind!r} is not built here; Llamas have 'default' or 'llama3'"
        )
    try:
        return theta, RopeScaling(
            **{ours: number(rope, theirs, path, int if ours.startswith("orig") else float)
               for ours, theirs in SCALING.items()}
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def to_hugging_face_config(cfg: LlamaConfig, dtype: str) -> dict[str, Any]:
    """Hugging Face's ``config.json``. RoPE in the entries of old files, which every version understands."""
    scaling = None
    if cfg.rope_scaling is not None:
        values = asdict(cfg.rope_scaling)
        scaling = {"rope_type": "llama3"} | {theirs: values[ours] for ours, theirs in SCALING.items()}
    bos, eos = (128_000, 128_001) if cfg.vocab_size == LLAMA3_VOCAB else (1, 2)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": cfg.dim,
        "intermediate_size": cfg.ffn_dim,
        "num_hidden_layers": cfg.n_layers,
        "num_attention_heads": cfg.n_heads,
        "num_key_value_heads": cfg.n_kv_heads,
        "head_dim": cfg.head_dim,
        "vocab_size": cfg.vocab_size,
        "max_position_embeddings": cfg.max_seq_len,
        "rms_norm_eps": cfg.norm_eps,
        "rope_theta": cfg.rope_theta,
        "rope_scaling": scaling,
        "tie_word_embeddings": cfg.tied,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "initializer_range": 0.02,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "torch_dtype": dtype,
    }
