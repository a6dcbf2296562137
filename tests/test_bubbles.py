"""Schedules of pipelines against the formula, and against what a schedule must never do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.train.parallel.bubbles import (
    bubble_ratio,
    bubble_share,
    most_in_flight,
    order_of,
    simulate,
    waiting_share,
)

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 4), st.floats(0.5, 3.0))


@given(SIZES, st.sampled_from(["gpipe", "1f1b"]))
def test_both_plain_schedules_wait_as_long_as_the_formula_says(sizes, schedule):
    """Whatever a backward pass costs beside a forward pass."""
    p, groups, backward = sizes
    jobs = simulate(schedule, p, groups * p, backward=backward)
    assert waiting_share(jobs) == pytest.approx(bubble_share(p, groups * p), abs=1e-9)


@pytest.mark.parametrize(("p", "m", "v"), [(2, 4, 2), (4, 8, 2), (4, 4, 3), (3, 9, 4)])
def test_interleaving_divides_the_waiting_by_the_stages_of_a_rank(p, m, v):
    jobs = simulate("interleaved", p, m, v)
    assert waiting_share(jobs) == pytest.approx(bubble_share(p, m, v), abs=1e-9)
    assert bubble_ratio(p, m, v) == pytest.approx((p - 1) / (v * m))


@pytest.mark.parametrize(("schedule", "v"), [("gpipe", 1), ("1f1b", 1), ("interleaved", 2)])
def test_every_job_is_done_once_after_what_it_needs(schedule, v):
    p, m = 3, 6
    jobs = simulate(schedule, p, m, v)
    at = {(j.kind, j.micro, j.chunk * p + j.rank): j for j in jobs}
    assert len(at) == len(jobs) == 2 * p * m * v
    for (kind, micro, stage), job in at.items():
        if kind == "F" and stage:
            assert at["F", micro, stage - 1].end <= job.begin
        if kind == "B":
            before = ("B", micro, stage + 1) if stage < v * p - 1 else ("F", micro, stage)
            assert at[before].end <= job.begin
    for rank in range(p):
        mine = sorted((j.begin, j.end) for j in jobs if j.rank == rank)
        assert all(a[1] <= b[0] + 1e-12 for a, b in pairwise(mine))


def test_one_forward_one_backward_remembers_p_batches_and_gpipe_all_of_them():
    p, m = 4, 12
    held = {
        kind: [most_in_flight(simulate(kind, p, m), rank) for rank in range(p)] for kind in ("gpipe", "1f1b")
    }
    assert held == {"gpipe": [12] * 4, "1f1b": [4, 3, 2, 1]}


def test_the_share_and_the_reports_ratio_are_two_numbers():
    """Waiting over all time, and waiting over working time: 3 of 7, and 3 of 4."""
    assert bubble_share(4, 4) == pytest.approx(3 / 7) and bubble_ratio(4, 4) == 0.75
    assert bubble_share(4, 4) == pytest.approx(0.75 / 1.75)


def test_what_cannot_be_scheduled_is_refused():
    with pytest.raises(ValueError, match="5 micro-batches must be a multiple of 2"):
        order_of("interleaved", 0, 2, 5, 2)
    with pytest.raises(ValueError, match="there are gpipe, 1f1b and interleaved"):
        order_of("zigzag", 0, 2, 4)
