"""``llamalite train``: a text in, a run's folder out."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from llamalite.commands.recipes import expected
from llamalite.config import LlamaConfig, preset
from llamalite.train.parallel.layout import Parallel, check_layout


@dataclass(frozen=True)
class Train:
    """Train a Llama from nothing on one text.

    A part is held out and never trained on (the last tenth; shipped texts bring one of their own):
    "bits/byte" says how well it is predicted (8 is knowing nothing). Ctrl-C finishes the step, saves and
    leaves.

    For example:
      llamalite train --out runs/first
      llamalite train --data plays.txt --out runs/plays --steps 2000
      llamalite train --out runs/plays --resume --steps 4000
      llamalite train --recipe stories-15m --data tinystories.txt --out runs/stories      (wants a GPU)
      torchrun --nproc-per-node 4 -m llamalite train --out runs/four --parallel.data 2 --parallel.tensor 2
    """

    out: Path
    """Folder of the run, made here: config, tokenizer, metrics.jsonl, checkpoints."""
    data: str = "tales-en"
    """A UTF-8 text file, a folder that `llamalite data` made, or the name of a text that ships."""
    preset: str = "llama3-tiny"
    """The shape to start from; `llamalite info` lists them."""
    vocab_size: int | Literal["bytes"] = 512
    """Pieces of the SentencePiece tokenizer learnt from the text; 0 or bytes: one token a byte."""
    tokenizer: str = ""
    """Instead of learning one: a tokenizer of `llamalite tokenizer`, of another run, or Meta's own file."""
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
    documents: bool = False
    """Let every window begin where a document does, after a blank line: good for tales."""
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
    """Numbers to multiply in. Weights stay float32. auto: bfloat16 on cuda, and from ten million parameters
    on also on processors that multiply it; else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Fuse the model with torch.compile: about a minute's wait, then faster steps. auto: on a GPU."""
    threads: int = 0
    """CPU threads; 0 leaves it to PyTorch."""
    parallel: Parallel = field(default_factory=Parallel)
    recipe: str = ""
    """Settings for a longer run on a GPU: stories-15m or stories-110m. What is said beside it wins."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint, with its own settings."""


# What a resumed run may change: how it computes and how long, not what.
FREE_ON_RESUME = {"out", "resume", "data", "steps", "accumulate", "eval_every", "save_every"}
FREE_ON_RESUME |= {"device", "dtype", "compile", "threads", "parallel"}
OVERRIDES = ("dim", "n_layers", "n_heads", "n_kv_heads")


def run(args: Train) -> None:
    """Here, or as one of the ranks that torchrun has started."""
    # Threads that spin while they wait starve each other on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from llamalite.train.device import keep_memory, pick_device
    from llamalite.train.parallel import ranks

    keep_memory()
    if args.threads:
        torch.set_num_threads(args.threads)
    ranks.check_size(args.parallel, ranks.processes())
    if ranks.launched():
        ranks.on_ranks(run_on_ranks, args, device=pick_device(args.device).type)
    else:
        run_alone(args)


def run_alone(args: Train) -> None:
    from llamalite.train.runs import train_llama

    cfg, data, how = prepare(args)
    compiled = args.compile == "on" or (args.compile == "auto" and how.device.type == "cuda")
    train_llama(args.out, cfg, data, how, compiled, args.resume)
    print(f'done: llamalite generate {args.out} --prompt "…"')


def run_on_ranks(args: Train) -> None:
    """The first rank makes the folder, the others read it; then all of them train."""
    import torch.distributed as dist

    from llamalite.train.parallel.ranks import lives_before
    from llamalite.train.parallel.running import train_on_ranks

    if args.compile == "on":
        raise ValueError("compile is for one process; leave it out, or train without --parallel")
    first = dist.get_rank() == 0
    if lives_before() and (args.out / "train.json").exists():  # torchrun starts the same command again
        args = replace(args, resume=True)
    if first:
        ready = prepare(args)
    dist.barrier()
    if not first:
        ready = prepare(replace(args, resume=True), speaks=False)
    cfg, data, how = ready
    train_on_ranks(args.out, cfg, data, how, args.parallel, args.resume)
    if first:
        print(f'done: llamalite generate {args.out} --prompt "…"')


