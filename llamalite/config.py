"""One dataclass for every Llama, and every published Llama as a preset.

``LlamaConfig`` holds numbers and simple arithmetic on them; building a model is the business of
``in_numpy.llama`` and ``in_torch.llama``. Field names follow Meta's ``params.json``.

>>> preset("llama3-8b").n_params
8030261248
>>> preset("llama2-70b").ffn_dim
28672
"""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3.1's frequency scaling (facts B3): long waves slow down, short waves stay.

    ``factor`` is 8 for Llama 3.1 and 32 in the Hugging Face files of Llama 3.2.
    """

    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_seq_len: int = 8192

    def __new__(cls, *args: Any, **values: Any) -> RopeScaling:
        reject_unknown(cls, values)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise ValueError(f"rope_scaling.factor is {self.factor}; it must be 1 or more")
        if not 0 < self.low_freq_factor < self.high_freq_factor:
            raise ValueError(
                f"rope_scaling needs 0 < low_freq_factor < high_freq_factor, "
                f"not {self.low_freq_factor} and {self.high_freq_factor}"
            )


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a Llama. ``hidden_dim``, when given, wins over the FFN rounding rule."""

    dim: int = 4096
    n_layers: int = 32
    n_heads: int = 32
    n_kv_heads: int | None = None  # None: as many as query heads, which is plain multi-head attention
    vocab_size: int = 32_000
    hidden_dim: int | None = None
    multiple_of: int = 256
    ffn_dim_multiplier: float | None = None
    norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    max_seq_len: int = 2048
    tied: bool = False  # the output head shares the embedding matrix

    def __new__(cls, *args: Any, **values: Any) -> LlamaConfig:
        reject_unknown(cls, values)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if self.n_kv_heads is None:
            object.__setattr__(self, "n_kv_heads", self.n_heads)
        if isinstance(self.rope_scaling, dict):
            object.__setattr__(self, "rope_scaling", RopeScaling(**self.rope_scaling))
        check_sizes(self)

    @property
    def head_dim(self) -> int:
        return self.dim // self.n_heads

    @property
    def ffn_dim(self) -> int:
        """Width of the feed-forward layer: ``hidden_dim`` if set, else Meta's rounding rule."""
        if self.hidden_dim is not None:
            return self.hidden_dim
        return ffn_hidden(self.dim, self.multiple_of, self.ffn_dim_multiplier)

    def param_counts(self) -> dict[str, int]:
        """Parameters by part (facts A2): the values add up to ``n_params``.

        >>> preset("llama2-7b").param_counts()["output"]
        131072000
        """
        kv_dim = self.n_kv_heads * self.head_dim
        return {
            "tok_embeddings": self.vocab_size * self.dim,
            "attention": self.n_layers * (2 * self.dim * self.dim + 2 * self.dim * kv_dim),
            "feed_forward": self.n_layers * 3 * self.dim * self.ffn_dim,
            "norms": self.n_layers * 2 * self.dim + self.dim,
            "output": 0 if self.tied else self.vocab_size * self.dim,
        }

    @property
    def n_params(self) -> int:
        return sum(self.param_counts().values())

    def param_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every parameter's name and shape, (out, in) for matrices, in the order of the layers."""
        D, F, kv_dim = self.dim, self.ffn_dim, self.n_kv_heads * self.head_dim
        block = {
            "attention_norm": (D,),
            "attention.wq": (D, D),
            "attention.wk": (kv_dim, D),
            "attention.wv": (kv_dim, D),
            "attention.wo": (D, D),
            "ffn_norm": (D,),
            "feed_forward.w_gate": (F, D),
            "feed_forward.w_up": (F, D),
            "feed_forward.w_down": (D, F),
        }
        shapes = {"tok_embeddings.weight": (self.vocab_size, D)}
        for i in range(self.n_layers):
            shapes |= {f"layers.{i}.{name}.weight": shape for name, shape in block.items()}
        shapes["norm.weight"] = (D,)
        return shapes if self.tied else shapes | {"output.weight": (self.vocab_size, D)}

    def kv_cache_bytes_per_token(self, bytes_per_number: int = 2) -> int:
        """Bytes of keys and values that one token leaves behind (facts I2)."""
        return 2 * self.n_layers * self.n_kv_heads * self.head_dim * bytes_per_number

    def train_flops_per_token(self, seq_len: int | None = None) -> int:
        """FLOPs to train on one token: 6N + 12·L·D·T (PaLM appendix B; facts G2).

        The second term is attention at sequence length ``seq_len`` (default: ``max_seq_len``),
        without the discount for causality.
        """
        seq_len = self.max_seq_len if seq_len is None else seq_len
        return 6 * self.n_params + 12 * self.n_layers * self.dim * seq_len

    def with_(self, **changes: Any) -> LlamaConfig:
        """A copy with some fields changed."""
        if "n_heads" in changes and "n_kv_heads" not in changes and self.n_kv_heads == self.n_heads:
            changes["n_kv_heads"] = None  # what was multi-head attention stays multi-head attention
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LlamaConfig:
        """Inverse of ``to_dict``."""
        return cls(**values)


def ffn_hidden(dim: int, multiple_of: int = 256, multiplier: float | None = None) -> int:
    """Meta's rule for the feed-forward width (facts B4): 2/3 of 4·dim, widened, rounded up.

    >>> ffn_hidden(4096), ffn_hidden(8192, 4096, 1.3)
    (11008, 28672)
    """
    hidden = int(2 * (4 * dim) / 3)
    if multiplier is not None:
        hidden = int(multiplier * hidden)
    return multiple_of * math.ceil(hidden / multiple_of)


