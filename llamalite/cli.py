"""The command line: ``llamalite train``, ``generate`` and ``info``.

Every error a user can make ends as one sentence with the way out: exit code 2 for bad input, 1 for
a run that failed, 128 + signal for one that was stopped. PyTorch is imported only by what needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from llamalite.config import LlamaConfig, preset
from llamalite.train.interruption import Interrupted, RunFailed


@dataclass(frozen=True)
class Train:
    """Train a Llama from nothing on one text.

    The last tenth of the text is held out and never trained on: "bits/byte" says how well it is predicted
    (8 is knowing nothing). Ctrl-C finishes the step, saves and leaves.

    For example:
      llamalite train --out runs/first
      llamalite train --data plays.txt --out runs/plays --steps 2000
      llamalite train --out runs/plays --resume --steps 4000
    """

    out: Path
    """Folder of the run, made here: config, tokenizer, metrics.jsonl, checkpoints."""
    data: str = "tales-en"
    """A UTF-8 text file, or the name of a text that ships with llamalite."""
    preset: str = "llama3-tiny"
    """The shape to start from; `llamalite info` lists them."""
    vocab_size: int | Literal["bytes"] = 512
    """Pieces of the SentencePiece tokenizer learnt from the text; 0 or bytes: one token a byte."""
    seq_len: int = 64
    """Context, in tokens."""
    dim: int = 0
    """Width of the model, a multiple of its heads. 0: as the preset has it; so with the next three."""
    n_layers: int = 0
    """Layers."""
    n_heads: int = 0
    """Query heads a layer."""
    n_kv_heads: int = 0
    """Key/value heads a layer; must divide the query heads."""
    steps: int = 1500
    """Updates of the weights, in all."""
    batch_size: int = 16
    """Windows of seq-len tokens a step."""
    accumulate: int = 1
    """Parts in which a step's batch goes through the model: more parts, less memory, same result."""
    lr: float = 3e-3
    """Learning rate at its peak; it falls to a tenth of that along a cosine."""
    warmup: int = 50
    """Steps over which the learning rate rises to its peak."""
    seed: int = 1
    """Decides the first weights and the order of the data."""
    eval_every: int = 250
    """Steps between validations on the whole held-out text; 0: only at the end."""
    save_every: int = 250
    """Steps between checkpoints; the last two and the best are kept. 0: only at the end."""
    device: str = "auto"
    """cuda, mps or cpu; auto takes the first this machine has."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers to multiply in; auto is bfloat16 on cuda, float32 elsewhere. Weights stay float32."""
    compile: bool = False
    """Fuse the model with torch.compile: about a minute's wait, then faster steps."""
    threads: int = 0
    """CPU threads; 0 leaves it to PyTorch."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint, with its own settings."""


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


