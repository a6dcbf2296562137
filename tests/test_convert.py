"""``llamalite convert`` and ``llamalite verify``, as they are typed."""

import json

import pytest
import torch
from oracle import shape, sharp_weights
from safetensors.torch import load_file, save_file
from shell import refused, shell

from llamalite.cli import main
from llamalite.in_torch.weights.conversion import convert, open_weights
from llamalite.in_torch.weights.folders import Weights
from llamalite.train.runs import load_run


@pytest.fixture
def theirs(tmp_path):
    cfg = shape("llama3.1", vocab_size=120, dim=96, hidden_dim=144, max_seq_len=4096)
    state = {name: torch.tensor(w, dtype=torch.float32) for name, w in sharp_weights(cfg).items()}
    convert(Weights(cfg, "run", state.__getitem__), tmp_path / "theirs", "hugging-face")
    (tmp_path / "theirs" / "tokenizer.model").write_bytes(b"pieces")
    return tmp_path / "theirs"


def test_there_and_back(theirs, tmp_path, capsys):
    result = shell(f"convert {theirs} {tmp_path}/metas --to meta --shards 3 --dtype bfloat16", capsys)
    assert result.code == 0 and "hugging-face, " in result.out and "llamalite verify" in result.out
    found = open_weights(tmp_path / "metas")
    assert found.format == "meta" and found.read("norm.weight").dtype == torch.bfloat16
    assert (tmp_path / "metas" / "tokenizer.model").read_bytes() == b"pieces"
    refused(shell(f"convert {theirs} {tmp_path}/metas --to meta", capsys), 2, "nothing is overwritten")
    refused(shell(f"convert {tmp_path} {tmp_path}/x --to meta", capsys), 2, "holds no weights", "params.json")
    refused(shell(f"convert {tmp_path}/no {tmp_path}/x --to meta", capsys), 2, "there is no folder")


def test_a_run_can_leave_home(tmp_path, capsys):
    line = "--device cpu --dim 32 --n-layers 1 --n-heads 2 --vocab-size bytes --steps 2 --eval-every 0"
    assert main(f"train --out {tmp_path}/run {line} --save-every 0".split()) == 0
    capsys.readouterr()
    assert shell(f"convert {tmp_path}/run {tmp_path}/out --to hugging-face", capsys).code == 0
    state = load_run(tmp_path / "run").model.state_dict()
    found = open_weights(tmp_path / "out")
    assert all(torch.equal(found.read(name), w) for name, w in state.items())
    assert not (tmp_path / "out" / "tokenizer.json").exists()


def test_verify_compares_with_transformers_at_long_positions(theirs, tmp_path, capsys):
    result = shell(f"verify {theirs}", capsys)
    assert result.code == 0 and result.out.count(": equal") == 4 and "4,048–4,095" in result.out
    convert(open_weights(theirs), tmp_path / "metas", "meta")
    result = shell(f"verify {tmp_path}/metas", capsys)
    assert result.code == 0 and result.out.count(": equal") == 4 and "131,024–131,071" in result.out


def test_verify_finds_what_is_wrong(theirs, monkeypatch, capsys):
    config = json.loads((theirs / "config.json").read_text())
    import llamalite.commands.verify as command

    def misled(folder):
        """transformers, not told of the scaling: only tokens that stand far apart can show it."""
        (folder / "config.json").write_text(json.dumps(config | {"rope_scaling": None}))
        return load_theirs(folder)

    load_theirs = command.load_theirs
    monkeypatch.setattr(command, "load_theirs", misled)
    result = shell(f"verify {theirs}", capsys)
    assert result.code == 1 and "NOT EQUAL" in result.out and "read differently" in result.err
    tensors = load_file(theirs / "model.safetensors")
    tensors["model.norm.weight"][3] = torch.nan
    save_file(tensors, theirs / "model.safetensors")
    refused(shell(f"verify {theirs}", capsys), 1, "norm.weight holds nan")
