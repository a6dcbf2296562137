"""What the studies share: how compute is counted and spent, and what a record says of its making."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch

from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.tales.telling import END, Tales
from llamalite.text.corpus import DATA
from llamalite.text.files import write_whole
from llamalite.train.comparison.rulers import fair_steps
from llamalite.train.training import Data, Forward, Settings, build_adamw, train_step

COUNT = "train FLOPs a token = 6 (n_params - vocab_size dim) + 12 n_layers dim seq_len"  # PaLM, appendix B
PACKAGES = ("llamalite", "numpy", "sentencepiece", "torch")


class Trained(NamedTuple):
    model: Llama
    forward: Forward
    losses: list[float]  # nats a token, of each step


def train_flops(cfg: LlamaConfig, seq_len: int) -> int:
    """Floating-point operations to train on one token, by ``COUNT``.

    The embedding is looked up, not multiplied, so it is left out; the head is counted. Attention
    is counted without the discount for causality.

    >>> cfg = LlamaConfig(dim=64, n_layers=2, n_heads=4, vocab_size=1000, multiple_of=32)
    >>> train_flops(cfg.with_(vocab_size=2000), 100) - train_flops(cfg, 100) == 6 * 1000 * 64
    True
    """
    return cfg.train_flops_per_token(seq_len) - 6 * cfg.param_counts()["tok_embeddings"]


def steps_within(budget: float, cfg: LlamaConfig, batch_size: int, seq_len: int) -> int:
    """The whole steps that ``budget`` FLOPs pay for.

    >>> cfg = LlamaConfig(dim=64, n_layers=2, n_heads=4, vocab_size=1000, multiple_of=32)
    >>> steps_within(10.5 * 8 * 100 * train_flops(cfg, 100), cfg, batch_size=8, seq_len=100)
    10
    """
    return fair_steps(budget, train_flops(cfg, seq_len), batch_size * seq_len)


def told(size: int, seed: str) -> str:
    """About ``size`` bytes of tales; a study names a seed that no file of ours is told by."""
    tales, rng, parts, n = Tales("en"), Random(seed), [], 0
    while n < size:
        parts.append(tales.tell(rng).text + END)
        n += len(parts[-1])
    return "".join(parts)


def train_for(
    cfg: LlamaConfig,
    data: Data,
    s: Settings,
    after_step: Callable[[int, Trained], Any] = lambda done, so_far: None,
    change: Callable[[Llama], Llama] = lambda model: model,
) -> Trained:
    """Train a new Llama for ``s.steps``; nothing is written. ``after_step`` hears how many are done;
    ``change`` may alter the model before the first.
    """
    model = change(init_weights(Llama(cfg), s.seed))
    run = Trained(model, partial(model, table=build_table(cfg, s.seq_len)), [])
    optimizer = build_adamw(model, s)
    for step in range(s.steps):
        run.losses.append(train_step(run.forward, optimizer, data, step, s).loss)
        after_step(step + 1, run)
    return run


def origin(settings: dict[str, Any]) -> dict[str, Any]:
    """What a record says of its making: settings, date, machine, versions."""
    return {
        "settings": settings,
        "count": COUNT,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "device": f"one core of {processor()}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """As Linux names it, elsewhere as Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def one_core() -> None:
    """Equal wall-clock conditions for every run, and the same sums in the same order."""
    torch.set_num_threads(1)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation over seeds.

    >>> spread([1.0, 2.0, 3.0])
    {'mean': 2.0, 'std': 1.0}
    """
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": rounded(statistics.fmean(values)), "std": rounded(std)}


def rounded(value: Any, digits: int = 6) -> Any:
    """Floats to ``digits`` significant ones, all the way down: what a rerun elsewhere can be held to.

    >>> rounded({"a": [0.123456789, 2]})
    {'a': [0.123457, 2]}
    """
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    return [rounded(part, digits) for part in value] if isinstance(value, (list, tuple)) else value


def write_record(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(rounded(record), indent=1, ensure_ascii=False) + "\n").encode())


def conduct(
    doc: str, studies: Mapping[str, tuple[type, Callable[[Any], dict]]], argv: Sequence[str] | None
) -> int:
    """The command of a tool: make one of its ``studies`` (name → its plan and what carries it out)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=studies, help="which")
    parser.add_argument("--out", type=Path, default=DATA / "studies", help="folder (default: data/studies)")
    parser.add_argument("--share", type=float, default=1.0, help="of the work, for a trial (default: 1)")
    args = parser.parse_args(argv)
    one_core()
    plan, study = studies[args.study]
    began = time.process_time()
    record = study(plan().scaled(args.share))
    write_record(args.out / f"{args.study}.json", record | {"cpu_seconds": time.process_time() - began})
    return 0
