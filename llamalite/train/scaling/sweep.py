"""Many small runs, a line for each: every width of model with every amount of text.

    rows = sweep(Plan(dims=(8, 16), tokens=(2**15, 2**16)), shape, texts, folder)

``folder/results.csv`` gets a line as soon as a run is finished, and a run that has its line is never made
again: a sweep that was stopped goes on where it was. What is left out: checkpoints of a run half done,
because the runs are short.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, get_type_hints

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.text.files import write_whole
from llamalite.train.interruption import Interrupted, RunFailed, StopSignals
from llamalite.train.scaling.fit import Runs
from llamalite.train.scaling.texts import NOTHING, Texts
from llamalite.train.schedule import learning_rate
from llamalite.train.training import Forward, Settings, build_adamw

Source = Callable[[int, str], Texts]  # (tokens, seed) → texts that hold about so many


@dataclass(frozen=True)
class Shape:
    """How a run is made, given its width and its tokens."""

    vocab_size: int
    n_layers: int = 2
    head_dim: int = 16
    max_seq_len: int = 256
    batch_size: int = 4  # texts a step
    lr: float = 2e-2  # at a width of 32 and 2**17 tokens
    warmup: float = 0.1  # of the steps

    def config(self, dim: int) -> LlamaConfig:
        return LlamaConfig(
            dim=dim,
            n_layers=self.n_layers,
            n_heads=max(1, dim // self.head_dim),
            hidden_dim=round(8 * dim / 3),
            vocab_size=self.vocab_size,
            max_seq_len=self.max_seq_len,
            tied=True,
        )

    def rate(self, dim: int, tokens: int) -> float:
        """Lower for wider models and for longer runs, as a few trials said; powers found by hand."""
        return self.lr * (32 / dim) ** 0.75 * (2**17 / tokens) ** 0.5


class Cell(NamedTuple):
    """What tells one run from another."""

    seed: int
    dim: int
    tokens: int
    rate: float  # times the learning rate of ``Shape.rate``


class Row(NamedTuple):
    """A finished run: a line of results.csv. Losses in nats a token, on held-out texts."""

    seed: int
    dim: int
    tokens: int  # about so many were asked for
    rate: float
    n_params: int
    tokens_seen: int
    steps: int
    loss: float
    facts: float  # the same of facts alone, nan where the texts do not say which tokens are
    floor: float  # of the very same held-out texts
    seconds: float

    @property
    def cell(self) -> Cell:
        return Cell(self.seed, self.dim, self.tokens, self.rate)


@dataclass(frozen=True)
class Plan:
    """Every seed × width × amount of text × rate; cheap runs first, and of rates the first one first."""

    dims: tuple[int, ...]
    tokens: tuple[int, ...]
    seeds: tuple[int, ...] = (1,)
    rates: tuple[float, ...] = (1.0,)

    def cells(self) -> list[Cell]:
        every = product(self.rates, self.seeds, self.tokens, self.dims)
        return [Cell(seed, dim, tokens, rate) for rate, seed, tokens, dim in every]

    def flops(self, shape: Shape) -> int:
        """6ND of all runs together (facts G2)."""
        return sum(6 * shape.config(cell.dim).n_params * cell.tokens for cell in self.cells())


def sweep(plan: Plan, shape: Shape, source: Source, folder: Path, held_out: int = 40_000) -> list[Row]:
    """Make every run of the plan that ``folder`` does not hold yet; return all rows of the plan.

    Ctrl-C finishes nothing and loses the run at hand alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check_shape(folder / "shape.json", shape)
    done = {row.cell: row for row in read_rows(folder / "results.csv")}
    todo = [cell for cell in plan.cells() if cell not in done]
    asked, texts = source(held_out, "held out"), {}
    with (
        StopSignals() as stop,
        tqdm(total=plan.flops(shape), unit="FLOP", unit_scale=True, disable=None) as bar,
    ):
        bar.update(plan.flops(shape) - sum(flops(cell, shape) for cell in todo))
        for cell in todo:
            if cell.seed not in texts:
                texts = {cell.seed: source(max(plan.tokens), f"seed {cell.seed}")}
            row = measure(cell, shape, texts[cell.seed].first(cell.tokens), asked, stop)
            append_row(folder / "results.csv", row)
            done[cell] = row
            bar.update(flops(cell, shape))
            bar.set_postfix_str(f"{row.n_params:,} parameters, {row.tokens:,} tokens: {row.loss:.4f}")
    return [done[cell] for cell in plan.cells()]


def flops(cell: Cell, shape: Shape) -> int:
    return 6 * shape.config(cell.dim).n_params * cell.tokens


