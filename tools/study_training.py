"""Learning rate and batch size: how far equal tokens carry a small Llama. Stored for chapter 09.

    python tools/study_training.py training                          # writes data/studies/training.json
    python tools/study_training.py training --share 0.1 --out /tmp   # a trial

Every run sees the same number of tokens of tales, so a batch twice as large makes half as many steps.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from study_budget import Trained, conduct, origin, train_for
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.text.corpus import DATA, read_parts
from llamalite.text.tokenization.tokenizer import load_tokenizer
from llamalite.train.interruption import RunFailed
from llamalite.train.runs import build_data
from llamalite.train.training import Data, Settings, evaluate


@dataclass(frozen=True)
class Plan:
    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    batch_sizes: tuple[int, ...] = (1, 4, 16, 64, 256)
    seeds: tuple[int, ...] = (1, 2)
    tokens: int = 2**18
    seq_len: int = 64
    warmup: float = 0.05  # of the steps
    points: int = 16  # of each curve
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4

    def scaled(self, share: float) -> Plan:
        """The same plan with fewer tokens, but a step at least of the largest batch for each point."""
        least = self.points * max(self.batch_sizes) * self.seq_len
        return replace(self, tokens=max(least, round(self.tokens * share)))


def shape(plan: Plan, vocab_size: int) -> LlamaConfig:
    return LlamaConfig(
        dim=plan.dim,
        n_layers=plan.n_layers,
        n_heads=plan.n_heads,
        multiple_of=16,
        vocab_size=vocab_size,
        max_seq_len=plan.seq_len,
        tied=True,
    )


def settings(plan: Plan, lr: float, batch_size: int, seed: int) -> Settings:
    steps = plan.tokens // (batch_size * plan.seq_len)
    return Settings(
        steps=steps,
        batch_size=batch_size,
        seq_len=plan.seq_len,
        accumulate=max(batch_size // 32, 1),  # as large as memory likes; the numbers are the same
        lr=lr,
        warmup=max(round(plan.warmup * steps), 1),
        seed=seed,
    )


def one_run(plan: Plan, data: Data, cfg: LlamaConfig, s: Settings) -> dict[str, Any]:
    """Held-out score and the curve of the training loss in nats a token; None where it was not finite."""
    curve: list[float] = []
    after_step = partial(note, plan=plan, steps=s.steps, curve=curve)
    try:
        run = train_for(cfg, data, s, after_step)
    except RunFailed:
        return {"seed": s.seed, "bits_per_byte": None, "curve": curve}
    score = evaluate(run.forward, data, replace(s, batch_size=32))
    return {"seed": s.seed, "bits_per_byte": score.bits_per_byte, "curve": curve}


def note(done: int, run: Trained, plan: Plan, steps: int, curve: list[float]) -> None:
    """A point of the curve: the mean loss since the last one."""
    before, now = (math.floor(plan.points * n / steps) for n in (done - 1, done))
    if now > before:
        first = math.ceil(before * steps / plan.points)
        curve.append(statistics.fmean(run.losses[first:done]))


def study(plan: Plan) -> dict[str, Any]:
    tokenizer = load_tokenizer(DATA / "tokenizers" / "tales-en")
    data = build_data(*read_parts("tales-en"), tokenizer, plan.seq_len)
    cfg = shape(plan, tokenizer.vocab_size)
    record = origin(asdict(plan)) | {"n_params": cfg.n_params, "train_tokens": len(data.train), "runs": []}
    with tqdm(total=len(plan.lrs) * len(plan.batch_sizes), unit="run", disable=None) as bar:
        for batch_size in plan.batch_sizes:
            for lr in plan.lrs:
                seeds = [one_run(plan, data, cfg, settings(plan, lr, batch_size, s)) for s in plan.seeds]
                record["runs"].append({"batch_size": batch_size, "lr": lr, "seeds": seeds})
                bar.update()
                tqdm.write(f"batch {batch_size}, lr {lr:g}: {[row['bits_per_byte'] for row in seeds]}")
    return record


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"training": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
