"""Which feed-forward layer learns best at equal size: ReLU, GELU, SiLU and the gates. Stored for chapter 07.

    python tools/study_feed_forward.py feed_forward               # writes data/studies/feed_forward.json
    python tools/study_feed_forward.py feed_forward --share 0.1 --out /tmp   # a trial

The same small Llama on the same tales; only the feed-forward layer differs. Two matrices of width 4 dim, or
three of two thirds of that: equal parameters, equal products. Each at three learning rates and three seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from random import Random
from typing import Any, NamedTuple

from study_budget import conduct, origin, spread, train_for
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.alternatives import GLU, MLP, place_feed_forward
from llamalite.tales.telling import END, Tales
from llamalite.text.corpus import DATA
from llamalite.text.tokenization.tokenizer import load_tokenizer
from llamalite.train.runs import build_data
from llamalite.train.training import Data, Settings, evaluate


class Way(NamedTuple):
    name: str
    kind: type[MLP | GLU]
    activation: str
    wide: bool = False  # as many units as without a gate, and so half as many weights again

    def hidden_dim(self, dim: int) -> int:
        """Two matrices of 4 dim, or three of 8/3 dim: the same number of weights."""
        return 4 * dim if self.kind is MLP or self.wide else 8 * dim // 3


WAYS = [
    Way("ReLU", MLP, "relu"),
    Way("GELU", MLP, "gelu"),
    Way("SiLU", MLP, "silu"),
    Way("GLU", GLU, "sigmoid"),
    Way("Bilinear", GLU, "identity"),
    Way("ReGLU", GLU, "relu"),
    Way("GEGLU", GLU, "gelu"),
    Way("SwiGLU", GLU, "silu"),
    Way("SwiGLU, wide", GLU, "silu", wide=True),
]
LONGER = ("ReLU", "SwiGLU", "SwiGLU, wide")


@dataclass(frozen=True)
class Plan:
    lrs: tuple[float, ...] = (2e-3, 5e-3, 1.2e-2)
    seeds: tuple[int, ...] = (1, 2, 3)
    steps: int = 500
    longer_steps: int = 2000  # for a few of the ways, at the middle learning rate
    warmup: int = 25
    train_tales: int = 4000
    held_out_tales: int = 150
    dim: int = 96  # a multiple of 3, so that 8/3 of it is whole
    n_layers: int = 3
    n_heads: int = 4
    batch_size: int = 8
    seq_len: int = 96

    def scaled(self, share: float) -> Plan:
        """The same plan with fewer steps."""
        steps = {name: max(1, round(getattr(self, name) * share)) for name in ("steps", "longer_steps")}
        return replace(self, **steps)


def text(part: str, n_tales: int) -> str:
    tales, rng = Tales("en"), Random(f"study feed_forward {part}")
    return "".join(tales.tell(rng).text + END for _ in range(n_tales))


def shape(plan: Plan, vocab_size: int) -> LlamaConfig:
    return LlamaConfig(
        dim=plan.dim,
        n_layers=plan.n_layers,
        n_heads=plan.n_heads,
        hidden_dim=8 * plan.dim // 3,
        vocab_size=vocab_size,
        max_seq_len=plan.seq_len,
    )


def one_run(plan: Plan, way: Way, data: Data, cfg: LlamaConfig, lr: float, seed: int) -> float:
    """Bits per byte on tales that were held out."""
    s = Settings(
        steps=plan.steps,
        batch_size=plan.batch_size,
        seq_len=plan.seq_len,
        lr=lr,
        warmup=plan.warmup,
        seed=seed,
    )
    change = partial(
        place_feed_forward,
        kind=way.kind,
        activation=way.activation,
        hidden_dim=way.hidden_dim(plan.dim),
        seed=seed,
    )
    return evaluate(train_for(cfg, data, s, change=change).forward, data, s).bits_per_byte


def study(plan: Plan) -> dict[str, Any]:
    tokenizer = load_tokenizer(DATA / "tokenizers" / "tales-en")
    texts = text("train", plan.train_tales), text("held out", plan.held_out_tales)
    data, cfg = build_data(*texts, tokenizer, plan.seq_len), shape(plan, tokenizer.vocab_size)
    record = origin(asdict(plan)) | {"vocab_size": tokenizer.vocab_size, "ways": []}
    record |= {"train_tokens": len(data.train), "held_out_bytes": data.held_out_bytes}
    longer = [way for way in WAYS if way.name in LONGER]
    with tqdm(
        total=(len(WAYS) * len(plan.lrs) + len(longer)) * len(plan.seeds), unit="run", disable=None
    ) as bar:
        for way in WAYS:
            row = {"name": way.name, "hidden_dim": way.hidden_dim(plan.dim)}
            row["runs"] = [runs(plan, way, data, cfg, lr, bar) for lr in plan.lrs]
            record["ways"].append(row)
        long_plan = replace(plan, steps=plan.longer_steps)
        record["longer"] = {way.name: runs(long_plan, way, data, cfg, plan.lrs[1], bar) for way in longer}
    return record


def runs(plan: Plan, way: Way, data: Data, cfg: LlamaConfig, lr: float, bar: tqdm) -> dict[str, Any]:
    """One learning rate, every seed."""
    bits = []
    for seed in plan.seeds:
        bits.append(one_run(plan, way, data, cfg, lr, seed))
        bar.update()
    found = {"lr": lr, "bits_per_byte": bits} | spread(bits)
    tqdm.write(f"{way.name}, {plan.steps} steps, {lr:g}: {found['mean']:.4f} ± {found['std']:.4f}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"feed_forward": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
