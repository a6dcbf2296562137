"""How deep, and how fast, can it be trained: norms before, after or nowhere. Stored for chapter 05.

    python tools/study_norms.py norms                        # writes data/studies/norms.json
    python tools/study_norms.py norms --share 0.1 --out /tmp   # a trial

The same small Llama on the same tales, at five depths and four learning rates, without warm-up and without
clipping, so that nothing but the norm holds a step in check. What writes to the residual stream starts as
large as everything else (Vaswani et al. 2017 shrank nothing with depth), or divided by sqrt(2 layers).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from study_budget import conduct, origin, train_for
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.alternatives import place_norms
from llamalite.in_torch.llama import Llama
from llamalite.text.corpus import DATA, read_parts
from llamalite.text.tokenization.tokenizer import load_tokenizer
from llamalite.train.interruption import RunFailed
from llamalite.train.runs import build_data
from llamalite.train.training import Data, Settings


class Way(NamedTuple):
    place: str
    norm: str
    divided: bool  # wo and w_down start divided by sqrt(2 layers)

    @property
    def name(self) -> str:
        return f"{self.place}-{self.norm}{', divided' if self.divided else ''}"


WAYS = [
    Way("pre", "rms", False),
    Way("pre", "layer", False),
    Way("post", "rms", False),
    Way("post", "layer", False),
    Way("none", "rms", False),
    Way("pre", "rms", True),
    Way("post", "rms", True),
]


@dataclass(frozen=True)
class Plan:
    depths: tuple[int, ...] = (2, 6, 12, 24, 48)
    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2)
    seeds: tuple[int, ...] = (1, 2)
    steps: int = 100
    averaged: int = 10  # last steps, whose losses a result is the mean of
    dim: int = 64
    n_heads: int = 4
    batch_size: int = 8
    seq_len: int = 48

    def scaled(self, share: float) -> Plan:
        """The same plan with fewer steps."""
        return replace(self, steps=max(self.averaged, round(self.steps * share)))


def changed(model: Llama, way: Way) -> Llama:
    """The model with the norms of ``way``, and with its first weights."""
    if not way.divided:
        undo_division(model)
    return place_norms(model, way.place, way.norm)


@torch.no_grad()
def undo_division(model: Llama) -> None:
    """Llama's own start divides what writes to the residual stream by sqrt(2 layers): take that back."""
    for layer in model.layers.values():
        for w in (layer.attention.wo.weight, layer.feed_forward.w_down.weight):
            w.mul_(math.sqrt(2 * model.cfg.n_layers))


def shape(plan: Plan, depth: int, vocab_size: int) -> LlamaConfig:
    return LlamaConfig(
        dim=plan.dim,
        n_layers=depth,
        n_heads=plan.n_heads,
        multiple_of=16,
        vocab_size=vocab_size,
        max_seq_len=plan.seq_len,
    )


def runs(plan: Plan, way: Way, data: Data, vocab_size: int) -> Iterator[dict[str, Any]]:
    for depth in plan.depths:
        for lr in plan.lrs:
            found = [one_loss(plan, way, data, shape(plan, depth, vocab_size), lr, s) for s in plan.seeds]
            yield {"depth": depth, "lr": lr, "losses": found}


def one_loss(plan: Plan, way: Way, data: Data, cfg: LlamaConfig, lr: float, seed: int) -> float | None:
    """Mean loss of the last steps in nats a token; None if a number was no longer finite."""
    s = Settings(
        steps=plan.steps,
        batch_size=plan.batch_size,
        seq_len=plan.seq_len,
        lr=lr,
        warmup=0,
        weight_decay=0.0,
        clip=1e30,
        seed=seed,
    )
    try:
        run = train_for(cfg, data, s, change=partial(changed, way=way))
    except RunFailed:
        return None
    return statistics.fmean(run.losses[-plan.averaged :])


def study(plan: Plan) -> dict[str, Any]:
    tokenizer = load_tokenizer(DATA / "tokenizers" / "tales-en")
    data = build_data(*read_parts("tales-en"), tokenizer, plan.seq_len)
    record = origin(asdict(plan)) | {"vocab_size": tokenizer.vocab_size, "ways": []}
    with tqdm(total=len(WAYS) * len(plan.depths) * len(plan.lrs), unit="run", disable=None) as bar:
        for way in WAYS:
            row = way._asdict() | {"name": way.name, "runs": []}
            for run in runs(plan, way, data, tokenizer.vocab_size):
                row["runs"].append(run)
                bar.update()
            record["ways"].append(row)
            tqdm.write(summary(row))
    return record


def summary(row: dict[str, Any]) -> str:
    failed = sum(loss is None for run in row["runs"] for loss in run["losses"])
    best = min(loss for run in row["runs"] for loss in run["losses"] if loss is not None)
    return f"{row['name']}: best loss {best:.2f} nats a token, {failed} runs ended in nan"


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"norms": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
