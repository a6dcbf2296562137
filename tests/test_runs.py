"""A run's folder: what opening one reads, and what resuming one draws."""

import shutil

import pytest
import torch
from toy import cycle, quick

from llamalite.config import preset
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.train import checkpoint, runs
from llamalite.train.interruption import RunFailed

CFG = preset("llama3-tiny", dim=32, n_layers=2, vocab_size=8, max_seq_len=5)
SETTINGS = quick(steps=4, save_every=2, eval_every=0)


@pytest.fixture
def folder(tmp_path):
    runs.create_run(tmp_path, CFG, ByteTokenizer(), {})
    runs.train_llama(tmp_path, CFG, cycle(), SETTINGS)
    return tmp_path


def test_opening_a_run_reads_the_model_and_nothing_else(folder):
    newest = checkpoint.latest(folder / "checkpoints")
    before = runs.load_run(folder).model.state_dict()
    (newest / "optimizer.safetensors").unlink()
    after = runs.load_run(folder)
    assert after.step == 4 and not after.model.training
    assert all(torch.equal(tensor, after.model.state_dict()[name]) for name, tensor in before.items())
    with pytest.raises(RunFailed, match=r"optimizer\.safetensors is missing"):
        runs.train_llama(folder, CFG, cycle(), quick(steps=6), resume=True)


def test_a_resumed_run_draws_no_weights(folder, monkeypatch):
    monkeypatch.setattr(runs, "init_weights", lambda *args: pytest.fail("drew weights"))
    runs.train_llama(folder, CFG, cycle(), quick(steps=5), resume=True)
    assert runs.load_run(folder).step == 5


def test_a_run_without_a_checkpoint_yet_begins_as_it_would_have(folder):
    before = runs.load_run(folder).model.state_dict()
    shutil.rmtree(folder / "checkpoints")
    runs.train_llama(folder, CFG, cycle(), SETTINGS, resume=True)
    after = runs.load_run(folder).model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_checkpoint_without_a_model(folder):
    newest = checkpoint.latest(folder / "checkpoints")
    shutil.rmtree(newest)
    checkpoint.save(newest.parent, 4, {"optimizer": {"w": torch.zeros(1)}})
    with pytest.raises(RunFailed, match=r"does not fit .*config\.json"):
        runs.load_run(folder)
