"""How loss falls with size and text: the runs that chapter 13 fits its laws to.

    python tools/study_scaling.py scaling                          # writes data/studies/scaling.json
    python tools/study_scaling.py scaling --share 0.1 --out /tmp   # a trial: a tenth of the text

Small Llamas of six sizes on five amounts of tales, none read twice; one size on four times more; three
of the sizes with two further seeds. And a roll call of the heroes, in worlds of three Zipf exponents, in
which there is nothing to learn but who is who. Each run is written down in runs/scaling when it is
finished, and a study that was stopped goes on from there when its command is given again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from study_budget import conduct, origin

from llamalite.tales.telling import Tales
from llamalite.tales.world import World
from llamalite.text.corpus import DATA
from llamalite.text.tokenization.tokenizer import load_tokenizer
from llamalite.train.scaling.sweep import Plan as Runs
from llamalite.train.scaling.sweep import Row, Shape, sweep
from llamalite.train.scaling.texts import ROLL_VOCAB, Texts, roll_call, tale_texts

FOLDER = Path("runs/scaling")
ROLL_TOKENS = 7  # of a hero who is called up


@dataclass(frozen=True)
class Plan:
    dims: tuple[int, ...] = (4, 8, 16, 32, 64, 96)
    tokens: tuple[int, ...] = tuple(2**k for k in range(15, 20))
    long_dim: int = 16
    long_tokens: tuple[int, ...] = (2**20, 2**21)
    seed_dims: tuple[int, ...] = (8, 32, 64)
    seed_tokens: tuple[int, ...] = (2**15, 2**17)
    seeds: tuple[int, ...] = (1, 2, 3)
    exponents: tuple[float, ...] = (1.5, 2.0, 2.5)
    roll_dim: int = 64
    roll_calls: tuple[int, ...] = tuple(2**k for k in range(10, 17))
    roll_rates: tuple[float, ...] = (1.0, 2.0)
    share: float = 1.0

    def scaled(self, share: float) -> Plan:
        """The same plan with less text in every run."""
        return replace(self, share=share)

    def of(self, amounts: Sequence[int], factor: int = 1) -> tuple[int, ...]:
        return tuple(max(200, round(self.share * factor * n)) for n in amounts)


def tales_source(exponent: float = 2.0):
    tokenizer = load_tokenizer(DATA / "tokenizers" / "tales-en")
    tales = Tales("en", World(exponent=exponent))
    return Shape(tokenizer.vocab_size), lambda tokens, seed: tale_texts(tales, tokenizer, tokens, seed)


def roll_source(exponent: float):
    world = World(exponent=exponent)

    def source(tokens: int, seed: str) -> Texts:
        return roll_call(world, max(1, tokens // ROLL_TOKENS), seed)

    return Shape(ROLL_VOCAB, n_layers=1, max_seq_len=8, batch_size=64), source


def study(plan: Plan) -> dict[str, Any]:
    record = origin(asdict(plan)) | {"count": "train FLOPs a token = 6 n_params"}
    folder = FOLDER if plan.share == 1 else FOLDER / f"share {plan.share:g}"
    shape, source = tales_source()
    parts = [
        Runs(plan.dims, plan.of(plan.tokens)),
        Runs((plan.long_dim,), plan.of(plan.long_tokens)),
        Runs(plan.seed_dims, plan.of(plan.seed_tokens), seeds=plan.seeds[1:]),
    ]
    for name, part in zip(("grid", "long", "seeds"), parts, strict=True):
        record[name] = [entry(row) for row in sweep(part, shape, source, folder / "tales")]
    record["rolls"] = []
    for exponent in plan.exponents:
        shape, source = roll_source(exponent)
        part = Runs((plan.roll_dim,), plan.of(plan.roll_calls, ROLL_TOKENS), rates=plan.roll_rates)
        rows = sweep(part, shape, source, folder / f"roll {exponent:g}", held_out=20_000 * ROLL_TOKENS)
        record["rolls"].append({"exponent": exponent, "runs": [entry(row) for row in rows]})
    every = [
        *record["grid"],
        *record["long"],
        *record["seeds"],
        *(r for w in record["rolls"] for r in w["runs"]),
    ]
    return record | {"seconds_of_all_runs": sum(row["seconds"] for row in every)}  # resumed or not


def entry(row: Row) -> dict[str, Any]:
    """A row for JSON, which knows no nan."""
    return {k: v for k, v in row._asdict().items() if not (isinstance(v, float) and math.isnan(v))}


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"scaling": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
