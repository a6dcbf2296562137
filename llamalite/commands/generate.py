"""``llamalite generate``: a run's folder in, text out, as it is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from llamalite.commands.sampling import Sampling, rules, short_way

if TYPE_CHECKING:
    from llamalite.train.runs import Run


@dataclass(frozen=True)
class Generate(Sampling):
    """Let a trained run write, token by token.

    For example:
      llamalite generate runs/first --prompt "Once upon a time" --tokens 200
      llamalite generate runs/plays --temperature 0      (always the likeliest token)
      llamalite generate runs/first --stop "." --min-p 0.1      (one sentence, nothing far-fetched)
      llamalite generate runs/first --prompts-file beginnings.txt      (many at once)
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `llamalite train --out` made."""
    prompt: str = ""
    """Text to continue; it must fit into the context. Without one, the text begins on a new line."""
    prompts_file: Path | None = None
    """A file with a prompt on each line; each text is the one that its prompt alone would get."""
    batch_size: int = 32
    """How many prompts of --prompts-file are written on at once."""
    tokens: int = 300
    """How many tokens to write. One text past the context remembers the last half of it; many end there."""
    stop: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """End before this text; may be given several times."""


def run(args: Generate) -> None:
    import torch

    from llamalite.text.corpus import read_text
    from llamalite.train.device import pick_device
    from llamalite.train.runs import load_run

    if args.prompts_file is not None and args.prompt:
        raise ValueError("--prompt and --prompts-file exclude each other; put the prompt into the file")
    if args.prompts_file is not None and args.compile:
        raise ValueError("--compile is for one text; leave it out, many are written together")
    device = pick_device(args.device)
    prompts = None if args.prompts_file is None else read_text(args.prompts_file).splitlines()
    if prompts == []:
        raise ValueError(f"{args.prompts_file} is empty; write a prompt on each line")
    opened = load_run(args.run, device)
    if prompts is None:
        print(args.prompt, end="", flush=True)
        for text in one_text(args, opened, device):
            print(text, end="", flush=True)
        print()
    else:
        for text in many_texts(args, opened, prompts, torch.device(device)):
            print(text, end="\n\n", flush=True)


def one_text(args: Generate, opened: Run, device: torch.device | str) -> Iterator[str]:
    import torch

    from llamalite.in_torch.generation import generate
    from llamalite.in_torch.llama import build_cache
    from llamalite.text.stopping import until
    from llamalite.text.tokenization.tokenizer import stream_text

    model, tokenizer, cfg, _ = opened
    ids = generate(
        short_way(args, model),
        tokenizer.encode(before_prompt(args, args.prompt) + args.prompt),
        args.tokens,
        max_seq_len=cfg.max_seq_len,
        cache=build_cache(cfg, batch=1, device=device),
        generator=torch.Generator(device).manual_seed(args.seed),
        device=device,
        **rules(args),
    )
    return until(stream_text(tokenizer, ids, continues=True), args.stop)


def many_texts(
    args: Generate, opened: Run, prompts: Sequence[str], device: torch.device | str
) -> Iterator[str]:
    """Prompt and continuation, in the order of the prompts; a bar shows how far the batch is."""
    import torch
    from tqdm import tqdm

    from llamalite.in_torch.generation import generate_batch
    from llamalite.in_torch.llama import build_cache, build_table
    from llamalite.text.stopping import until
    from llamalite.text.tokenization.tokenizer import stream_text

    model, tokenizer, cfg, _ = opened
    for first in range(0, len(prompts), args.batch_size):
        batch = prompts[first : first + args.batch_size]
        ids = [tokenizer.encode(before_prompt(args, prompt) + prompt) for prompt in batch]
        free = cfg.max_seq_len - max(map(len, ids)) + 1
        steps = generate_batch(
            partial(model, table=build_table(cfg, device=device)),
            ids,
            n := min(args.tokens, max(free, 1)),
            max_seq_len=cfg.max_seq_len,
            cache=build_cache(cfg, batch=len(batch), device=device),
            generators=[torch.Generator(device).manual_seed(args.seed) for _ in batch],
            device=device,
            **rules(args),
        )
        if n < args.tokens:
            tqdm.write(f"these texts end after {n} tokens, where the context does", file=sys.stderr)
        rows = list(tqdm(steps, "writing", n, unit="token", file=sys.stderr, leave=False))
        for i, prompt in enumerate(batch):
            written = [row[i] for row in rows if row[i] is not None]
            yield prompt + "".join(until(stream_text(tokenizer, written, continues=True), args.stop))


def before_prompt(args: Generate, prompt: str) -> str:
    """A new line where the model is used to one: before all text if there is no prompt (bos was seen
    once, a new line often), and before each document if that is how it was trained.
    """
    from llamalite.train.runs import read_json

    documents = read_json(args.run / "train.json")["args"].get("documents", False)
    return "\n" if documents or not prompt else ""