@dataclass(frozen=True)
class Info:
    """Show what a published Llama is made of: parameters by part, FLOPs, bytes of cache.

    For example:
      llamalite info
      llamalite info llama3.1-405b
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET]")] = ""
    """Name of a model; without it, a table of all."""


# What a resumed run may change: how it computes and how long, not what.
FREE_ON_RESUME = {"out", "resume", "data", "steps", "accumulate", "eval_every", "save_every"}
FREE_ON_RESUME |= {"device", "dtype", "compile", "threads"}
OVERRIDES = ("dim", "n_layers", "n_heads", "n_kv_heads")


def parse(argv: Sequence[str], stored: Train | None = None) -> Train | Generate | Info:
    """Arguments → one of the three; ``stored`` gives a resumed run's settings as defaults."""
    default = {} if stored is None else {"default": stored}
    commands = (
        Annotated[Train, tyro.conf.subcommand("train", **default)]
        | Annotated[Generate, tyro.conf.subcommand("generate")]
        | Annotated[Info, tyro.conf.subcommand("info")]
    )
    about = "Llama 1, 2 and 3 from scratch: train a small one, let it write, take a large one apart."
    return tyro.cli(commands, prog="llamalite", description=about, args=list(argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. LLAMALITE_TRACEBACK=1 shows where an error came from."""
    argv = sys.argv[1:] if argv is None else argv
    if os.environ.get("LLAMALITE_TRACEBACK"):
        return run(argv)
    try:
        return run(argv)
    except BrokenPipeError:  # `llamalite … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return complain("stopped before there was anything to save", 130)
    except (ValueError, FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        return complain(error, 2)
    except OSError as error:
        return complain(f"{error}; make room or choose another folder", 1)
    except (RunFailed, Interrupted) as error:
        return complain(error, error.exit_code)


def complain(message: Any, code: int) -> int:
    print(f"llamalite: {message}", file=sys.stderr)
    return code


def run(argv: Sequence[str]) -> int:
    args = parse(argv)
    if isinstance(args, Info):
        from llamalite.anatomy import anatomy, overview

        print(anatomy(args.preset) if args.preset else overview())
    elif isinstance(args, Generate):
        generate(args)
    else:
        train(with_stored(args, argv) if args.resume else args)
    return 0


def with_stored(args: Train, argv: Sequence[str]) -> Train:
    """The settings of the run to resume, with what the command line may change changed."""
    from llamalite.train.runs import read_json

    stored = Train(**{**read_json(args.out / "train.json")["args"], "out": args.out, "resume": True})
    wanted = parse(argv, stored)
    for f in fields(Train):
        old, new = getattr(stored, f.name), getattr(wanted, f.name)
        if old != new and f.name not in FREE_ON_RESUME:
            flag = "--" + f.name.replace("_", "-")
            raise ValueError(
                f"{args.out} was begun with {flag} {old}; leave {flag} out, or start another run"
            )
    return wanted


def model_config(args: Train, vocab_size: int) -> LlamaConfig:
    """The preset with the overrides, as long as what it is trained on."""
    changes = {name: getattr(args, name) for name in OVERRIDES if getattr(args, name)}
    return preset(args.preset, vocab_size=vocab_size, max_seq_len=args.seq_len, **changes)


def settings(args: Train):
    from llamalite.train.device import pick_device, pick_dtype
    from llamalite.train.training import Settings

    device = pick_device(args.device)
    same = {f.name: getattr(args, f.name) for f in fields(Settings) if f.name in asdict(args)}
    return Settings(**{**same, "device": device, "dtype": pick_dtype(args.dtype, device)})


def train(args: Train) -> None:
    """Check everything that can be wrong, then write the run's folder, then train."""
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # spinning threads starve each other on a busy machine
    import torch

    from llamalite.text.corpus import read_text, split
    from llamalite.text.tokenization.tokenizer import load_tokenizer
    from llamalite.train import runs

    if not args.resume and args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise FileExistsError(
            f"{args.out} exists already; continue it with --resume, or choose another --out"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    vocab_size = 0 if args.vocab_size == "bytes" else args.vocab_size
    model_config(args, vocab_size or 1)  # refuse an impossible shape before the slow part
    how, text = settings(args), read_text(args.data)
    check_same_text(args, runs.sha256(text))
    parts = split(text)  # the tokenizer learns from the first alone: nothing may know the held-out text
    tokenizer = load_tokenizer(args.out) if args.resume else runs.build_tokenizer(parts[0], vocab_size)
    cfg, data = model_config(args, tokenizer.vocab_size), runs.build_data(*parts, tokenizer, args.seq_len)
    record = {"args": {**asdict(args), "out": str(args.out), "resume": False}, "sha256": runs.sha256(text)}
    if args.resume:
        runs.write_json(args.out / "train.json", record)
    else:
        runs.create_run(args.out, cfg, tokenizer, record)
    print(
        f"{args.data}: {len(data.train):,} tokens to train on, {len(data.held_out):,} held out\n"
        f"{args.preset}: {cfg.n_params:,} parameters, {how.dtype} on {how.device}"
    )
    runs.train_llama(args.out, cfg, data, how, args.compile, args.resume)
    print(f'done: llamalite generate {args.out} --prompt "…"')


def check_same_text(args: Train, found: str) -> None:
    from llamalite.train.runs import read_json

    if args.resume and read_json(args.out / "train.json").get("sha256") != found:
        raise ValueError(
            f"{args.data} is not the text that {args.out} was begun with; give that one with --data"
        )


def generate(args: Generate) -> None:
    from functools import partial

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
        tokenizer.encode(args.prompt or "\n"),  # bos was seen once, a new line often
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