def measure(cell: Cell, shape: Shape, texts: Texts, held_out: Texts, stop: StopSignals | None = None) -> Row:
    began = time.perf_counter()
    model, forward = make_run(shape, cell, texts, stop)
    nats = score(forward, held_out)
    facts = float("nan")
    if held_out.facts is not None:
        facts = float(nats[:, held_out.facts].mean())
    return Row(
        *cell,
        n_params=model.cfg.n_params,
        tokens_seen=int(texts.lengths.sum()),
        steps=math.ceil(len(texts.rows) / shape.batch_size),
        loss=float(nats.sum() / held_out.lengths.sum()),
        facts=facts,
        floor=held_out.floor(),
        seconds=round(time.perf_counter() - began, 2),
    )


def make_run(
    shape: Shape, cell: Cell, texts: Texts, stop: StopSignals | None = None
) -> tuple[Llama, Forward]:
    """Train on every text once, in order: nothing is seen twice, and the schedule ends with the texts."""
    cfg = shape.config(cell.dim)
    model = init_weights(Llama(cfg), cell.seed)
    forward = partial(model, table=build_table(cfg))
    batches = texts.rows.split(shape.batch_size)
    steps, rate = len(batches), cell.rate * shape.rate(cell.dim, cell.tokens)
    warmup = max(1, round(shape.warmup * steps))
    optimizer = build_adamw(model, Settings(steps=steps, lr=rate, warmup=warmup))
    for step, rows in enumerate(tqdm(batches, leave=False, unit="step", disable=None)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, rate, warmup, steps)
        optimizer.zero_grad()
        nats = per_token(forward, rows)
        loss = nats.sum() / (rows[:, 1:] != NOTHING).sum()
        if not torch.isfinite(loss):
            raise RunFailed(
                f"the loss of the model of width {cell.dim} is {loss.item()} at step {step}; lower lr"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if stop is not None and stop.received:
            raise Interrupted(stop.received, "stopped; finished runs are kept; give the same command again")
    return model, forward


def per_token(forward: Forward, rows: Tensor) -> Float[Tensor, "B T"]:
    """Nats of every token behind the first of each row; 0 behind its end."""
    longest = int((rows != NOTHING).sum(1).max())
    ids = rows[:, :longest].long()
    inputs, targets = ids[:, :-1].clamp(min=0), ids[:, 1:]
    return cross_entropy(forward(inputs), targets.clamp(min=0)) * (targets != NOTHING)


@torch.no_grad()
def score(forward: Forward, texts: Texts, batch_size: int = 64) -> Float[Tensor, "n T"]:
    """Nats of every token of every text, in double precision for the sums to come; 0 behind an end."""
    found = torch.zeros(len(texts.rows), texts.rows.shape[1] - 1, dtype=torch.float64)
    for out, rows in zip(found.split(batch_size), texts.rows.split(batch_size), strict=True):
        nats = per_token(forward, rows)
        out[:, : nats.shape[1]] = nats
    return found


# --- results.csv -------------------------------------------------------------------------------------


def read_rows(path: Path) -> list[Row]:
    """All whole lines; one cut off by a crash is left out."""
    kinds = get_type_hints(Row).values()
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else [""]
    if lines[0] and lines[0].split(",") != list(Row._fields):
        raise ValueError(
            f"{path} is not the results of a sweep: its first line is {lines[0]!r}; name another folder"
        )
    return [Row(*(kind(x) for kind, x in zip(kinds, line.split(","), strict=True))) for line in lines[1:-1]]


def append_row(path: Path, row: Row) -> None:
    """All or nothing: what is there is kept, and a line that a crash cut off is not."""
    rows = [*read_rows(path), row]
    lines = [",".join(Row._fields), *(",".join(map(repr, each)) for each in rows)]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def check_shape(path: Path, shape: Shape) -> None:
    """Runs made in another way do not belong into one table."""
    mine = asdict(shape)
    if not path.exists():
        write_whole(path, (json.dumps(mine, indent=1) + "\n").encode())
    elif (theirs := json.loads(path.read_text(encoding="utf-8"))) != mine:
        name = next(name for name in mine if theirs.get(name) != mine[name])
        raise ValueError(
            f"{path.parent} holds runs made with {name} {theirs.get(name)}, not {mine[name]}; "
            f"give the same settings again, or another folder"
        )


# --- from rows to what a law is fitted to ----------------------------------------------------------------


def best(rows: list[Row]) -> dict[tuple[int, int], float]:
    """(parameters, tokens) → loss: of the best learning rate, in the mean of the seeds."""
    found: dict[tuple[int, int], dict[float, list[float]]] = {}
    for row in rows:
        found.setdefault((row.n_params, row.tokens), {}).setdefault(row.rate, []).append(row.loss)
    return {cell: min(fmean(losses) for losses in rates.values()) for cell, rates in found.items()}


def as_runs(rows: list[Row]) -> Runs:
    """Of each size and amount one number, as ``best`` has it."""
    losses = best(rows)
    n_params, tokens = (np.array(part, float) for part in zip(*losses, strict=True))
    return Runs(n_params, tokens, np.array(list(losses.values())))
