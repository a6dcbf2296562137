"""Which published scores may be set against each other, and how far apart they have to be to mean anything.

A score is a number and the way it was got. Two of them may be subtracted only if everything but the model
was the same; ``obstacles`` says what was not. Left out: weights of benchmarks, averages over them (of
unlike things), and paired tests, which need the answers to the single questions that nobody prints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from llamalite.config import preset
from llamalite.train.comparison.published import CONTAMINATED, TRAINING, Table


class Entry(NamedTuple):
    """One printed score, with all that has to be the same before it is compared."""

    model: str
    benchmark: str
    percent: float
    setting: str | None  # shots and way of asking
    harness: str
    stage: str
    source: str
    half_width: float | None = None  # of the 95% interval, where printed


def entry(table: Table, model: str, benchmark: str) -> Entry:
    """
    >>> from llamalite.train.comparison.published import LLAMA_2_PAPER
    >>> entry(LLAMA_2_PAPER, "llama2-70b", "MMLU")[:4]
    ('llama2-70b', 'MMLU', 68.9, '5-shot')
    """
    at = list(table.settings).index(benchmark)
    half_width = table.intervals[model][at] if model in table.intervals else None
    setting = table.settings[benchmark]
    return Entry(
        model,
        benchmark,
        table.scores[model][at],
        setting,
        table.harness,
        table.stage,
        table.source,
        half_width,
    )


def entries(tables: Sequence[Table], benchmark: str) -> Iterator[Entry]:
    """All that was printed for one benchmark, whether or not it may be compared."""
    for table in tables:
        if benchmark in table.settings:
            yield from (entry(table, model, benchmark) for model in table.scores)


def obstacles(a: Entry, b: Entry) -> list[str]:
    """Why ``b`` less ``a`` would not be a difference between two models; empty if it is one."""
    found = []
    if a.benchmark != b.benchmark:
        found.append(f"two benchmarks: {a.benchmark} and {b.benchmark}")
    if a.stage != b.stage:
        found.append(f"a {a.stage} model and a {b.stage} model")
    same_table = (a.harness, a.source, a.stage) == (b.harness, b.source, b.stage)
    if a.setting != b.setting or (a.setting is None and not same_table):
        found.append(
            f"asked differently: {a.setting or 'not known here'} and {b.setting or 'not known here'}"
        )
    if a.harness != b.harness:
        found.append(f"measured by two programs: {a.harness} and {b.harness}")
    if a.benchmark in CONTAMINATED and any(one.model.startswith("llama3") for one in (a, b)):
        found.append(CONTAMINATED[a.benchmark])
    return found


def difference(a: Entry, b: Entry) -> float:
    """Points that ``b`` is above ``a``; refused where that would be a difference of something else."""
    if found := obstacles(a, b):
        raise ValueError(
            f"{a.model} and {b.model} may not be compared on {a.benchmark}: {'; '.join(found)}; "
            f"take both from one table"
        )
    return b.percent - a.percent


# --- chance --------------------------------------------------------------------------------------------


def half_width(percent: float, questions: int) -> float:
    """Points on either side that hold 95% of what chance does: 1.96 sqrt(S (1 - S) / N).

    The Llama 3 paper's own formula (section 5.1.1): the questions are a sample of all that could be asked.

    >>> round(half_width(37.2, 164), 1)          # as the paper prints for the 8B on HumanEval
    7.4
    """
    share = percent / 100
    return 100 * 1.96 * (share * (1 - share) / questions) ** 0.5


def questions_behind(percent: float, half_width: float) -> float:
    """How many questions a printed interval speaks of.

    >>> round(questions_behind(37.2, 7.4)), round(questions_behind(57.2, 2.7))    # HumanEval, GSM8K
    (164, 1290)
    """
    share = percent / 100
    return share * (1 - share) * (100 * 1.96 / half_width) ** 2


def apart(a: float, b: float, questions: int) -> bool:
    """Is the difference larger than chance makes it in 95 of 100 cases, for two equally good models?

    As if each had been asked questions of its own, which is on the safe side: asked the same, two models
    stumble over the same ones, and smaller differences begin to count.

    >>> apart(12.8, 18.3, 164), apart(12.8, 29.9, 164)      # Llama 2 on HumanEval: 7B and 13B, 7B and 70B
    (False, True)
    """
    return abs(a - b) > math.hypot(half_width(a, questions), half_width(b, questions))


# --- scores and compute --------------------------------------------------------------------------------


def train_compute(model: str) -> float:
    """FLOPs of pretraining by C = 6ND: every parameter, and the published tokens."""
    return 6 * preset(model).n_params * TRAINING[model].tokens


class Line(NamedTuple):
    """A least-squares line through scores against log10 of something."""

    slope: float  # points for ten times as much
    at_one: float  # where it would be at 10^0
    explained: float  # share of the variance, R²
    left: dict[str, float]  # model → points above the line


def line(table: Table, benchmark: str, amount=train_compute) -> Line:
    """Scores of one table against log10 of training compute, or of another ``amount(model)``."""
    scores = {e.model: e.percent for e in entries([table], benchmark)}
    x, y = np.log10([amount(model) for model in scores]), np.array(list(scores.values()))
    slope, at_one = np.polyfit(x, y, 1)
    left = y - (slope * x + at_one)
    explained = 1 - left.var() / y.var()
    return Line(float(slope), float(at_one), float(explained), dict(zip(scores, left.tolist(), strict=True)))


def generation(model: str) -> str:
    """
    >>> generation("llama2-70b"), generation("llama3.1-405b")
    ('Llama 2', 'Llama 3.1')
    """
    return model.partition("-")[0].replace("llama", "Llama ")


def by_generation(left: dict[str, float]) -> dict[str, float]:
    """The mean of each generation's points above a line."""
    names = dict.fromkeys(map(generation, left))
    return {name: float(np.mean([v for m, v in left.items() if generation(m) == name])) for name in names}
