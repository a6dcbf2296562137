"""Sums, one digit a token or up to three: the second study of ``study_vocabulary.py``.

Llama 1 and 2 make a token of every digit; Llama 3's pattern has ``\\p{N}{1,3}``, which cuts a number into
groups of at most three from the left. The same tiny body learns the same sums, ``512 + 349 = 861``,
written in each of these ways and two more, every run with the same number of FLOPs.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from study_budget import Trained, origin, spread, steps_within, train_flops, train_for
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig, preset
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.train.training import Data, Settings

Sum = tuple[int, int]
SIGNS = ("\n", " + ", " = ")  # ids 0, 1, 2; the digits and groups of digits follow
END = 0


@dataclass(frozen=True)
class Plan:
    seeds: tuple[int, ...] = (1, 2, 3)
    budget: float = 1.2e12  # FLOPs a run
    smallest: int = 100
    largest: int = 999
    test_sums: int = 2000
    train_sums: int = 200_000  # different ones, all as likely to be drawn
    split_seed: int = 0
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    batch_size: int = 64  # windows a step; a window is as long as the longest sum
    lr: float = 5e-3
    warmup: int = 50
    measure_every: int = 12_800  # sums, a multiple of the batch

    def scaled(self, share: float) -> Plan:
        return replace(self, budget=share * self.budget)


class Way(NamedTuple):
    """How numbers are cut into tokens. The result of a sum may be cut otherwise than what is added."""

    about: str
    groups: tuple[str, ...]  # all that a token can be, besides the signs
    operand: Callable[[str], list[str]]
    result: Callable[[str], list[str]]


def from_left(digits: str, size: int = 3) -> list[str]:
    """
    >>> from_left("1861"), from_left("1861", 1)
    (['186', '1'], ['1', '8', '6', '1'])
    """
    return [digits[i : i + size] for i in range(0, len(digits), size)]


def from_right(digits: str, size: int = 3) -> list[str]:
    """As commas in large numbers do.

    >>> from_right("1861"), from_right("861")
    (['1', '861'], ['861'])
    """
    cuts = sorted({0, *range(len(digits), 0, -size)})
    return [digits[a:b] for a, b in pairwise(cuts)]


def one_by_one(digits: str) -> list[str]:
    return list(digits)


def backwards(digits: str) -> list[str]:
    """Units first, as on paper, so that a carry is known before it is needed.

    >>> backwards("1861")
    ['1', '6', '8', '1']
    """
    return list(digits[::-1])


DIGITS = tuple("0123456789")
GROUPS = tuple(f"{n:0{width}d}" for width in (1, 2, 3) for n in range(10**width))

WAYS = {
    "digits": Way("a token a digit: Llama 1 and 2", DIGITS, one_by_one, one_by_one),
    "groups": Way("up to three digits a token, from the left: Llama 3", GROUPS, from_left, from_left),
    "digits reversed": Way("a token a digit, the result units first", DIGITS, one_by_one, backwards),
    "groups from right": Way("up to three digits a token, from the right", GROUPS, from_right, from_right),
}


def ids_of(way: Way) -> dict[str, int]:
    """
    >>> ids_of(WAYS["digits"])["7"], len(ids_of(WAYS["groups"]))
    (10, 1113)
    """
    return {token: i for i, token in enumerate((*SIGNS, *way.groups))}


def spell(pair: Sum, way: Way) -> tuple[list[str], list[str]]:
    """(what is given, what is to be said) as tokens.

    >>> spell((512, 849), WAYS["groups"])
    (['512', ' + ', '849', ' = '], ['136', '1', '\\n'])
    """
    a, b = pair
    given = [*way.operand(str(a)), " + ", *way.operand(str(b)), " = "]
    return given, [*way.result(str(a + b)), "\n"]


def split_sums(plan: Plan) -> tuple[list[Sum], list[Sum]]:
    """(to train on, to test on): no sum is in both, nor with its two numbers exchanged.

    >>> train, test = split_sums(Plan(smallest=1, largest=9, test_sums=10, train_sums=40))
    >>> len(train), len(test), {tuple(sorted(pair)) for pair in train} & {tuple(sorted(p)) for p in test}
    (40, 10, set())
    """
    rng = Random(plan.split_seed)
    numbers = range(plan.smallest, plan.largest + 1)
    pairs = [(a, b) for a in numbers for b in numbers]
    order = sorted(pairs, key=lambda pair: rng.random())
    test = order[: plan.test_sums]
    seen = {frozenset(pair) for pair in test}
    train = [pair for pair in order[plan.test_sums :] if frozenset(pair) not in seen]
    return train[: plan.train_sums], test


# --- one way -----------------------------------------------------------------------------------------


def stream(pairs: Iterable[Sum], way: Way, seq_len: int) -> Data:
    """All sums one after the other; windows begin where a sum does, predicted from the end of a line."""
    known, ids, starts = ids_of(way), [END], []
    for pair in pairs:
        given, said = spell(pair, way)
        starts.append(len(ids) - 1)
        ids += [known[token] for token in given + said]
    room = [start for start in starts if start + seq_len < len(ids)]
    return Data(torch.tensor(ids), torch.tensor([END]), 0, torch.tensor(room))


class Exam(NamedTuple):
    """Sums padded to one length, and which of the predictions are the result."""

    inputs: Int[Tensor, "n T"]
    targets: Int[Tensor, "n T"]  # -1 where nothing is asked
    long: Tensor  # of each sum, whether its result has four digits


def exam(pairs: Sequence[Sum], way: Way, seq_len: int) -> Exam:
    known = ids_of(way)
    inputs, targets = torch.full((len(pairs), seq_len), END), torch.full((len(pairs), seq_len), -1)
    for i, pair in enumerate(pairs):
        given, said = ([known[token] for token in part] for part in spell(pair, way))
        row = torch.tensor([END, *given, *said])
        inputs[i, : len(row) - 1] = row[:-1]
        targets[i, len(given) : len(row) - 1] = row[1 + len(given) :]
    return Exam(inputs, targets, torch.tensor([a + b >= 1000 for a, b in pairs]))


@torch.no_grad()
def marks(forward: Callable[[Tensor], Float[Tensor, "n T V"]], asked: Exam) -> dict[str, float]:
    """Share of sums whose whole result is right when the likeliest token is taken each time; bits a result.

    One pass suffices: a greedy answer is right if and only if each of its tokens is the likeliest
    after the right ones before it. The bits are -log2 of the probability of all tokens of the true
    result together, the end of the line included, so they compare however it is cut.
    """
    right, bits = [], []
    for x, y in zip(asked.inputs.split(500), asked.targets.split(500), strict=True):
        logits, counts = forward(x), y >= 0
        right.append(((logits.argmax(-1) == y) | ~counts).all(-1).double())
        bits.append((cross_entropy(logits, y.clamp(min=0)) * counts).sum(-1).double() / math.log(2))
    exact = torch.cat(right)
    return {
        "exact": exact.mean().item(),
        "exact_3_digits": exact[~asked.long].mean().item(),
        "exact_4_digits": exact[asked.long].mean().item(),
        "bits_per_result": torch.cat(bits).mean().item(),
    }


def shape(plan: Plan, way: Way, seq_len: int) -> LlamaConfig:
    body = {name: getattr(plan, name) for name in ("dim", "n_layers", "n_heads", "n_kv_heads")}
    return preset("llama3-tiny", vocab_size=len(ids_of(way)), max_seq_len=seq_len, **body)


def measured(plan: Plan, name: str, train: list[Sum], test: list[Sum], advance: Callable) -> dict[str, Any]:
    """All seeds of one way of writing: the curve of accuracy over examples and FLOPs."""
    way = WAYS[name]
    seq_len = max(sum(map(len, spell(pair, way))) for pair in test)
    cfg, asked = shape(plan, way, seq_len), exam(test, way, seq_len)
    steps = steps_within(plan.budget, cfg, plan.batch_size, seq_len)
    data = stream(train, way, seq_len)
    runs = [one_run(plan, cfg, data, asked, steps, seed, advance) for seed in plan.seeds]
    flops_per_example = train_flops(cfg, seq_len) * seq_len
    return {
        "name": name,
        "about": way.about,
        "example": spell((512, 849), way),
        "vocab_size": cfg.vocab_size,
        "params": cfg.n_params,
        "tokens_per_sum": seq_len,
        "flops_per_sum": flops_per_example,
        "steps": steps,
        "sums": steps * plan.batch_size,
        "train_flops": steps * plan.batch_size * flops_per_example,
        **{
            name: spread([run["curve"][-1][name] for run in runs])
            for name in runs[0]["curve"][-1]
            if name != "sums"
        },
        "runs": runs,
    }


def one_run(plan: Plan, cfg, data: Data, asked: Exam, steps: int, seed: int, advance) -> dict[str, Any]:
    s = Settings(
        steps=steps, batch_size=plan.batch_size, seq_len=cfg.max_seq_len, lr=plan.lr, warmup=plan.warmup,
        seed=seed,
    )  # fmt: skip
    curve: list[dict[str, float]] = []

    def measure(done: int, so_far: Trained) -> None:
        advance()
        if done == steps or done * plan.batch_size % plan.measure_every == 0:
            curve.append({"sums": done * plan.batch_size} | marks(so_far.forward, asked))

    began = time.process_time()
    train_for(cfg, data, s, measure)
    return {"seed": seed, "cpu_seconds": round(time.process_time() - began, 1), "curve": curve}


def study(plan: Plan) -> dict[str, Any]:
    train, test = split_sums(plan)
    record = origin(asdict(plan)) | {"train_sums": len(train), "test_sums": len(test), "ways": []}
    with tqdm(unit="step", disable=None) as bar:
        for name in WAYS:
            record["ways"].append(measured(plan, name, train, test, bar.update))
            tqdm.write(summary(record["ways"][-1]))
    return record | {"equal_sums": at_equal_sums(record["ways"], plan.measure_every)}


def at_equal_sums(ways: list[dict[str, Any]], every: int) -> dict[str, Any]:
    """How each way stands when all have seen as many sums: the most that all have a mark at."""
    sums = min(way["sums"] for way in ways) // every * every
    exact = {
        way["name"]: spread(
            [point["exact"] for run in way["runs"] for point in run["curve"] if point["sums"] == sums]
        )
        for way in ways
    }
    return {"sums": sums, "exact": exact}


def summary(row: dict[str, Any]) -> str:
    exact, bits = row["exact"], row["bits_per_result"]
    seconds = statistics.fmean(run["cpu_seconds"] for run in row["runs"])
    return (
        f"{row['name']}: {row['tokens_per_sum']} tokens a sum, {row['sums']:,} sums, {seconds:.0f} CPU s: "
        f"{exact['mean']:.1%} ± {exact['std']:.1%} right, {bits['mean']:.2f} bits a result"
    )