def reject_unknown(cls: type, values: dict[str, Any]) -> None:
    """Refuse a misspelt field with the likely name, where a dataclass would only call it unexpected."""
    names = [f.name for f in fields(cls)]
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(names)}"
            raise ValueError(f"{cls.__name__} has no field {key!r}; {hint}")


def check_sizes(cfg: LlamaConfig) -> None:
    for name in ("dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "multiple_of", "max_seq_len"):
        value = getattr(cfg, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")
    for name in ("hidden_dim", "ffn_dim_multiplier"):
        value = getattr(cfg, name)
        if value is not None and value <= 0:
            raise ValueError(f"{name} is {value!r}; leave it out, or make it positive")
    for name in ("norm_eps", "rope_theta"):
        if not getattr(cfg, name) > 0:
            raise ValueError(f"{name} is {getattr(cfg, name)!r}; it must be positive")
    if cfg.dim % cfg.n_heads:
        raise ValueError(
            f"dim {cfg.dim} is not divisible by n_heads {cfg.n_heads}; "
            f"change dim to a multiple of {cfg.n_heads}, or n_heads to a divisor of {cfg.dim}"
        )
    if cfg.head_dim % 2:
        raise ValueError(
            f"head_dim = dim / n_heads = {cfg.head_dim} is odd, and RoPE rotates pairs; "
            f"change dim or n_heads so that the quotient is even"
        )
    if cfg.n_heads % cfg.n_kv_heads:
        raise ValueError(
            f"n_heads {cfg.n_heads} is not divisible by n_kv_heads {cfg.n_kv_heads}; "
            f"every key/value head must serve the same number of query heads, "
            f"so n_kv_heads must be one of {[k for k in range(1, cfg.n_heads + 1) if cfg.n_heads % k == 0]}"
        )


# --- the published models (facts A1); contradictions between sources are in facts A5 and L -------

_1 = dict(vocab_size=32_000, norm_eps=1e-6, max_seq_len=2048)
_2 = dict(vocab_size=32_000, norm_eps=1e-5, max_seq_len=4096)
_3 = dict(vocab_size=128_256, norm_eps=1e-5, rope_theta=500_000.0, max_seq_len=8192)
_3_1 = _3 | dict(rope_scaling=RopeScaling(factor=8.0), max_seq_len=131_072)
_3_2 = _3 | dict(rope_scaling=RopeScaling(factor=32.0), max_seq_len=131_072, tied=True)

_7B = dict(dim=4096, n_layers=32, n_heads=32)
_13B = dict(dim=5120, n_layers=40, n_heads=40)
_33B = dict(dim=6656, n_layers=60, n_heads=52)
_65B = dict(dim=8192, n_layers=80, n_heads=64)
_8B = _7B | dict(n_kv_heads=8, multiple_of=1024, ffn_dim_multiplier=1.3)
_70B = _65B | dict(n_kv_heads=8, multiple_of=4096, ffn_dim_multiplier=1.3)
_405B = dict(dim=16384, n_layers=126, n_heads=128, n_kv_heads=8, multiple_of=4096, ffn_dim_multiplier=1.2)

# The tiny ones keep each generation's character at a size that trains in a minute on a laptop.
_TINY = dict(dim=128, n_layers=4, n_heads=4, multiple_of=32, vocab_size=512, max_seq_len=256)
_STORIES = dict(vocab_size=32_000, norm_eps=1e-5, multiple_of=32, tied=True)

_PRESETS: dict[str, dict[str, Any]] = {
    "llama1-7b": _7B | _1,
    "llama1-13b": _13B | _1,
    "llama1-33b": _33B | _1,
    "llama1-65b": _65B | _1 | dict(norm_eps=1e-5),
    "llama2-7b": _7B | _2,
    "llama2-13b": _13B | _2,
    # Never released; the shape is Code Llama 34B's, which was initialised from it.
    "llama2-34b": dict(dim=8192, n_layers=48, n_heads=64, n_kv_heads=8, ffn_dim_multiplier=1.0) | _2,
    "llama2-70b": _70B | _2,
    "llama3-8b": _8B | _3,
    "llama3-70b": _70B | _3,
    "llama3.1-8b": _8B | _3_1,
    "llama3.1-70b": _70B | _3_1,
    "llama3.1-405b": _405B | _3_1,
    "llama3.2-1b": dict(dim=2048, n_layers=16, n_heads=32, n_kv_heads=8, ffn_dim_multiplier=1.5) | _3_2,
    "llama3.2-3b": dict(dim=3072, n_layers=28, n_heads=24, n_kv_heads=8, ffn_dim_multiplier=1.0) | _3_2,
    "llama1-tiny": _TINY | dict(norm_eps=1e-6),
    "llama2-tiny": _TINY | dict(norm_eps=1e-5),
    "llama3-tiny": _TINY | dict(norm_eps=1e-5, n_kv_heads=2, ffn_dim_multiplier=1.3, rope_theta=500_000.0),
    "stories-15m": _STORIES | dict(dim=288, n_layers=6, n_heads=6, max_seq_len=256),
    "stories-110m": _STORIES | dict(dim=768, n_layers=12, n_heads=12, max_seq_len=1024),
}


def preset_names() -> list[str]:
    return list(_PRESETS)


def preset(name: str, **changes: Any) -> LlamaConfig:
    """A published Llama by its name, with any fields changed.

    >>> preset("llama3-tiny", n_layers=2).n_layers
    2
    """
    if name not in _PRESETS:
        near = difflib.get_close_matches(name, _PRESETS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the presets are {', '.join(_PRESETS)}"
        raise ValueError(f"there is no preset {name!r}; {hint}")
    return LlamaConfig(**_PRESETS[name]).with_(**changes)
