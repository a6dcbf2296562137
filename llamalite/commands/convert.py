"""``llamalite convert``: weights from one format into another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class Convert:
    """Turn a folder of weights into Meta's format or Hugging Face's, bit for bit.

    For example:
      llamalite convert Llama3.2-1B llama-hf --to hugging-face
      llamalite convert TinyLlama llama-meta --to meta --shards 2
      llamalite convert runs/first first-hf --to hugging-face      (what you have trained yourself)
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder in Meta's format, in Hugging Face's, or of a run."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to make; nothing is overwritten."""
    to: Literal["meta", "hugging-face"]
    """The format to write."""
    shards: int = 1
    """Into how many files Meta's format is cut, one for each GPU of a model-parallel run."""
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """Round to these numbers; without it every bit stays as it is."""


def run(args: Convert) -> None:
    import torch

    from llamalite.in_torch.weights.conversion import convert, open_weights
    from llamalite.in_torch.weights.folders import COMPANIONS, Weights, copy_companions
    from llamalite.train.runs import load_run

    is_run = (args.source / "train.json").is_file()
    if is_run:
        model, _, cfg, _ = load_run(args.source)
        source = Weights(cfg, "run", model.state_dict().__getitem__)
    else:
        source = open_weights(args.source)
    dtype = None if args.dtype is None else getattr(torch, args.dtype)
    print(f"{args.source}: {source.format}, {source.cfg.n_params:,} parameters", flush=True)
    convert(source, args.out, args.to, shards=args.shards, dtype=dtype, quiet=False)
    # A run's tokenizer.json is our own kind, and would only confuse whoever expects the other.
    copy_companions(args.source, args.out, COMPANIONS[:1] if is_run else COMPANIONS)
    print(f"{args.out}: {args.to}; try `llamalite verify {args.out}`")
