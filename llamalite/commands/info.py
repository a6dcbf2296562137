"""``llamalite info``: what a Llama is made of, counted from its config alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import tyro

from llamalite.config import LlamaConfig, preset, preset_names


@dataclass(frozen=True)
class Info:
    """Show what a published Llama is made of: parameters by part, FLOPs, bytes of cache.

    For example:
      llamalite info
      llamalite info llama3.1-405b
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET]")] = ""
    """Name of a model; without it, a table of all."""


def run(args: Info) -> None:
    print(anatomy(args.preset) if args.preset else overview())


BF16 = 2  # bytes a number
COLUMNS = ("parameters", "dim", "layers", "heads", "kv", "ffn", "vocab", "context", "bf16", "cache/token")


def readable(n: float, unit: str = "", base: int = 1000) -> str:
    """A number for the eye: thousands for counts, 1024s for bytes.

    >>> readable(8_030_261_248), readable(131_072, "B", base=1024), readable(512)
    ('8.03 G', '128 KiB', '512')
    """
    prefixes = ["", "k", "M", "G", "T", "P"] if base == 1000 else ["", "Ki", "Mi", "Gi", "Ti", "Pi"]
    power = 0
    while n >= base and power < len(prefixes) - 1:
        n, power = n / base, power + 1
    digits = f"{n:.3g}" if n < 999.5 else f"{n:.0f}"  # 1,000 to 1,023 KiB would come out as 1e+03
    return f"{digits} {prefixes[power]}{unit}".strip()


def forward_flops(cfg: LlamaConfig, seq_len: int) -> int:
    """FLOPs to read one token: a third of training on it (facts G2: 2 of the 6 are forward)."""
    return cfg.train_flops_per_token(seq_len) // 3


def anatomy(name: str) -> str:
    """All of one published Llama, a line a fact."""
    return "\n".join(anatomy_lines(name, preset(name)))


def anatomy_lines(name: str, cfg: LlamaConfig) -> Iterator[str]:
    context = cfg.max_seq_len
    yield f"{name}: {cfg.n_params:,} parameters, {readable(BF16 * cfg.n_params, 'B', 1024)} in bf16"
    yield ""
    yield "shape"
    yield f"  width (dim)          {cfg.dim:,}"
    yield f"  layers               {cfg.n_layers}"
    yield f"  heads                {cfg.n_heads} for queries, {cfg.n_kv_heads} for keys and values"
    yield f"  head width           {cfg.head_dim}"
    yield f"  feed-forward width   {cfg.ffn_dim:,} ({cfg.ffn_dim / cfg.dim:.2f} x dim)"
    yield f"  vocabulary           {cfg.vocab_size:,}{', shared by embedding and output' if cfg.tied else ''}"
    yield f"  context              {context:,} tokens"
    yield f"  RoPE theta           {cfg.rope_theta:,.0f}{scaling(cfg)}"
    yield f"  RMSNorm epsilon      {cfg.norm_eps:g}"
    yield ""
    yield "parameters"
    for part, count in cfg.param_counts().items():
        yield f"  {part:<20} {count:>15,}  {count / cfg.n_params:6.1%}"
    yield ""
    yield "work, in floating-point operations a token"
    for length in sorted({1, context}):
        flops = forward_flops(cfg, length), cfg.train_flops_per_token(length)
        yield f"  {f'at {length:,} tokens':<20} {readable(flops[0])} to read, {readable(flops[1])} to train"
    cache = cfg.kv_cache_bytes_per_token(BF16)
    yield ""
    yield "key/value cache, in bf16"
    yield f"  a token              {cache:,} bytes ({readable(cache, 'B', 1024)})"
    yield f"  full context         {readable(cache * context, 'B', 1024)}"


def scaling(cfg: LlamaConfig) -> str:
    if cfg.rope_scaling is None:
        return ""
    return f", scaled by {cfg.rope_scaling.factor:g} beyond {cfg.rope_scaling.original_max_seq_len:,} tokens"


def overview() -> str:
    """Every preset, one a line."""
    rows = [("preset", *COLUMNS), *(overview_row(name, preset(name)) for name in preset_names())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
    return "\n".join([*lines, "", "llamalite info PRESET shows one of them in full."])


def overview_row(name: str, cfg: LlamaConfig) -> tuple[str, ...]:
    heads = cfg.n_heads, cfg.n_kv_heads
    numbers = (cfg.dim, cfg.n_layers, *heads, cfg.ffn_dim, cfg.vocab_size, cfg.max_seq_len)
    weights, cache = BF16 * cfg.n_params, cfg.kv_cache_bytes_per_token(BF16)
    sizes = (readable(weights, "B", 1024), readable(cache, "B", 1024))
    return (name, f"{cfg.n_params:,}", *(f"{n:,}" for n in numbers), *sizes)
