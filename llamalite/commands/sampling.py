"""The options of all commands that let a model write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llamalite.in_torch.decoding import Decoder
    from llamalite.in_torch.fused_decoding import FusedDecoder
    from llamalite.in_torch.llama import Llama


@dataclass(frozen=True, kw_only=True)
class Sampling:
    temperature: float = 0.8
    """0: always the likeliest token; 1: the model's own distribution; above: wilder."""
    top_p: float = 0.9
    """Draw from the likeliest tokens that together hold this share of the probability."""
    top_k: int = 0
    """Draw from this many of the likeliest tokens; 0: from all."""
    min_p: float = 0.0
    """Draw from tokens at least this many times as likely as the likeliest; 0: from all."""
    repetition_penalty: float = 1.0
    """Above 1: what was written before becomes less likely (1.1 to 1.3 is usual)."""
    seed: int = 1
    """Decides the draw: same seed, same text."""
    device: str = "auto"
    """cuda, mps or cpu; auto takes the first this machine has."""
    compile: bool = False
    """Write one text faster on a CPU: wait a quarter of a minute for a C++ compiler first."""


def rules(args: Sampling) -> dict[str, Any]:
    """What ``sampling.choose`` takes, but for the generator."""
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    return {name: getattr(args, name) for name in names}


def short_way(args: Sampling, model: Llama) -> Decoder | FusedDecoder:
    """The model, for one token after others."""
    from llamalite.in_torch.decoding import Decoder
    from llamalite.in_torch.fused_decoding import FusedDecoder

    return FusedDecoder(model) if args.compile else Decoder(model)
