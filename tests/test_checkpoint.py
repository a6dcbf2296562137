"""Checkpoints that are whole or absent, and say which sentence when they are neither."""

import errno
import json
import os
import shutil

import pytest
import torch
from toy import Toy, cycle, quick

from llamalite.text.files import fingerprint
from llamalite.train import checkpoint
from llamalite.train.interruption import RunFailed
from llamalite.train.training import train

TENSORS = {"model": {"w": torch.arange(6.0).view(2, 3)}, "optimizer": {"w/step": torch.tensor(3.0)}}


@pytest.fixture
def root(tmp_path):
    """Two checkpoints."""
    checkpoint.save(tmp_path, 100, TENSORS, val_loss=2.0)
    checkpoint.save(tmp_path, 200, TENSORS, val_loss=1.0)
    return tmp_path


def test_what_is_saved_is_loaded(root):
    saved = checkpoint.load(root / "step_000200")
    assert (saved.step, saved.info) == (200, {"val_loss": 1.0})
    assert torch.equal(saved.tensors["model"]["w"], TENSORS["model"]["w"])
    assert saved.tensors["optimizer"]["w/step"] == 3
    assert sorted(os.listdir(root / "step_000200")) == [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]


def test_only_the_groups_that_are_wanted_are_read(root):
    """The other file may be damaged or gone; the one that is read is checked as ever."""
    folder = root / "step_000200"
    (folder / "optimizer.safetensors").unlink()
    saved = checkpoint.load(folder, ["model"])
    assert saved.step == 200 and saved.info == {"val_loss": 1.0} and list(saved.tensors) == ["model"]
    assert checkpoint.load(folder, []).tensors == {}
    with pytest.raises(RunFailed, match=r"optimizer\.safetensors is missing"):
        checkpoint.load(folder)
    os.truncate(folder / "model.safetensors", 10)
    with pytest.raises(RunFailed, match="has 10 bytes instead of"):
        checkpoint.load(folder, ["model"])


def test_a_file_cut_in_half(root):
    path = root / "step_000200" / "model.safetensors"
    size = path.stat().st_size
    os.truncate(path, size // 2)
    sentence = (
        f"{path} has {size // 2} bytes instead of {size}; remove the folder .* to fall back on step_000100"
    )
    with pytest.raises(RunFailed, match=sentence):
        checkpoint.load(root / "step_000200")
    shutil.rmtree(root / "step_000200")
    assert checkpoint.load(checkpoint.latest(root)).step == 100  # the way out is one


def test_a_changed_byte(root):
    path = root / "step_000200" / "optimizer.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RunFailed, match="has changed since it was written"):
        checkpoint.load(root / "step_000200")


@pytest.mark.parametrize("content", ['{"step": 20', "[]", '{"step": 200}', ""])
def test_a_corrupt_state(root, content):
    (root / "step_000200" / "state.json").write_text(content)
    with pytest.raises(RunFailed, match=r"state\.json is missing, cut off or not the JSON"):
        checkpoint.load(root / "step_000200")


def test_a_missing_file(root):
    (root / "step_000100" / "model.safetensors").unlink()
    with pytest.raises(RunFailed, match=r"model\.safetensors is missing"):
        checkpoint.load(root / "step_000100")


def test_the_only_checkpoint_offers_no_other(tmp_path):
    checkpoint.save(tmp_path, 1, TENSORS)
    (tmp_path / "step_000001" / "state.json").unlink()
    with pytest.raises(RunFailed, match="start again from step 0"):
        checkpoint.load(tmp_path / "step_000001")


def test_a_file_that_is_no_safetensors_is_never_unpickled(root):
    """With a state.json that vouches for it, a pickle is still refused."""
    folder = root / "step_000200"
    torch.save({"w": torch.zeros(1)}, folder / "model.safetensors")
    state = json.loads((folder / "state.json").read_text())
    state["files"]["model.safetensors"] = fingerprint((folder / "model.safetensors").read_bytes())
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(RunFailed, match="is no safetensors file"):
        checkpoint.load(folder)


@pytest.mark.parametrize("allowed", range(4))
def test_a_full_disk_leaves_the_earlier_checkpoint(root, monkeypatch, allowed):
    """The disk fills up at the first, second or third file, or when the folder itself is flushed."""
    real_sync, calls = os.fsync, []

    def sync(handle):
        calls.append(handle)
        if len(calls) > allowed:
            raise OSError(errno.ENOSPC, "No space left on device")
        real_sync(handle)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(RunFailed, match=r"step 300 .* the disk is full; step_000200 is intact; make room"):
        checkpoint.save(root, 300, TENSORS)
    monkeypatch.undo()
    assert sorted(os.listdir(root)) == ["step_000100", "step_000200"]
    assert checkpoint.load(root / "step_000200").step == 200
    assert checkpoint.load(checkpoint.save(root, 300, TENSORS)).step == 300


def test_what_a_crash_left_half_written_is_no_checkpoint(root):
    (root / "step_000300.partial").mkdir()
    (root / "step_000300.partial" / "model.safetensors").write_bytes(b"half")
    assert checkpoint.latest(root).name == "step_000200"
    assert checkpoint.load(checkpoint.save(root, 300, TENSORS)).step == 300
    assert not (root / "step_000300.partial").exists()


def test_the_last_two_and_the_best_are_kept(tmp_path):
    losses = {1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5, 5: None}
    for step, loss in losses.items():
        checkpoint.save(tmp_path, step, TENSORS, **({"val_loss": loss} if loss else {}))
        checkpoint.prune(tmp_path)
    assert [folder.name for folder in checkpoint.all_folders(tmp_path)] == [
        "step_000002",
        "step_000004",
        "step_000005",
    ]


def test_pruning_leaves_a_damaged_folder_alone(tmp_path):
    for step in range(1, 5):
        checkpoint.save(tmp_path, step, TENSORS)
    (tmp_path / "step_000001" / "state.json").unlink()
    checkpoint.prune(tmp_path)
    assert [folder.name for folder in checkpoint.all_folders(tmp_path)] == [
        "step_000001",
        "step_000003",
        "step_000004",
    ]


def test_steps_beyond_a_million_stay_in_order(tmp_path):
    for step in (999_999, 1_000_000):
        checkpoint.save(tmp_path, step, TENSORS)
    assert checkpoint.latest(tmp_path).name == "step_1000000"


def test_another_shape_is_refused(tmp_path):
    train(model := Toy(8), model, cycle(), quick(steps=5), tmp_path)
    with pytest.raises(RunFailed, match="belongs to a model of another shape"):
        train(model := Toy(9), model, cycle(), quick(steps=10), tmp_path, resume=True)
