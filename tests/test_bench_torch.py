"""The benchmark's arithmetic, and that the README shows what was measured."""

import json
from pathlib import Path

import bench_torch
import pytest
import torch
from bench_torch import agree, table
from racers import OURS, Race, build, drawn, tokens_of

from llamalite.config import preset
from llamalite.text.corpus import DATA

RECORD = json.loads((DATA / "bench.json").read_text(encoding="utf-8"))


class Scripted:
    """A worker whose times are given: two warm-ups, then the rounds."""

    def __init__(self, way, race, device, threads):
        self.seconds = iter([9.0, 9.0, *{"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 4.0, 4.0]}[way]])

    def __call__(self, unit):
        return {"seconds": next(self.seconds), "answer": 1.0}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_ratios_are_taken_round_by_round(monkeypatch):
    """3/1, 4/2, 4/4: the median is 2, though the medians of the times are 2 and 4."""
    monkeypatch.setattr(bench_torch, "Worker", Scripted)
    race = Race("train", "llama3-tiny", 2, 8)
    ours, theirs = bench_torch.run(race, ("ours", "theirs"), 3, "cpu", 1)
    assert theirs["ours_is_times_as_fast"] == 2 and ours["ours_is_times_as_fast"] == 1
    assert ours["tokens_per_s"] == 16 / 2 and theirs["tokens_per_s"] == 16 / 4


def test_who_comes_elsewhere_does_not_race():
    race = Race("train", "llama3-tiny", 2, 8)
    agree(race, {OURS: 6.0, "theirs": 6.01})
    with pytest.raises(SystemExit, match="nothing to compare"):
        agree(race, {OURS: 6.0, "theirs": 6.1})
    with pytest.raises(SystemExit, match="nothing to compare"):
        agree(race._replace(what="decode"), {OURS: [1, 2], "theirs": [1, 3]})


@pytest.mark.parametrize("way", bench_torch.CPU_WAYS["train"])
def test_every_way_to_train_begins_at_the_same_loss_and_goes_down(way):
    race, cpu = Race("train", "llama3-tiny", 2, 16), torch.device("cpu")
    step = build(way, race, cpu)
    first, *_, last = [step(0) for _ in range(12)]
    assert first == pytest.approx(FIRST, abs=0.02) and last < first - 0.1


def first_loss() -> float:
    from llamalite.in_torch.cross_entropy import cross_entropy
    from llamalite.in_torch.llama import Llama, init_weights

    race = Race("train", "llama3-tiny", 2, 16)
    x, y = drawn(tokens_of(race), race, 0, torch.device("cpu"))
    with torch.no_grad():
        return cross_entropy(init_weights(Llama(preset("llama3-tiny")), 1)(x), y).mean().item()


FIRST = first_loss()


def test_the_readme_shows_what_was_measured():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert table(RECORD) in readme and RECORD["date"] in readme
    assert len(RECORD["rows"]) == sum(len(bench_torch.CPU_WAYS[race.what]) for race in bench_torch.CPU_RACES)
