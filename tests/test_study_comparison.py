"""The record of chapter ``comparison``: equal budgets, and one table with chapter 15's."""

import json
from dataclasses import replace
from math import isclose
from statistics import fmean

import pytest
import study_comparison as study
import study_llama3
import torch
from study_budget import train_flops

from llamalite.in_torch.alternatives import MLP, AddedPositions
from llamalite.in_torch.layernorm import LayerNorm
from llamalite.in_torch.rmsnorm import RMSNorm
from llamalite.in_torch.swiglu import FeedForward
from llamalite.text.corpus import DATA

PLAN = study.Plan()
TINY = replace(PLAN.llama3, tales_bytes=60_000, tokenizer_bytes=60_000, **study.LLAMA_1)
ROUNDED = 1e-5


@pytest.fixture(scope="module")
def stored():
    return json.loads((DATA / "studies" / "comparison.json").read_text(encoding="utf-8"))


def test_every_way_has_the_parts_it_says_and_all_weigh_the_same():
    sizes = {}
    for name, parts in study.ways().items():
        model, forward = study.build(TINY, 1, parts)
        block = model.layers["1"]
        assert isinstance(block.attention_norm, RMSNorm if "norm" in parts else LayerNorm)
        assert isinstance(block.feed_forward, FeedForward if "feed-forward" in parts else MLP)
        assert isinstance(model.tok_embeddings, AddedPositions) == ("positions" not in parts)
        added = model.tok_embeddings.positions.weight.numel() if "positions" not in parts else 0
        sizes[name] = sum(p.numel() for p in model.parameters()) - added
        assert forward(torch.zeros(2, TINY.seq_len, dtype=torch.long)).shape == (2, TINY.seq_len, 512)
    assert max(sizes.values()) - min(sizes.values()) <= 2 * 4 * TINY.dim  # LayerNorm's biases
    assert [*study.ways()] == ["before Llama", "+ norm", "+ feed-forward", "+ positions", "Llama 1"]


def test_all_parts_are_the_llama_that_chapter_15_trains():
    """So that the two records are one table: same numbers, whichever of the two tools trains it."""
    data = study.data_of(TINY)
    ours = study.trained(TINY, data, 1, 3)
    theirs = study_llama3.switched(replace(TINY, budget=3.5 * 1024 * flops(TINY)), data, 1)
    assert ours["bits_per_byte"] == theirs["bits_per_byte"] and ours["train_loss"] == theirs["train_loss"]


def flops(plan):
    return train_flops(study.shape(plan), plan.seq_len)


def test_rows_at_equal_compute_have_spent_the_same(stored):
    for row in stored["before"] + stored["second"]:
        step = PLAN.llama3.step_tokens * row["train_flops_per_token"]
        assert PLAN.llama3.budget - step < row["train_flops"] <= PLAN.llama3.budget
        assert row["train_flops"] == row["steps"] * step
    assert [row["name"] for row in stored["before"]] == list(study.ways())


def test_tokens_stand_to_each_other_as_the_published_ones(stored):
    cells = [(row["shape"], row["tokens_of"]) for row in stored["tokens"]]
    assert cells == [(shape, other) for shape in study.GENERATIONS for other in study.TRILLIONS]
    for row in stored["tokens"]:
        ratio = row["train_tokens"] / stored["tokens"][0]["train_tokens"]
        assert isclose(ratio, study.TRILLIONS[row["tokens_of"]] / 1.4, rel_tol=0.01)
        assert row["train_tokens"] * row["bytes_per_token"] < 1.01 * PLAN.tales_bytes


def test_means_are_those_of_the_runs(stored):
    for row in stored["before"] + stored["second"] + stored["tokens"]:
        assert [run["seed"] for run in row["runs"]] == list(PLAN.llama3.seeds)
        assert isclose(fmean(run["bits_per_byte"] for run in row["runs"]), row["mean"], rel_tol=ROUNDED)
    tried = [(run["name"], run["lr"]) for run in stored["rates"]]
    assert tried == [(name, lr) for name in ("before Llama", "Llama 1") for lr in PLAN.rates]
