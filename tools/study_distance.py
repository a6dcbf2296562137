"""Two parts of ``study_llama3``: contexts that are stretched, on tasks that need distance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from study_budget import told
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.in_torch.llama3 import N_PAIRS, RECALL_VOCABULARY, WAYS, recall, stretched
from llamalite.tales.telling import END, Tale, Tales
from llamalite.text.corpus import DATA, read_text
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer
from llamalite.train.runs import build_data
from llamalite.train.training import Settings, build_adamw, train_step

RUNS = Path("runs")
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Plan:
    seeds: tuple[int, ...] = (1, 2, 3)
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4
    hidden_dim: int = 128
    thetas: tuple[float, ...] = (10_000.0, 500_000.0)  # the second is only read further, not stretched
    # recall
    recall_len: int = 128
    recall_factor: int = 8
    recall_lr: float = 2e-3
    short_len: int = 32  # no noise: here the model finds out what is asked of it
    short_steps: int = 800  # at most
    attempts: int = 4
    learnt: float = 0.05  # nats an answer, over 20 steps: then on to ``recall_len``
    recall_steps: int = 250
    more_recall: int = 60  # steps of four rows at the stretched length
    lengths: tuple[int, ...] = (128, 256, 512, 1024)
    depths: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    asked: int = 32  # needles a cell
    # tales
    tale_len: int = 64
    tale_factor: int = 4
    tale_lr: float = 5e-3
    tale_steps: int = 1200
    tale_tokens: int = 1024  # a step
    more_tales: int = 100
    more_lr: float = 1e-3
    held_out: int = 200
    tales_bytes: int = 6_000_000
    distances: tuple[int, ...] = (16, 32, 64, 96)  # edges between bins of the way back to a mention

    def scaled(self, share: float) -> Plan:
        steps = {
            name: max(5, round(share * getattr(self, name)))
            for name in ("short_steps", "recall_steps", "more_recall", "tale_steps", "more_tales")
        }
        return replace(self, **steps)


SEED = "llama3"  # of the tales that chapter 15's models read


class Kept:
    """Results of runs, each written when it ends and read when the study is begun again."""

    def __init__(self, settings: dict[str, Any], study: str = "study_llama3"):
        self.folder = RUNS / study / hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        path = self.folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(make()), encoding="utf-8")
            tqdm.write(f"{name} is done")
        return json.loads(path.read_text(encoding="utf-8"))


def shape(plan: Plan, vocab_size: int, seq_len: int, theta: float) -> LlamaConfig:
    return LlamaConfig(
        dim=plan.dim,
        n_layers=plan.n_layers,
        n_heads=plan.n_heads,
        hidden_dim=plan.hidden_dim,
        vocab_size=vocab_size,
        rope_theta=theta,
        max_seq_len=seq_len,
    )


def llama(cfg: LlamaConfig, weights: Weights) -> Llama:
    model = Llama(cfg)
    model.load_state_dict(weights)
    return model


# --- recall ------------------------------------------------------------------------------------------


def recall_steps(
    model: Llama, sizes: Sequence[tuple[int, int]], lr: float, seed: int, cool: int
) -> Iterator[float]:
    """Train on a batch of (rows, tokens) for each of ``sizes``; the last ``cool`` steps slow down to 0."""
    table = build_table(model.cfg)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.01)
    for step, (rows, seq_len) in enumerate(sizes):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 50, (len(sizes) - step) / max(cool, 1))
        x = recall(np.random.default_rng([seed, step]), rows, seq_len)
        loss = cross_entropy(model(x[:, :-1], table), x[:, 1:])[:, -2 * N_PAIRS :][:, 1::2].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield loss.item()


def learn_recall(plan: Plan, theta: float, seed: int) -> tuple[Llama, list[int]]:
    """A model that finds a key among ``recall_len`` tokens; and the steps of each attempt at it.

    It is seen suddenly or not at all, so who has not seen it after ``short_steps`` starts from other weights.
    """
    attempts: list[int] = []
    for attempt in range(plan.attempts):
        cfg = shape(plan, RECALL_VOCABULARY, plan.recall_len, theta)
        model, last = init_weights(Llama(cfg), seed + 10 * attempt), []
        for loss in recall_steps(model, [(64, plan.short_len)] * plan.short_steps, plan.recall_lr, seed, 0):
            last.append(loss)
            if len(last) >= 20 and sum(last[-20:]) / 20 < plan.learnt:
                break
        attempts.append(len(last))
        if len(last) < plan.short_steps:
            break
    sizes = [(32, plan.recall_len)] * plan.recall_steps
    for _ in recall_steps(model, sizes, plan.recall_lr, seed + 100, plan.recall_steps):
        pass
    return model, attempts


@torch.no_grad()
def found(plan: Plan, model: Llama) -> list[list[float]]:
    """The share of needles found: a row for each length, a column for each depth."""
    table, rows = build_table(model.cfg, max(plan.lengths)), []
    for n in plan.lengths:
        rows.append([])
        for depth in plan.depths:
            x = recall(np.random.default_rng([7, n, round(100 * depth)]), plan.asked, n, 1, depth)
            right = model(x[:, :-1], table)[:, -1].argmax(-1) == x[:, -1]
            rows[-1].append(right.float().mean().item())
    return rows


def recall_run(plan: Plan, theta: float, seed: int) -> dict[str, Any]:
    model, attempts = learn_recall(plan, theta, seed)
    run: dict[str, Any] = {"theta": theta, "seed": seed, "attempts": attempts, "ways": []}
    for how in WAYS if theta == plan.thetas[0] else WAYS[:1]:
        cfg = stretched(model.cfg, plan.recall_factor, how)
        further = llama(cfg, model.state_dict())
        way = {"how": how, "before": found(plan, further)}
        sizes = [(4, cfg.max_seq_len)] * plan.more_recall
        way["losses"] = list(recall_steps(further, sizes, plan.more_lr, seed + 200, plan.more_recall // 2))
        run["ways"].append(way | {"after": found(plan, further)})
    return run


def recalls(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    return [
        kept(f"recall {theta:g} {seed}", partial(recall_run, plan, theta, seed))
        for theta in plan.thetas
        for seed in plan.seeds
    ]


# --- tales -------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """A held-out tale behind a newline, and where it says again what it has said before."""

    ids: list[int]
    again: list[tuple[list[int], int]]  # the tokens of a mention, and how many back the one before began


def mentions(tale: Tale, tokenizer: Tokenizer) -> Told:
    """Mentions of the hero, the friend, the number and the thing, but the first of each."""
    ids = tokenizer.encode("\n" + tale.text + END)[1:]
    ends = np.cumsum([len(tokenizer.token_bytes(i)) for i in ids]) - 1  # behind each token, in the tale
    before: dict[str, int] = {}
    again = []
    for span in tale.spans:
        if span.name not in ("hero", "friend", "count", "thing"):
            continue
        tokens = [
            i for i, end in enumerate(ends) if span.start < end and (ends[i - 1] if i else 0) < span.end
        ]
        if span.name in before:
            again.append((tokens, tokens[0] - before[span.name]))
        before[span.name] = tokens[0]
    return Told(ids, again)


@torch.no_grad()
def token_losses(model: Llama, tales: Sequence[Told], last: int | None = None) -> list[Tensor]:
    """Nats of every token but the first of each tale; with ``last``, from that many tokens before it."""
    table = build_table(model.cfg, max(len(tale.ids) for tale in tales))
    losses = []
    for tale in tales:
        ids = torch.tensor(tale.ids)
        own = cross_entropy(model(ids[None, :-1], table), ids[None, 1:])[0]
        if last is not None and len(ids) > last + 1:
            windows = ids.unfold(0, last + 1, 1)[1:]
            own[last:] = cross_entropy(model(windows[:, :-1], table)[:, -1], windows[:, -1])
        losses.append(own)
    return losses


def score_tales(plan: Plan, model: Llama, tales: Sequence[Told], last: int | None = None) -> dict[str, Any]:
    """Nats a token by position (means of 16), and nats a repeated mention by the way back to the last."""
    losses = token_losses(model, tales, last)
    bins: list[list[float]] = [[] for _ in range(len(plan.distances) + 1)]
    for tale, own in zip(tales, losses, strict=True):
        for tokens, back in tale.again:
            nats = own[[i - 1 for i in tokens]].sum().item()
            bins[int(np.searchsorted(plan.distances, back, side="right"))].append(nats)
    by_position = [
        torch.cat([own[at : at + 16] for own in losses if len(own) >= at + 16]).mean().item()
        for at in range(0, 144, 16)
    ]
    return {
        "nats_per_token": torch.cat(losses).mean().item(),
        "by_position": by_position,
        "again": [float(np.mean(found)) for found in bins],
        "n_again": [len(found) for found in bins],
    }


def tale_run(plan: Plan, tales: Sequence[Told], tokenizer: Tokenizer, seed: int) -> dict[str, Any]:
    text, held_out = told(plan.tales_bytes, SEED), read_text("tales-en-validation")
    far = plan.tale_len * plan.tale_factor
    data = {n: build_data(text, held_out, tokenizer, n) for n in (plan.tale_len, far)}

    def trained(model: Llama, steps: int, lr: float, seq_len: int, seed: int) -> Llama:
        sizes = {"batch_size": plan.tale_tokens // seq_len, "seq_len": seq_len}
        s = Settings(steps=steps, lr=lr, warmup=steps // 20, seed=seed, **sizes)
        optimizer, forward = build_adamw(model, s), partial(model, table=build_table(model.cfg, seq_len))
        for step in range(steps):
            train_step(forward, optimizer, data[seq_len], step, s)
        return model

    def new(seq_len: int) -> Llama:
        cfg = shape(plan, tokenizer.vocab_size, seq_len, plan.thetas[0])
        return trained(init_weights(Llama(cfg), seed), plan.tale_steps, plan.tale_lr, seq_len, seed)

    short = new(plan.tale_len)
    run = {"seed": seed, "last": score_tales(plan, short, tales, plan.tale_len), "ways": []}
    for how in WAYS:
        model = llama(stretched(short.cfg, plan.tale_factor, how), short.state_dict())
        way = {"how": how, "before": score_tales(plan, model, tales)}
        trained(model, plan.more_tales, plan.more_lr, far, seed + 200)
        run["ways"].append(way | {"after": score_tales(plan, model, tales)})
    return run | {"long": score_tales(plan, new(far), tales)}


def tales(plan: Plan, kept: Kept) -> list[dict[str, Any]]:
    tokenizer, world, rng = (
        load_tokenizer(DATA / "tokenizers" / "tales-en"),
        Tales("en"),
        Random("held out llama3"),
    )
    drawn = [mentions(world.tell(rng), tokenizer) for _ in range(plan.held_out)]
    return [kept(f"tales {seed}", partial(tale_run, plan, drawn, tokenizer, seed)) for seed in plan.seeds]
