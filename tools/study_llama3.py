"""What Llama 3 changed, one switch at a time; and how far a short context can be stretched. For chapter 15.

    python tools/study_llama3.py llama3                          # writes data/studies/llama3.json
    python tools/study_llama3.py llama3 --share 0.05 --out /tmp  # a trial

Three parts, three seeds each. The switches: a tiny Llama 2, with each change of Llama 3 alone and with all
of them, at equal compute. Recall (``study_distance``): a model that learnt to find a key among 128 tokens
is asked among 1,024, its context stretched in four ways, before and after some more training. Tales
(``study_distance`` too): models that saw windows of 64 tokens read whole tales.
Every run is kept in ``runs/study_llama3`` as soon as it ends, so a study that was stopped goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from typing import Any

import study_distance
from study_budget import conduct, origin, spread, steps_within, told, train_flops
from study_distance import SEED, Kept
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.gqa import same_size
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.in_torch.llama3 import after_blank_lines, documents
from llamalite.text.corpus import read_text
from llamalite.text.tokenization.tokenizer import Tokenizer
from llamalite.train.runs import build_data, build_tokenizer
from llamalite.train.training import Data, Forward, Settings, build_adamw, evaluate, train_step

# Llama 2 7B → Llama 3 8B: vocabulary × 4 (here × 2.5, for the tales have no more words to give), key/value
# heads / 4 (here / 2, of four), theta × 50, context × 2, a document mask.
CHANGES: dict[str, dict[str, Any]] = {
    "vocabulary": {"vocab_size": 1280},
    "gqa": {"n_kv_heads": 2},
    "theta": {"rope_theta": 500_000.0},
    "document mask": {"masked": True},
    "context": {"seq_len": 256},
}


@dataclass(frozen=True)
class Plan:
    seeds: tuple[int, ...] = (1, 2, 3)
    budget: float = 1e12  # FLOPs a run
    step_tokens: int = 1024  # a step, whatever the context
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4
    hidden_dim: int = 192
    vocab_size: int = 512
    n_kv_heads: int = 4
    rope_theta: float = 10_000.0
    seq_len: int = 128
    masked: bool = False
    lr: float = 5e-3
    tales_bytes: int = 6_000_000
    tokenizer_bytes: int = 1_000_000
    distance: study_distance.Plan = field(default_factory=study_distance.Plan)

    def scaled(self, share: float) -> Plan:
        return replace(self, budget=share * self.budget, distance=self.distance.scaled(share))


def ways() -> dict[str, dict[str, Any]]:
    """Name → what differs from the plan: nothing, each change, all of them."""
    every = {name: value for change in CHANGES.values() for name, value in change.items()}
    return {"Llama 2": {}} | {f"+ {name}": change for name, change in CHANGES.items()} | {"Llama 3": every}


def shape(plan: Plan) -> LlamaConfig:
    """What fewer key/value heads save goes to the feed-forward layers, as in chapter 11."""
    parent = LlamaConfig(
        dim=plan.dim,
        n_layers=plan.n_layers,
        n_heads=plan.n_heads,
        hidden_dim=plan.hidden_dim,
        vocab_size=plan.vocab_size,
        rope_theta=plan.rope_theta,
        max_seq_len=plan.seq_len,
    )
    return same_size(parent, plan.n_kv_heads)


@cache
def tokenizer_of(vocab_size: int, size: int) -> Tokenizer:
    return build_tokenizer(told(size, SEED), vocab_size)


def data_of(plan: Plan) -> Data:
    """Windows from anywhere to train on; held out, each tale is read from its start."""
    tokenizer = tokenizer_of(plan.vocab_size, plan.tokenizer_bytes)
    held_out = read_text("tales-en-validation")
    data = build_data(told(plan.tales_bytes, SEED), held_out, tokenizer, plan.seq_len, documents=True)
    return data._replace(starts=None)


def forward_of(model: Llama, plan: Plan) -> Forward:
    table = build_table(model.cfg, plan.seq_len)
    if not plan.masked:
        return partial(model, table=table)
    newline = tokenizer_of(plan.vocab_size, plan.tokenizer_bytes).encode("\n")[-1]

    def forward(tokens: Tensor) -> Tensor:
        return model(tokens, table, *documents(after_blank_lines(tokens, newline)))

    return forward


def switched(plan: Plan, data: Data, seed: int) -> dict[str, Any]:
    """One run. Scores: tales alone, each cut where the model's own context ends; and tales in a row."""
    cfg, batch_size = shape(plan), plan.step_tokens // plan.seq_len
    steps = steps_within(plan.budget, cfg, batch_size, plan.seq_len)
    s = Settings(
        steps=steps, lr=plan.lr, warmup=steps // 20, seed=seed, batch_size=batch_size, seq_len=plan.seq_len
    )
    model = init_weights(Llama(cfg), seed)
    forward, optimizer = forward_of(model, plan), build_adamw(model, s)
    began = time.process_time()
    losses = [train_step(forward, optimizer, data, step, s).loss for step in range(steps)]
    seconds = time.process_time() - began
    s = replace(s, batch_size=32)
    return {
        "seed": seed,
        "bits_per_byte": evaluate(forward, data, s).bits_per_byte,
        "bits_per_byte_in_a_row": evaluate(forward, data._replace(held_out_starts=None), s).bits_per_byte,
        "train_loss": sum(losses[-50:]) / len(losses[-50:]),
        "cpu_seconds": round(seconds, 1),
    }


def switches(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    rows = []
    for name, change in ways().items():
        this = replace(plan, **change)
        cfg, data = shape(this), data_of(this)
        runs = [kept(f"{name} {seed}", partial(switched, this, data, seed)) for seed in plan.seeds]
        steps = steps_within(plan.budget, cfg, plan.step_tokens // this.seq_len, this.seq_len)
        row = {
            "name": name,
            "n_params": cfg.n_params,
            "hidden_dim": cfg.ffn_dim,
            "steps": steps,
            "train_flops_per_token": train_flops(cfg, this.seq_len),
            "train_tokens": steps * plan.step_tokens,
            "bytes_per_token": data.held_out_bytes / (len(data.held_out) - 1),
            "cache_bytes_per_token": cfg.kv_cache_bytes_per_token(4),
            "runs": runs,
        }
        rows.append(row | spread([run["bits_per_byte"] for run in runs]))
        tqdm.write(f"{name}: {[round(run['bits_per_byte'], 4) for run in runs]}")
    return rows


def study(plan: Plan) -> dict[str, Any]:
    kept = Kept(asdict(plan))
    distance = replace(plan.distance, seeds=plan.seeds)
    return origin(asdict(plan)) | {
        "recall": study_distance.recalls(distance, kept),
        "switches": switches(plan, kept),
        "tales": study_distance.tales(distance, kept),
    }


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"llama3": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
