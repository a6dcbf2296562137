"""Sharing keys and values in small Llamas: from the start, or after the fact. Stored for chapter 11.

    python tools/study_gqa.py gqa                          # writes data/studies/gqa.json
    python tools/study_gqa.py gqa --share 0.05 --out /tmp  # a trial

From the start: the same small Llama with 8, 4, 2 and 1 key/value heads, as large as the first because the
feed-forward layers get what the heads gave up. After the fact: the trained one with 8 heads loses them, by
mean, first or random, and is trained on for a fifth of its steps; a control loses none and is trained on
alike. Three seeds of each, on tales that no run sees twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from study_budget import Trained, conduct, origin, spread, told, train_for
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.gqa import WAYS, same_size, share_heads
from llamalite.in_torch.llama import Llama, build_table
from llamalite.text.corpus import DATA, read_text
from llamalite.text.tokenization.tokenizer import load_tokenizer
from llamalite.train.runs import build_data
from llamalite.train.training import Data, Settings, build_adamw, evaluate, train_step

KV_HEADS = (8, 4, 2, 1)


@dataclass(frozen=True)
class Plan:
    seeds: tuple[int, ...] = (1, 2, 3)
    steps: int = 1200
    uptrain: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)  # of the steps; the paper takes 0.05
    dim: int = 96
    n_layers: int = 3
    n_heads: int = 8
    hidden_dim: int = 256
    batch_size: int = 8
    seq_len: int = 128
    lr: float = 5e-3
    uptrain_lr: float = 1e-3
    tales_bytes: int = 6_000_000

    def scaled(self, share: float) -> Plan:
        """The same plan with fewer steps."""
        return replace(self, steps=max(100, round(self.steps * share)))


def shape(plan: Plan, vocab_size: int) -> LlamaConfig:
    return LlamaConfig(
        dim=plan.dim,
        n_layers=plan.n_layers,
        n_heads=plan.n_heads,
        hidden_dim=plan.hidden_dim,
        vocab_size=vocab_size,
        max_seq_len=plan.seq_len,
        tied=True,
    )


def settings(plan: Plan, seed: int) -> Settings:
    sizes = {"batch_size": plan.batch_size, "seq_len": plan.seq_len}
    return Settings(steps=plan.steps, lr=plan.lr, warmup=plan.steps // 20, seed=seed, **sizes)


def score(run: Trained, data: Data, s: Settings) -> float:
    return evaluate(run.forward, data, replace(s, batch_size=32)).bits_per_byte


def uptrained(parent: Trained, n_kv_heads: int, how: str, data: Data, plan: Plan, seed: int) -> list[float]:
    """Bits per byte after each share of ``plan.uptrain``, beginning with what the conversion left."""
    state, cfg = share_heads(parent.model.state_dict(), parent.model.cfg, n_kv_heads, how, seed)
    model = Llama(cfg)
    model.load_state_dict(state)
    run = Trained(model, partial(model, table=build_table(cfg, plan.seq_len)), [])
    after = [round(share * plan.steps) for share in plan.uptrain]
    # Another seed: the steps to come show tales that the first ones did not.
    s = replace(settings(plan, seed + 1000), steps=max(after), lr=plan.uptrain_lr, warmup=max(after) // 20)
    optimizer, found = build_adamw(model, s), [score(run, data, s)]
    for step in range(s.steps):
        train_step(run.forward, optimizer, data, step, s)
        if step + 1 in after:
            found.append(score(run, data, s))
    return found


def conversions(parent: Trained, data: Data, plan: Plan, seed: int) -> Iterator[dict[str, Any]]:
    for n_kv_heads in KV_HEADS:
        for how in WAYS if n_kv_heads < plan.n_heads else WAYS[:1]:  # of one head, the mean is itself
            curve = uptrained(parent, n_kv_heads, how, data, plan, seed)
            tqdm.write(f"seed {seed}, {n_kv_heads} heads by {how}: {[round(x, 4) for x in curve]}")
            yield {"n_kv_heads": n_kv_heads, "how": how, "seed": seed, "bits_per_byte": curve}


def study(plan: Plan) -> dict[str, Any]:
    tokenizer = load_tokenizer(DATA / "tokenizers" / "tales-en")
    held_out = read_text("tales-en-validation")
    data = build_data(told(plan.tales_bytes, "gqa"), held_out, tokenizer, plan.seq_len)
    parent = shape(plan, tokenizer.vocab_size)
    record = origin(asdict(plan)) | {"train_tokens": len(data.train), "from_the_start": [], "converted": []}
    for n_kv_heads in KV_HEADS:
        cfg = same_size(parent, n_kv_heads)
        row = {"n_kv_heads": n_kv_heads, "hidden_dim": cfg.ffn_dim, "n_params": cfg.n_params, "scores": []}
        row["cache_bytes_per_token"] = cfg.kv_cache_bytes_per_token(4)
        for seed in plan.seeds:
            run = train_for(cfg, data, settings(plan, seed))
            row["scores"].append(score(run, data, settings(plan, seed)))
            if n_kv_heads == plan.n_heads:
                record["converted"] += conversions(run, data, plan, seed)
        record["from_the_start"].append(row | spread(row["scores"]))
        tqdm.write(f"{n_kv_heads} heads from the start: {row['scores']}")
    return record


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"gqa": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
