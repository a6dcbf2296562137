"""Sweeps: what their runs read, and that no run is lost, made twice, or told of the held-out texts."""

import csv
import math
from random import Random

import pytest
import torch
from torch.nn import functional as F

from llamalite.tales.floor import floor_of
from llamalite.tales.telling import Tales
from llamalite.tales.world import World
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.train.interruption import Interrupted, StopSignals
from llamalite.train.scaling import sweep as sweeping
from llamalite.train.scaling.sweep import Cell, Plan, Shape, as_runs, per_token, read_rows, score, sweep
from llamalite.train.scaling.texts import ROLL_VOCAB, roll_call, roll_ids, stacked, tale_texts

# --- what runs read --------------------------------------------------------------------------------------


def test_tales_come_whole_with_the_floor_of_these_very_tales():
    tales, tokenizer = Tales("en"), ByteTokenizer()
    texts, rng = tale_texts(tales, tokenizer, 5000, "a"), Random("a")
    told = [tales.tell(rng) for _ in texts.rows]
    for row, length, tale in zip(texts.rows, texts.lengths, told, strict=True):
        ids = row[: length + 1].tolist()
        assert tokenizer.decode(ids) == "\n" + tale.text + "\n\n" and set(row[length + 1 :].tolist()) <= {-1}
    assert texts.floor() == pytest.approx(floor_of(told, tokenizer).nats_per_token, rel=1e-12)
    few = texts.first(2000)
    assert 2000 <= few.lengths.sum() < 2000 + few.lengths[-1] and few.floor() != texts.floor()
    assert not torch.equal(tale_texts(tales, tokenizer, 5000, "b").rows[0], texts.rows[0])


def test_a_roll_call_says_who_is_who_and_is_never_ambiguous():
    world = World(600, 1.5)
    rows, ids = roll_call(world, 3000, "x"), roll_ids(world)
    names = {tuple(row[:4]) for row in ids}
    assert len(names) == 600 and {len(row) for row in ids} == {8} and rows.facts == slice(3, 7)
    found = {tuple(row) for row in rows.rows.tolist()}
    assert found <= {tuple(row) for row in ids}
    first = sum(row[:4] == ids[0][:4] for row in rows.rows.tolist()) / 3000
    assert first == pytest.approx(world.popularity[0], abs=0.04)
    entropy = -sum(p * math.log(p) for p in world.popularity)
    assert 7 * rows.floor() == pytest.approx(entropy, rel=0.05)


# --- the sweep ---------------------------------------------------------------------------------------------

WORLD = World(64, 1.5)
SHAPE = Shape(ROLL_VOCAB, n_layers=1, head_dim=4, max_seq_len=8, batch_size=16)
PLAN = Plan(dims=(4, 8), tokens=(700, 1400))


def source(tokens, seed):
    return roll_call(WORLD, tokens // 7, seed)


def test_a_run_that_has_its_line_is_never_made_again(tmp_path, monkeypatch):
    rows = sweep(PLAN, SHAPE, source, tmp_path, held_out=700)
    assert [row.cell for row in rows] == PLAN.cells() and all(row.loss > row.floor for row in rows)
    assert [row.tokens_seen for row in rows] == [700, 700, 1400, 1400] and rows[2].steps == 13
    with open(tmp_path / "results.csv", newline="") as file:
        assert [float(line["loss"]) for line in csv.DictReader(file)] == [row.loss for row in rows]
    made, measure = [], sweeping.measure
    monkeypatch.setattr(sweeping, "measure", lambda cell, *rest: made.append(cell) or measure(cell, *rest))
    more = Plan(dims=(4, 8), tokens=(700, 1400), seeds=(1, 2))
    again = sweep(more, SHAPE, source, tmp_path, held_out=700)
    assert again[:4] == rows and {cell.seed for cell in made} == {2} and len(made) == 4
    assert again[4].loss != rows[0].loss
    assert sweep(more, SHAPE, source, tmp_path, held_out=700) == again and len(made) == 4
    assert len(read_rows(tmp_path / "results.csv")) == 8
    runs = as_runs(again)
    assert len(runs.losses) == 4 and runs.losses[0] == pytest.approx((rows[0].loss + again[4].loss) / 2)


def test_a_run_is_the_same_whatever_ran_before_it():
    texts, asked = source(1400, "seed 1"), source(700, "held out")
    cell = Cell(1, 8, 700, 1.0)
    alone = sweeping.measure(cell, SHAPE, texts.first(700), asked)
    sweeping.measure(Cell(1, 4, 1400, 1.0), SHAPE, texts, asked)
    again = sweeping.measure(cell, SHAPE, texts.first(700), asked)
    assert (alone.loss, alone.facts) == (again.loss, again.facts)


def test_a_line_that_a_crash_cut_off_is_made_again(tmp_path):
    path = tmp_path / "results.csv"
    rows = sweep(PLAN, SHAPE, source, tmp_path, held_out=700)
    whole = path.read_text()
    path.write_text(whole[:-20])
    assert read_rows(path) == rows[:-1]
    again = sweep(PLAN, SHAPE, source, tmp_path, held_out=700)
    assert [row[:-1] for row in again] == [row[:-1] for row in rows]  # all but the seconds


def test_what_was_made_otherwise_is_refused(tmp_path):
    sweep(Plan((4,), (700,)), SHAPE, source, tmp_path, held_out=700)
    other = Shape(ROLL_VOCAB, n_layers=2, head_dim=4, max_seq_len=8, batch_size=16)
    with pytest.raises(ValueError, match="holds runs made with n_layers 1, not 2"):
        sweep(Plan((4,), (700,)), other, source, tmp_path, held_out=700)
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is not the results of a sweep"):
        sweep(Plan((4,), (700,)), SHAPE, source, tmp_path, held_out=700)


def test_ctrl_c_keeps_what_is_finished(tmp_path, monkeypatch):
    measure = sweeping.measure

    def interrupted(cell, *rest):
        stop: StopSignals = rest[-1]
        if cell.tokens == 1400:
            stop.received = 2
        return measure(cell, *rest)

    monkeypatch.setattr(sweeping, "measure", interrupted)
    with pytest.raises(Interrupted, match="finished runs are kept") as stopped:
        sweep(PLAN, SHAPE, source, tmp_path, held_out=700)
    assert stopped.value.exit_code == 130
    assert [row.cell for row in read_rows(tmp_path / "results.csv")] == PLAN.cells()[:2]


def test_nothing_behind_the_end_of_a_text_counts():
    """Against torch's own ``ignore_index``; and no token of another text is seen."""
    texts = stacked([[0, 3, 1, 4], [0, 2], [0, 5, 5]], [1.0, 1.0, 1.0])
    table = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))

    def forward(ids):
        return table[ids].cumsum(1)

    found = per_token(forward, texts.rows)
    ids = texts.rows.long()
    logits = table[ids[:, :-1].clamp(min=0)].cumsum(1)
    want = F.cross_entropy(logits.mT, ids[:, 1:], ignore_index=-1, reduction="none")
    torch.testing.assert_close(found, want)
    torch.testing.assert_close(score(forward, texts, batch_size=2), want.double())
    assert (found[1, 1:] == 0).all() and texts.lengths.tolist() == [3, 1, 2]


def test_a_plan_knows_its_cost():
    one = SHAPE.config(4).n_params + SHAPE.config(8).n_params
    assert PLAN.flops(SHAPE) == 6 * one * 2100
