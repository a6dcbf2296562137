"""Time lost to failures: the formula against dice, its optimum against neighbours; the report's tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.config import preset
from llamalite.train.parallel import memory, volume
from llamalite.train.parallel.checksums import flip_bit, odd_ones
from llamalite.train.parallel.failures import (
    best_interval,
    effective_share,
    mtbf_of,
    rough_interval,
    scaled_mtbf,
    simulate,
)
from llamalite.train.parallel.layout import Parallel, Place, check_layout, place_of
from llamalite.train.parallel.published import DAYS, PEAK, PLANNED, TABLE_4, TABLE_5, UNEXPECTED


@pytest.mark.parametrize(
    ("interval", "save", "restart"), [(0.5, 0.02, 0.2), (3.0, 0.1, 1.0), (0.1, 0.05, 0.0)]
)
def test_the_formula_is_what_dice_give(interval, save, restart):
    share, failures = simulate(interval, save, restart, mtbf=3.0, work=30_000, seed=1)
    assert share == pytest.approx(effective_share(interval, save, restart, 3.0), rel=0.01)
    assert failures == pytest.approx(30_000 / share / 3.0, rel=0.1) or restart  # a restart is no time to fail


def test_without_failures_only_saving_costs():
    assert effective_share(9.0, 1.0, 5.0, 1e12) == pytest.approx(0.9)
    assert simulate(9.0, 1.0, 5.0, 1e12, work=900)[0] == pytest.approx(0.9)


@given(st.floats(1e-4, 0.5), st.floats(0.5, 50.0), st.floats(0, 2))
def test_the_best_interval_beats_its_neighbours_and_restarts_do_not_move_it(save, mtbf, restart):
    best = best_interval(save, mtbf)
    top = effective_share(best, save, restart, mtbf)
    assert all(effective_share(best * f, save, restart, mtbf) < top for f in (0.9, 1.1))


def test_the_rough_interval_is_the_limit_of_short_saves():
    for save, apart in ((1e-2, 0.06), (1e-4, 0.006), (1e-6, 0.0006)):
        assert best_interval(save, 1.0) == pytest.approx(rough_interval(save, 1.0), rel=apart)


def test_table_4_adds_up_and_its_misprint_does_not():
    for row in TABLE_4:
        assert row.ranks == row.gpus and row.tokens == 2**24
    last = TABLE_4[2]._replace(data=4)  # as the first version prints it
    assert last.ranks == last.gpus / 2 and last.tokens == 2**23
    assert [round(row.mfu, 1) for row in TABLE_4] == [43.5, 40.4, 38.4]
    assert [row.mfu_printed for row in TABLE_4] == [43, 41, 38] and PEAK == 989


def test_table_5_adds_up_and_one_of_its_percentages_does_not():
    counts = {cause: count for cause, (count, _, _) in TABLE_5.items()}
    assert sum(counts.values()) == UNEXPECTED == 419 and UNEXPECTED + PLANNED == 466
    wrong = [cause for cause, (n, printed, _) in TABLE_5.items() if abs(100 * n / 419 - printed) > 0.06]
    assert wrong == ["faulty GPU"] and round(100 * 148 / 419, 1) == 35.3
    of_gpus = sum(count for count, _, gpu in TABLE_5.values() if gpu)
    assert of_gpus == 268 and round(100 * of_gpus / 419, 1) == 64.0
    assert mtbf_of(DAYS, UNEXPECTED) == pytest.approx(3.093, abs=1e-3)
    assert scaled_mtbf(3.0, 16_384, 1) == 3.0 * 16_384


def test_a_ring_by_moving_parts():
    """All-reduce: n-1 rounds of adding, n-1 of passing on, a part each time."""
    n, size = 5, 40
    data = np.arange(n * size, dtype=float).reshape(n, n, size // n)  # rank, part, numbers
    right, sent = data.sum(0), 0
    for step in range(2 * (n - 1)):
        moving = {rank: (rank - step) % n for rank in range(n)}
        old = data.copy()
        for rank, part in moving.items():
            there = (rank + 1) % n
            data[there, part] = old[rank, part] + (old[there, part] if step < n - 1 else 0)
        sent += size // n
    assert all(np.array_equal(rank, right) for rank in data)
    assert sent == volume.all_reduce(n, size) == volume.all_gather(n, size) + volume.reduce_scatter(n, size)


@pytest.mark.parametrize(
    "p", [Parallel(data=3, shard=True), Parallel(pipeline=3), Parallel(data=2, tensor=2)]
)
def test_what_the_ranks_hold_adds_up_to_the_model_and_its_copies(p):
    cfg = preset("llama3-tiny")
    held = [memory.numbers_of_rank(cfg, p, place_of(rank, p)) for rank in range(p.size)]
    gains = cfg.param_counts()["norms"]
    copies = {"data": 1 if p.shard else p.data}
    assert sum(held) == copies["data"] * (cfg.n_params + (p.tensor - 1) * gains)


@pytest.mark.parametrize(
    ("p", "changes", "said"),
    [
        (Parallel(tensor=3), {}, "parallel.tensor 3 does not divide n_heads, which is 4"),
        (Parallel(tensor=4), {}, "does not divide n_kv_heads, which is 2"),
        (Parallel(pipeline=9), {}, "4 layers cannot be cut into 9 stages"),
        (Parallel(pipeline=2), {"tied": True}, "shares the embedding's matrix"),
        (Parallel(pipeline=4, microbatches=2), {}, "at least as many micro-batches as stages: 4, not 2"),
        (Parallel(data=3), {}, "take a batch size that 3 divides"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(p, changes, said):
    with pytest.raises(ValueError, match=said):
        check_layout(p, preset("llama3-tiny", **changes), batch_size=16, seq_len=64, accumulate=1)


def test_places_count_the_tensor_part_fastest():
    p = Parallel(data=2, pipeline=3, tensor=4)
    assert [place_of(rank, p) for rank in (0, 1, 4, 12, 23)] == [
        Place(0, 0, 0), Place(0, 0, 1), Place(0, 1, 0), Place(1, 0, 0), Place(1, 2, 3)]  # fmt: skip


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_one_bit_flips_and_flips_back(bits):
    import torch

    dtype = {16: torch.bfloat16, 32: torch.float32, 64: torch.float64}[bits]
    t = torch.full((3,), 1.5, dtype=dtype)
    flip_bit(t, 1, bits - 1)
    assert t.tolist() == [1.5, -1.5, 1.5]
    flip_bit(t, 1, bits - 1)
    flip_bit(t, 0, 0)
    assert t[1] == 1.5 and 0 < abs(t[0].item() - 1.5) < 0.01 and math.isfinite(t[0])
    assert odd_ones(["a", "b", "b", "b"]) == [0]
