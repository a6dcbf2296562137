"""A spike is far from the usual, and the usual is what came before it."""

import numpy as np
from toy import Toy, cycle, quick

from llamalite.train import checkpoint
from llamalite.train.metrics import read_metrics
from llamalite.train.spikes import WINDOW, SpikeWatch
from llamalite.train.training import train


def heard(losses):
    watch = SpikeWatch()
    return [step for step, loss in enumerate(losses) if watch.hear(step, float(loss))], watch


def noisy(n, start=3.0, end=2.0):
    return np.geomspace(start, end, n) + 0.05 * np.random.default_rng(0).standard_normal(n)


def test_a_noisy_loss_that_falls_has_none():
    for start in (3.0, 30.0):
        assert heard(noisy(2000, start=start))[0] == []


def test_a_jump_is_said_once_and_again_only_after_calm():
    losses = noisy(300)
    losses[100:110] += 3.0
    losses[200] += 3.0
    said, watch = heard(losses)
    assert said == [100, 200] and watch.began == 200


def test_a_loss_that_stays_up_becomes_the_usual():
    losses = np.concatenate([noisy(100), noisy(300, 6.0, 6.0)])
    said, _ = heard(losses)
    assert said == [100]
    losses[390] += 9.0
    assert heard(losses)[0] == [100, 390]


def test_a_constant_loss_may_tremble():
    assert heard([1.0] * 50 + [1.1] + [1.0] * 50)[0] == []
    assert heard([1.0] * 50 + [1.3])[0] == [50]


def test_a_resumed_watch_is_the_one_that_never_stopped():
    losses = noisy(200)
    losses[90:95] += 4.0
    whole, straight = heard(losses)
    rows = [{"step": step, "loss": loss} for step, loss in enumerate(losses.tolist())]
    resumed = SpikeWatch.after(rows, 120)
    for step in range(121, 200):
        resumed.hear(step, float(losses[step]))
    assert vars(resumed) == vars(straight) and whole == [90] and len(straight.usual) == WINDOW


class Jumps(Toy):
    """Its logits turn over for a moment after 40 steps, as a bad batch would have it."""

    calls = 0

    def forward(self, tokens):
        self.calls += self.training
        return super().forward(tokens) * (-30 if self.calls == 41 else 1)


def test_the_checkpoint_from_before_a_spike_is_kept(tmp_path, capsys):
    model = Jumps()
    train(model, model, cycle(), quick(steps=80, save_every=10, eval_every=0), tmp_path)
    kept = [folder.name for folder in checkpoint.all_folders(tmp_path / "checkpoints")]
    assert kept == ["step_000040", "step_000070", "step_000080"]
    assert "step 41: the loss has jumped" in capsys.readouterr().out
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl") if row.get("spike")] == [41]