def prepare(args: Train, speaks: bool = True):
    """Check everything that can be wrong, then write the run's folder: (config, data, settings).

    One that does not speak finds the folder written, and prints nothing.
    """
    from llamalite.tales.floor import known_floor
    from llamalite.text.corpus import read_parts
    from llamalite.text.tokenization.tokenizer import load_tokenizer
    from llamalite.train import runs
    from llamalite.train.device import pick_dtype

    check_folder(args)
    vocab_size = 0 if args.vocab_size == "bytes" else args.vocab_size
    model_config(args, vocab_size or 1)  # refuse an impossible shape before the slow part
    how, parts = settings(args), read_parts(args.data)
    fingerprint = runs.sha256("".join(parts))
    check_same_text(args, fingerprint)
    # The tokenizer learns from the first part alone: nothing may know the held-out text.
    given = args.out if args.resume else args.tokenizer
    tokenizer = load_tokenizer(given) if given else runs.build_tokenizer(parts[0], vocab_size)
    cfg = model_config(args, tokenizer.vocab_size)
    check_layout(args.parallel, cfg, args.batch_size, args.seq_len, args.accumulate)
    alone = args.parallel.size == 1  # ranks on CPUs keep float32, which their tests are about
    how = replace(how, dtype=pick_dtype(args.dtype, how.device, cfg.n_params if alone else 0))
    record = {"args": {**asdict(args), "out": str(args.out), "resume": False}, "sha256": fingerprint}
    record["floor_bits_per_byte"] = known_floor(args.data)
    if not args.resume:
        runs.create_run(args.out, cfg, tokenizer, record)
    elif speaks:
        runs.write_json(args.out / "train.json", record)
    try:
        data = runs.build_data(*parts, tokenizer, args.seq_len, args.documents, args.out / "data")
    except ValueError:
        if not args.resume:
            shutil.rmtree(args.out)  # nothing was in it before, and there is nothing to go on with
        raise
    if speaks:
        introduce(args, cfg, data, how)
    return cfg, data, how


def introduce(args: Train, cfg: LlamaConfig, data, how) -> None:
    from llamalite.train import runs
    from llamalite.train.device import peak_flops

    many = f", {args.parallel.size} ranks" if args.parallel.size > 1 else ""
    print(
        f"{args.data}: {len(data.train):,} tokens to train on, {len(data.held_out):,} held out\n"
        f"{args.preset}: {cfg.n_params:,} parameters, {how.dtype} on {how.device}{many}"
    )
    if (share := runs.beyond_windows(data, args.seq_len)) > 0.1:
        print(
            f"{share:.0%} of the text stands behind the first {args.seq_len} tokens of its document, where "
            "--documents never looks; take a longer --seq-len, or leave --documents out"
        )
    if args.recipe:
        flops = float(args.steps * args.batch_size * args.seq_len * cfg.train_flops_per_token(args.seq_len))
        peak = peak_flops(how.device, how.dtype)
        print(expected(args.recipe, flops, peak and peak * args.parallel.size))


def stored(args: Train) -> Train:
    """The settings that the run in ``args.out`` was begun with."""
    from llamalite.train.runs import read_json

    record = read_json(args.out / "train.json")["args"]
    # On how many ranks a run goes on is said anew each time.
    return Train(**{**record, "out": args.out, "resume": True, "parallel": Parallel()})


def check_folder(args: Train) -> None:
    """A new run wants a folder with nothing in it, a resumed one the settings it was begun with."""
    if args.resume:
        check_same_settings(args, stored(args))
    elif args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise FileExistsError(
            f"{args.out} exists already; continue it with --resume, or choose another --out"
        )


def check_same_settings(args: Train, begun: Train) -> None:
    for f in fields(Train):
        old, new = getattr(begun, f.name), getattr(args, f.name)
        if old != new and f.name not in FREE_ON_RESUME:
            flag = "--" + f.name.replace("_", "-")
            raise ValueError(
                f"{args.out} was begun with {flag} {old}; leave {flag} out, or start another run"
            )


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


def check_same_text(args: Train, found: str) -> None:
    from llamalite.train.runs import read_json

    if args.resume and read_json(args.out / "train.json").get("sha256") != found:
        raise ValueError(
            f"{args.data} is not the text that {args.out} was begun with; give that one with --data"
        )
