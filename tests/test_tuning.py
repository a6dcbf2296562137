"""The loop after pretraining: chance by seed and step, resumes that change nothing, clean stops."""

import json
import os
import signal

import pytest
import torch
from torch import nn

from llamalite.align.tuning import Learner, Tuning, drawn, generator, run_steps
from llamalite.train import checkpoint
from llamalite.train.interruption import Interrupted, RunFailed
from llamalite.train.metrics import read_metrics

HOW = Tuning(steps=6, batch_size=3, lr=0.1, warmup=2)


def learner(seed=0) -> Learner:
    torch.manual_seed(seed)
    return Learner.of(nn.Linear(4, 1), HOW)


def step_of(one: Learner, two: Learner):
    """Both learn to foresee each step's own draw."""

    def step(i):
        x = torch.randn(5, 4, generator=generator(1, i))
        return {
            name: l.learn(l.model(x).square().mean(), i)["loss"] for name, l in (("loss", one), ("b", two))
        }

    return step


def run(folder=None, steps=6, after_step=lambda done: None, **options):
    one, two = learner(), learner(1)
    learners = {"model": one, "value": two}
    made = run_steps(steps, step_of(one, two), learners, folder, after_step=after_step, **options)
    return made, [p.detach().clone() for l in (one, two) for p in l.model.parameters()]


def test_every_epoch_has_all_examples_once():
    seen = [i for step in range(7) for i in drawn(7, step, 3, seed=5)]
    for epoch in range(3):
        assert sorted(seen[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert seen[:7] != seen[7:14] and seen[:3] == list(drawn(7, 0, 3, seed=5))


def test_chance_belongs_to_seed_and_step():
    draws = {
        (seed, step): torch.rand(1, generator=generator(seed, step)).item()
        for seed in (0, 1)
        for step in (0, 1)
    }
    assert len(set(draws.values())) == 4
    assert torch.rand(1, generator=generator(0, 1)).item() == draws[0, 1]


def test_a_run_that_stops_and_goes_on_ends_in_the_same_bits(tmp_path):
    whole, weights = run(tmp_path / "whole")
    kill = lambda done: os.kill(os.getpid(), signal.SIGINT) if done == 2 else None  # noqa: E731
    with pytest.raises(Interrupted, match="step 2 of 6 is saved") as stopped:
        run(tmp_path / "parts", after_step=kill)
    assert stopped.value.exit_code == 130
    rest, again = run(tmp_path / "parts", resume=True)
    assert rest == whole[2:]
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))
    rows = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    assert rows[0] == rows[1] == [{"step": i + 1, **m} for i, m in enumerate(whole)]


def test_without_a_folder_nothing_is_written_and_the_numbers_are_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run()[0] == run(tmp_path / "there")[0]
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_checkpoints_come_when_asked_for(tmp_path):
    run(tmp_path, save_every=4)
    assert [path.name for path in checkpoint.all_folders(tmp_path / "checkpoints")] == [
        "step_000004",
        "step_000006",
    ]
    files = {path.name for path in (tmp_path / "checkpoints" / "step_000006").iterdir()}
    assert files == {f"{n}.safetensors" for n in ("model", "optimizer", "value", "value-optimizer")} | {
        "state.json"
    }


def test_a_checkpoint_of_another_stage_is_refused(tmp_path):
    run(tmp_path)
    other = Learner.of(nn.Linear(3, 1), HOW)
    with pytest.raises(RunFailed, match="another stage or another shape"):
        run_steps(7, lambda i: {}, {"model": other}, tmp_path, resume=True)


def test_a_bad_number_stops_before_it_does_harm():
    one = learner()
    before = json.dumps([p.tolist() for p in one.model.parameters()])
    with pytest.raises(RunFailed, match=r"the loss is nan.* at step 4; try a lower --lr"):
        one.learn(one.model(torch.full((1, 4), float("nan"))).sum(), 4)
    assert json.dumps([p.tolist() for p in one.model.parameters()]) == before


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch_size": 0}, {"lr": 0.0}, {"clip": float("inf")}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*must be"):
        Tuning(**wrong)
