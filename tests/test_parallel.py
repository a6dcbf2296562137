"""Real processes against one process: equal losses, equal gradients, equal runs through deaths and moves.

A launch costs seconds, so each number of ranks is launched once and shows everything it has to show.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ranks_at_work as work
from shell import refused, shell

from llamalite.train.metrics import read_metrics
from llamalite.train.parallel import memory, trials, volume
from llamalite.train.parallel.bubbles import bubble_share, simulate, waiting_share
from llamalite.train.parallel.launch import RankFailed, launch
from llamalite.train.parallel.layout import Parallel, place_of
from llamalite.train.runs import create_run, load_run, train_llama

CFG, HOW = work.CFG, work.HOW
WIDTH = 8  # bytes of a float64
NAMES = {
    **{f"2 ranks {i}": p for i, p in enumerate(work.TWO)},
    **{f"4 ranks {i}": p for i, p in enumerate(work.FOUR)},
}


@pytest.fixture(scope="module")
def one():
    return trials.alone(CFG, HOW)


@pytest.fixture(scope="module")
def two():
    return launch(work.two, 2, timeout=120)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def four(run_folder):
    from llamalite.text.tokenization.bytes import ByteTokenizer

    create_run(run_folder, CFG, ByteTokenizer(), {})
    return launch(work.four, 4, str(run_folder), timeout=200)


@pytest.fixture(params=NAMES)
def found(request):
    """(layout, what each rank saw of it)"""
    p = NAMES[request.param]
    ranks = request.getfixturevalue("two" if p.size == 2 else "four")
    return p, [rank["trials"][(work.TWO if p.size == 2 else work.FOUR).index(p)] for rank in ranks]


# --- equal to one process ----------------------------------------------------------------------------


def test_gradients_losses_and_norm_equal_one_process(found, one):
    _, ranks = found
    gradients = trials.merged(ranks)
    assert gradients.keys() == one.gradients.keys()
    for name, right in one.gradients.items():
        np.testing.assert_allclose(gradients[name], right, rtol=0, atol=1e-13 * np.abs(right).max())
    for rank in ranks:
        assert rank.norm == pytest.approx(one.norm, rel=1e-13)
        assert rank.losses == pytest.approx(one.losses, rel=1e-6)  # one process reports a float32
        assert rank.nats == pytest.approx(one.nats, rel=1e-10)  # after three clipped steps of AdamW


def test_the_mean_and_the_norm_are_those_of_pytorchs_own_data_parallelism(two):
    mine, theirs = two[0]["trials"][0], two[0]["by torch"]
    assert mine.norm == pytest.approx(theirs["norm"], rel=1e-13)
    for name, right in theirs["gradients"].items():
        np.testing.assert_allclose(mine.gradients[name], right, rtol=0, atol=1e-13 * np.abs(right).max())


def test_copies_stay_equal_to_the_last_bit(found):
    p, ranks = found
    sums = {}
    for rank, trial in enumerate(ranks):
        place = place_of(rank, p)
        sums.setdefault((place.pipeline, place.tensor, place.data if p.shard else 0), set()).add(
            trial.checksum
        )
    assert all(len(same) == 1 for same in sums.values())


# --- what it costs -----------------------------------------------------------------------------------


def expected_bytes(p: Parallel, rank: int) -> float:
    """Of the layouts that cut along one axis; gloo adds up a whole even when it then keeps a part."""
    weights, tokens = WIDTH * CFG.n_params, HOW.batch_size * HOW.seq_len
    if p.data > 1:
        scheme = volume.fully_sharded if p.shard else volume.data_parallel
        return scheme(p.data, weights, weights, True) if p.shard else scheme(p.data, weights)
    if p.tensor > 1:
        return volume.tensor_parallel(p.tensor, CFG, tokens, WIDTH, as_all_reduce=True)
    return volume.pipeline(rank, p.pipeline, tokens, CFG.dim, WIDTH)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the bytes of a socket")
@pytest.mark.parametrize("i", range(5))
def test_the_kernel_counts_the_bytes_that_the_formula_says(two, i):
    for rank, found in enumerate(two):
        sent = found["trials"][i].sent
        assert sent == pytest.approx(expected_bytes(work.TWO[i], rank), rel=0.04)


def test_memory_is_counted_to_the_byte(found):
    p, ranks = found
    for rank, trial in enumerate(ranks):
        assert trial.memory == memory.bytes_of_rank(CFG, p, place_of(rank, p), WIDTH, WIDTH, 2 * WIDTH)


def test_pytorchs_schedule_waits_as_the_formula_says(four):
    """Stages that sleep: slower than the formula, never faster; and not one at a time, which waits 3/4."""
    jobs = [job for rank, found in enumerate(four) for job in found["naps"]]
    assert {(job.rank, job.kind, job.micro) for job in jobs} == {
        (job.rank, job.kind, job.micro) for job in simulate("1f1b", 4, 4)
    }
    assert bubble_share(4, 4) - 0.02 < waiting_share(jobs) < 0.74


# --- the museum --------------------------------------------------------------------------------------


def test_a_sum_instead_of_a_mean_is_seen_in_the_gradient_and_hidden_by_adamw(two, one):
    bug = two[0]["summed"]
    assert bug.norm == pytest.approx(2 * one.norm, rel=1e-12)
    assert bug.losses == pytest.approx(one.losses, rel=1e-3)


def test_a_gather_can_be_right_forward_and_wrong_backward(two):
    errors = two[0]["gather"]
    assert errors["PyTorch's, in rows"] == errors["ours, in rows"] == errors["ours, transposed"] == 0
    if errors["PyTorch's, transposed"] == 0:
        pytest.skip("this PyTorch has repaired its all_gather")
    assert errors["PyTorch's, transposed"] > 1


def test_checksums_find_a_flipped_bit_unless_it_flipped_before_the_mean():
    for found in launch(work.three, 3, timeout=100):
        assert found["struck"]["nowhere"] == ([], [])
        assert found["struck"]["weight"] == ([1], [1])
        assert found["struck"]["gradient, after the mean"][1] == [1]
        assert found["struck"]["gradient, before the mean"] == ([], [])
        assert found["asked twice"] == [1]


# --- moving, dying, ending -----------------------------------------------------------------------------


def test_a_run_moves_from_four_ranks_to_two_to_one(four, run_folder, tmp_path):
    """Nothing is lost on the way: the losses are those of a run that one process did alone."""
    assert load_run(run_folder).step == 4  # in the form that one process reads
    launch(work.part_of_a_run, 2, str(run_folder), 6, Parallel(pipeline=2), True, timeout=100)
    data = trials.sequence(5, 600, CFG.vocab_size)
    train_llama(run_folder, CFG, data, work.run_settings(8), resume=True)
    assert load_run(run_folder).step == 8
    moved = read_metrics(run_folder / "metrics.jsonl")
    for steps in (4, 6, 8):  # the schedule of the learning rate hangs on where the end is
        train_llama(tmp_path, CFG, data, work.run_settings(steps), resume=steps > 4)
    still = read_metrics(tmp_path / "metrics.jsonl")
    for a, b in zip(moved, still, strict=True):
        assert (a["step"], a["lr"]) == (b["step"], b["lr"])
        assert a["loss"] == pytest.approx(b["loss"], abs=2e-5)
        assert a.get("val_loss") == pytest.approx(b.get("val_loss"), abs=2e-5)


def test_ranks_can_go_on_with_what_one_process_began(tmp_path):
    data = trials.sequence(5, 600, CFG.vocab_size)
    train_llama(tmp_path / "a", CFG, data, work.run_settings(2))
    launch(work.part_of_a_run, 2, str(tmp_path / "a"), 4, Parallel(data=2), True, timeout=100)
    train_llama(tmp_path / "b", CFG, data, work.run_settings(2))
    train_llama(tmp_path / "b", CFG, data, work.run_settings(4), resume=True)
    a, b = ([row["loss"] for row in read_metrics(tmp_path / x / "metrics.jsonl")] for x in "ab")
    assert a == pytest.approx(b, abs=2e-5) and len(a) == 4


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() if Path("/proc").exists() else True


def test_a_launch_leaves_nobody_behind():
    pids = launch(work.who, 2, timeout=60)
    assert all(gone(pid) for pid in pids) and os.getpid() not in pids


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [
        (work.fail, RankFailed, "ZeroDivisionError: of rank 1"),
        (work.die, RankFailed, "rank 1 died without a word"),
        (work.hang, TimeoutError, "2 ranks had not answered in time"),
    ],
    ids=["fails", "dies", "hangs"],
)
def test_one_rank_that_cannot_go_on_ends_all(what, error, said):
    began = time.monotonic()
    with pytest.raises(error, match=said):
        launch(what, 2, timeout=20 if what is not work.hang else 3)
    assert time.monotonic() - began < 60


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue  # it has ended meanwhile
    return sorted(found)


def rows_of(folder: Path, least: int, process: subprocess.Popen) -> list[dict]:
    """The metrics of a run, as soon as there are so many."""
    deadline = time.monotonic() + 100
    while len(rows := read_metrics(folder / "metrics.jsonl")) < least:
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline, "it does not get anywhere"
        time.sleep(0.02)
    return rows


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers in /proc")
def test_torchrun_restarts_a_killed_worker_and_training_goes_on_bit_for_bit(tmp_path, capsys):
    (tmp_path / "story.txt").write_text(
        "Once upon a time a llama sat on a wall. The llama had a hat.\n\n" * 40
    )
    line = f"train --data {tmp_path / 'story.txt'} --vocab-size bytes --dim 16 --n-layers 2 --n-heads 2"
    line += (
        " --n-kv-heads 2 --seq-len 16 --batch-size 4 --device cpu --save-every 20 --eval-every 80 --steps 160"
    )
    many, torchrun = tmp_path / "many", [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", "2", "--max-restarts", "3", "-m", "llamalite", *line.split()]
    torchrun += ["--out", str(many), "--parallel.data", "2", "--parallel.shard"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(torchrun, stdout=said, stderr=said, start_new_session=True)
    workers = []
    try:
        before = rows_of(many, 30, process)
        workers = children(process.pid)
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        assert process.wait(timeout=150) == 0, (tmp_path / "said").read_text()
    finally:
        for pid in [process.pid, *workers, *children(process.pid)]:
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
    assert all(gone(worker) for worker in workers)
    after = read_metrics(many / "metrics.jsonl")
    assert [row["step"] for row in after] == list(range(1, 161))
    assert [row["loss"] for row in after[: len(before)]] == [row["loss"] for row in before]  # to the bit
    assert shell(f"{line} --out {tmp_path / 'alone'}", capsys).code == 0
    alone = read_metrics(tmp_path / "alone" / "metrics.jsonl")
    assert [row["loss"] for row in after] == pytest.approx([row["loss"] for row in alone], rel=1e-3)
    assert shell(f"generate {many} --prompt Once --tokens 5 --temperature 0", capsys).code == 0


# --- the command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--parallel.data 2", "make 2 ranks, and there are 1 processes; start as many: torchrun"),
        ("--parallel.tensor 0", "parallel.tensor is 0"),
    ],
)
def test_what_one_process_cannot_do_is_one_sentence(options, said, capsys, tmp_path):
    refused(shell(f"train --out {tmp_path / 'run'} {options}", capsys), 2, said)
