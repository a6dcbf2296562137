"""Llama 1, 2, 3: what made the difference? Three tiny generations, for chapter 20.

    python tools/study_comparison.py comparison                          # writes data/studies/comparison.json
    python tools/study_comparison.py comparison --share 0.05 --out /tmp  # a trial

It goes on where ``study_llama3`` stands: same tales, same tokenizers, same sizes, same three seeds, so that
both records are one table. Four parts. Before Llama: a transformer as it was before (norm after the sum,
LayerNorm, GELU, learnt positions), with each change of Llama 1 alone and with all, at equal compute.
Llama 1 to 2: the shorter context, with and without grouped-query attention. Rates: is the result one of the
learning rate? And tokens: the three shapes, each trained on token counts that stand to each other as those
of the largest Llama 1, 2 and 3.
Every run is kept in ``runs/study_comparison`` as soon as it ends, so a study that was stopped goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import study_llama3
from study_budget import conduct, origin, spread, steps_within, train_flops
from study_distance import Kept
from study_llama3 import data_of, forward_of, shape
from torch import nn
from tqdm import tqdm

from llamalite.in_torch.alternatives import MLP, place_feed_forward, place_norms, place_positions, still_table
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.train.training import Data, Forward, Score, Settings, build_adamw, evaluate, train_step

FOLDER = "study_comparison"
PARTS = ("norm", "feed-forward", "positions")  # what Llama 1 changed in the transformer

# How the generations differ, in what ``study_llama3.Plan`` calls them. Llama 2's largest model has
# grouped-query attention, its smallest has not; here it has.
LLAMA_1 = {"seq_len": 64}
LLAMA_2 = study_llama3.CHANGES["gqa"]
LLAMA_3 = study_llama3.ways()["Llama 3"]
GENERATIONS = {"Llama 1": LLAMA_1, "Llama 2": LLAMA_2, "Llama 3": LLAMA_3}
TRILLIONS = {"Llama 1": 1.4, "Llama 2": 2.0, "Llama 3": 15.0}  # tokens of the largest (facts A3)


@dataclass(frozen=True)
class Plan:
    llama3: study_llama3.Plan = field(default_factory=study_llama3.Plan)
    rates: tuple[float, ...] = (1.25e-3, 2.5e-3, 1e-2)  # beside the plan's own 5e-3; first seed only
    tokens: int = 200_000  # that stand for 1.4 trillion
    tales_bytes: int = 10_000_000  # for the part on tokens: a run is to see hardly anything twice

    def scaled(self, share: float) -> Plan:
        return replace(self, llama3=self.llama3.scaled(share), tokens=round(share * self.tokens))


def ways() -> dict[str, tuple[str, ...]]:
    """Name → which parts are Llama's; the others are from before."""
    return {"before Llama": ()} | {f"+ {part}": (part,) for part in PARTS} | {"Llama 1": PARTS}


