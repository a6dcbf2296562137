"""``llamalite generate``: a run's folder in, text out, as it is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Generate:
    """Let a trained run write, token by token.

    For example:
      llamalite generate runs/first --prompt "Once upon a time" --tokens 200
      llamalite generate runs/plays --temperature 0      (always the likeliest token)
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `llamalite train --out` made."""
    prompt: str = ""
    """Text to continue; it must fit into the context. Without one, the text begins on a new line."""
    temperature: float = 0.8
    """0: always the likeliest token; 1: the model's own distribution; above: wilder."""
    top_p: float = 0.9
    """Draw from the likeliest tokens that together hold this share of the probability."""
    tokens: int = 300
    """How many tokens to write. Past the context, the last half of it is remembered."""
    seed: int = 1
    """Decides the draw: same seed, same text."""
    device: str = "auto"
    """cuda, mps or cpu; auto takes the first this machine has."""


def run(args: Generate) -> None:
    import torch

    from llamalite.in_torch import generation
    from llamalite.in_torch.llama import build_cache, build_table
    from llamalite.text.tokenization.tokenizer import stream_text
    from llamalite.train.device import pick_device
    from llamalite.train.runs import load_run

    device = pick_device(args.device)
    model, tokenizer, cfg, _ = load_run(args.run, device)
    ids = generation.generate(
        partial(model, table=build_table(cfg, device=device)),
        tokenizer.encode(before_prompt(args) + args.prompt),
        args.tokens,
        max_seq_len=cfg.max_seq_len,
        cache=build_cache(cfg, batch=1, device=device),
        temperature=args.temperature,
        top_p=args.top_p,
        generator=torch.Generator(device).manual_seed(args.seed),
        device=device,
    )
    print(args.prompt, end="", flush=True)
    for text in stream_text(tokenizer, ids, continues=True):
        print(text, end="", flush=True)
    print()


def before_prompt(args: Generate) -> str:
    """A new line where the model is used to one: before all text if there is no prompt (bos was seen
    once, a new line often), and before each document if that is how it was trained.
    """
    from llamalite.train.runs import read_json

    documents = read_json(args.run / "train.json")["args"].get("documents", False)
    return "\n" if documents or not args.prompt else ""
