"""Fifty deaths: runs killed at random moments, by SIGKILL and SIGTERM, end in the very same losses."""

import os
import signal
import sys
import time
from random import Random

import pytest
import torch

from llamalite.config import preset
from llamalite.train import checkpoint, runs
from llamalite.train.interruption import Interrupted
from llamalite.train.metrics import read_metrics
from llamalite.train.training import Data, Settings

KILLS = 50
CFG = preset("llama3-tiny", dim=32, n_layers=1, vocab_size=40, max_seq_len=16)


def data():
    ids = torch.randint(0, 40, (2000,), generator=torch.Generator().manual_seed(0))
    return Data(ids, ids[:200], held_out_bytes=199)


def settings(steps):
    return Settings(steps=steps, batch_size=4, seq_len=16, warmup=5, eval_every=50, save_every=7)


def train_in_a_child(folder, steps):
    """A forked process that trains on: its imports are done, so it dies in the training, not before."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        code = 1
        try:
            runs.train_llama(folder, CFG, data(), settings(steps), resume=True)
            code = 0
        except Interrupted:
            code = 143
        finally:
            os._exit(code)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork (not on Windows)")
def test_runs_that_are_killed_at_random_moments_end_in_the_same_bits(tmp_path):
    torch.set_num_threads(1)  # a forked process has no pool of threads
    straight, killed, steps = tmp_path / "straight", tmp_path / "killed", 1500
    runs.train_llama(straight, CFG, data(), settings(steps))
    rng, deaths, leavings = Random(0), 0, set()
    while deaths < KILLS:
        before = checkpoint.latest(killed / "checkpoints")
        child = train_in_a_child(killed, steps)
        # The first moments are reading and building; a quarter of a second reaches well into the steps.
        time.sleep(rng.uniform(0.02, 0.25))
        os.kill(child, rng.choice([signal.SIGKILL, signal.SIGTERM]))
        status = os.waitpid(child, 0)[1]
        leavings.add(os.waitstatus_to_exitcode(status))
        assert os.waitstatus_to_exitcode(status) != 1, "it failed by itself"
        deaths += 1
        if checkpoint.latest(killed / "checkpoints") == before and os.waitstatus_to_exitcode(status) == 0:
            break  # it had come to its end: there is nothing left to kill
    assert deaths == KILLS, f"the run was over after {deaths} deaths; give it more steps"
    assert {-signal.SIGKILL, 143} <= leavings
    assert os.waitstatus_to_exitcode(os.waitpid(train_in_a_child(killed, steps), 0)[1]) == 0
    rows = [read_metrics(folder / "metrics.jsonl") for folder in (straight, killed)]
    for key in ("step", "loss", "grad_norm", "val_loss"):
        assert [row.get(key) for row in rows[0]] == [row.get(key) for row in rows[1]], key
    last = [checkpoint.load(folder / "checkpoints" / f"step_{steps:06d}") for folder in (straight, killed)]
    for group in ("model", "optimizer"):
        for name, tensor in last[0].tensors[group].items():
            assert torch.equal(tensor, last[1].tensors[group][name]), name