def build(plan: study_llama3.Plan, seed: int, parts: Sequence[str] = PARTS) -> tuple[nn.Module, Forward]:
    """A Llama in which all but ``parts`` is as it was before; all the same size, up to the positions."""
    cfg = shape(plan)
    model = init_weights(Llama(cfg), seed)
    if "norm" not in parts:
        place_norms(model, "post", "layer")
    if "feed-forward" not in parts:  # two matrices in place of three
        place_feed_forward(model, MLP, "gelu", cfg.ffn_dim * 3 // 2, seed)
    if "positions" in parts:
        return model, forward_of(model, plan)
    return model, partial(place_positions(model, seed), table=still_table(cfg))


def trained(
    plan: study_llama3.Plan, data: Data, seed: int, steps: int, parts: Sequence[str] = PARTS
) -> dict[str, Any]:
    """One run: as ``study_llama3.switched``, of any length and any parts."""
    s = Settings(
        steps=steps,
        lr=plan.lr,
        warmup=steps // 20,
        seed=seed,
        batch_size=plan.step_tokens // plan.seq_len,
        seq_len=plan.seq_len,
    )
    model, forward = build(plan, seed, parts)
    optimizer, began = build_adamw(model, s), time.process_time()
    losses = [train_step(forward, optimizer, data, step, s).loss for step in range(steps)]
    seconds = time.process_time() - began
    score: Score = evaluate(forward, data, replace(s, batch_size=32))
    return {
        "seed": seed,
        "bits_per_byte": score.bits_per_byte,
        "nats_per_token": score.nats_per_token,
        "train_loss": sum(losses[-50:]) / len(losses[-50:]),
        "n_params": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(seconds, 1),
    }


def steps_of(plan: study_llama3.Plan) -> int:
    return steps_within(plan.budget, shape(plan), plan.step_tokens // plan.seq_len, plan.seq_len)


def row_of(name: str, plan: study_llama3.Plan, data: Data, steps: int, runs: list[dict]) -> dict[str, Any]:
    flops = train_flops(shape(plan), plan.seq_len)
    bytes_per_token = data.held_out_bytes / (len(data.held_out) - 1)
    return {
        "name": name,
        "steps": steps,
        "train_flops_per_token": flops,
        "train_tokens": steps * plan.step_tokens,
        "train_flops": steps * plan.step_tokens * flops,
        "bytes_per_token": bytes_per_token,
        "cache_bytes_per_token": shape(plan).kv_cache_bytes_per_token(4),
        "runs": runs,
    } | spread([run["bits_per_byte"] for run in runs])


def said(row: dict[str, Any]) -> dict[str, Any]:
    tqdm.write(f"{row['name']}: {[round(run['bits_per_byte'], 4) for run in row['runs']]}")
    return row


def before(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    this = replace(plan.llama3, **LLAMA_1)
    data, steps, rows = data_of(this), steps_of(this), []
    for name, parts in ways().items():
        runs = [
            kept(f"{name} {seed}", partial(trained, this, data, seed, steps, parts)) for seed in this.seeds
        ]
        rows.append(said(row_of(name, this, data, steps, runs)))
    return rows


def second(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    """Llama 1's context with shared heads; the rest of the step from 1 to 2 is in ``llama3.json``."""
    this = replace(plan.llama3, **LLAMA_1, **LLAMA_2)
    data, steps = data_of(this), steps_of(this)
    runs = [kept(f"+ gqa {seed}", partial(trained, this, data, seed, steps)) for seed in this.seeds]
    return [said(row_of("+ gqa", this, data, steps, runs))]


def rates(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    found = []
    for name, parts in ways().items():
        if name not in ("before Llama", "Llama 1"):
            continue
        for lr in plan.rates:
            this = replace(plan.llama3, **LLAMA_1, lr=lr)
            run = partial(trained, this, data_of(this), this.seeds[0], steps_of(this), parts)
            found.append({"name": name, "lr": lr} | kept(f"{name} at {lr}", run))
    return found


def tokens(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    """Every shape on every count of tokens."""
    rows = []
    for name, change in GENERATIONS.items():
        this = replace(plan.llama3, tales_bytes=plan.tales_bytes, **change)
        data = data_of(this)
        for other, trillions in TRILLIONS.items():
            steps = round(plan.tokens * trillions / TRILLIONS["Llama 1"] / this.step_tokens)
            title = f"{name} on the tokens of {other}"
            runs = [kept(f"{title} {seed}", partial(trained, this, data, seed, steps)) for seed in this.seeds]
            rows.append({"shape": name, "tokens_of": other} | said(row_of(title, this, data, steps, runs)))
    return rows


def study(plan: Plan) -> dict[str, Any]:
    kept = Kept(asdict(plan), FOLDER)
    parts = {"before": before, "second": second, "tokens": tokens, "rates": rates}
    return origin(asdict(plan)) | {name: part(plan, kept) for name, part in parts.items()}


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"comparison": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
