"""The loop with a toy whose answers are known; the arithmetic is done here."""

import math
import shutil

import pytest
import torch
from torch import nn
from toy import Toy, cycle, quick

from llamalite.config import preset
from llamalite.train import checkpoint
from llamalite.train.batches import batch, document_starts, document_windows, windows
from llamalite.train.interruption import RunFailed
from llamalite.train.metrics import MetricsLog, read_metrics
from llamalite.train.runs import train_llama
from llamalite.train.schedule import learning_rate
from llamalite.train.training import Data, Settings, build_adamw, evaluate, train, train_step


def run(folder, model=None, resume=False, data=None, **changes):
    model = model or Toy()
    return model, train(model, model, data or cycle(), quick(**changes), folder, resume)


# --- the learning rate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 3e-4 / 2000),
        (999, 1.5e-4),
        (1999, 3e-4),
        (126_999, 3e-4 * 0.55),  # half of the cosine: midway between 1 and 0.1
        (251_999, 3e-5),
        (10**9, 3e-5),
    ],
)
def test_llama_1s_schedule(step, expected):
    """Facts A3: peak 3e-4, 2,000 steps of warm-up, a cosine to 10%."""
    assert learning_rate(step, 3e-4, 2000, 252_000) == pytest.approx(expected, rel=1e-12)


def test_no_warmup_and_all_warmup():
    assert learning_rate(0, 1.0, 0, 1) == pytest.approx(0.1)
    assert learning_rate(4, 1.0, 10, 5) == 0.5


# --- the data ------------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_and_step_alone():
    ids = torch.arange(1000)
    x, y = batch(ids, step=7, batch_size=4, seq_len=9, seed=3)
    assert torch.equal(y, x + 1) and x.shape == (4, 9)
    assert torch.equal(x, batch(ids, 7, 4, 9, 3)[0])
    assert not torch.equal(x, batch(ids, 8, 4, 9, 3)[0])
    assert not torch.equal(x, batch(ids, 7, 4, 9, 4)[0])


def test_every_place_of_the_text_is_drawn():
    starts = batch(torch.arange(12), 0, batch_size=500, seq_len=3)[0][:, 0]
    assert set(starts.tolist()) == set(range(9))  # 8 + 3 is the last token, as a target


def test_windows_of_documents_begin_where_a_document_does():
    """Documents of 1s to 5s, two newlines (9) after each: every window is newline, then a first token."""
    ids = torch.tensor([token for i in range(1, 6) for token in [i] * 4 + [9, 9]] * 3)
    starts = document_starts(ids, newline=9, seq_len=5)
    x, y = batch(ids, 0, batch_size=200, seq_len=5, starts=starts)
    assert set(x[:, 0].tolist()) == {9} and (y[:, 0] == y[:, 3]).all()
    assert set(y[:, 0].tolist()) == {1, 2, 3, 4, 5}
    assert int(starts.max()) + 5 < len(ids)


@pytest.mark.parametrize("seq_len", [2, 5, 7, 40])
def test_windows_of_documents_predict_every_token_once_from_the_documents_start(seq_len):
    ids, starts = torch.arange(23), torch.tensor([5, 12, 13])
    seen = []
    for x, y, counts in document_windows(ids, starts, batch_size=2, seq_len=seq_len):
        assert (y == x + 1)[counts].all()
        seen += y[counts].tolist()
        assert all(first in {0, 5, 12, 13} or seq_len < 12 for first in x[:, 0].tolist())
    assert sorted(seen) == list(range(1, 23))


def test_a_text_shorter_than_a_context_is_refused():
    with pytest.raises(ValueError, match="has 9 tokens, and a context of 9 needs 10"):
        batch(torch.arange(9), 0, 1, 9)


@pytest.mark.parametrize("n", [2, 5, 16, 17, 23])
def test_windows_predict_every_token_once(n):
    ids = torch.arange(n)
    pairs = list(windows(ids, batch_size=2, seq_len=4))
    assert torch.cat([y.flatten() for _, y in pairs]).tolist() == list(range(1, n))
    assert all(torch.equal(y, x + 1) for x, y in pairs)


# --- one step ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [2, 4, 6])
def test_accumulation_changes_nothing_but_rounding(pieces):
    """4 pieces of 6 windows are uneven: a mean of means would be wrong."""
    results = []
    for accumulate in (1, pieces):
        model = Toy(seed=5).double()
        stats = train_step(model, build_adamw(model, quick()), cycle(), 3, quick(accumulate=accumulate))
        results.append((stats, model.table.detach(), model.table.grad))
    (one, table, grad), (many, table_n, grad_n) = results
    assert many == pytest.approx(one, rel=1e-6)
    torch.testing.assert_close(grad_n, grad, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(table_n, table, rtol=1e-6, atol=1e-9)


def test_the_reported_norm_is_the_one_before_clipping():
    norms = []
    for clip in (1e-3, 1e3):
        model = Toy()
        stats = train_step(model, build_adamw(model, quick()), cycle(), 0, quick(clip=clip))
        norms.append(math.sqrt(sum(p.grad.square().sum().item() for p in model.parameters())))
        assert stats.grad_norm > 0.1
    assert norms[0] == pytest.approx(1e-3, rel=1e-3)
    assert norms[1] == pytest.approx(stats.grad_norm, rel=1e-5)


def test_only_matrices_decay():
    """Without a gradient's pull, a step of AdamW is w · (1 − lr · decay), and gains stand still."""
    model = Toy()
    before = model.table.detach().clone(), model.gain.detach().clone()
    optimizer = build_adamw(model, quick(weight_decay=0.1, lr=0.5))
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(model.table.detach(), before[0] * (1 - 0.5 * 0.1))
    assert torch.equal(model.gain.detach(), before[1])


def test_an_epsilon_as_large_as_the_gradient_halves_the_step():
    """g / (|g| + eps) = 1/2 at the first step, so what moves is half of the learning rate."""
    model = Toy()
    before = model.gain.detach().clone()
    optimizer = build_adamw(model, quick(eps=1e-3, lr=0.5))
    for p in model.parameters():
        p.grad = torch.full_like(p, 1e-3)
    optimizer.step()
    torch.testing.assert_close(before - model.gain.detach(), torch.full((8,), 0.25))


@pytest.mark.parametrize("wrong", ["steps", "batch_size", "seq_len", "accumulate", "lr", "clip"])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{wrong} is 0; it must be"):
        Settings(**{wrong: 0})


# --- validation ----------------------------------------------------------------------------------


def test_a_uniform_model_needs_log2_v_bits_a_token():
    """10 tokens, each log2(16) = 4 bits, over 25 bytes: 1.6 bits a byte, whatever the window."""
    held_out = torch.randint(0, 16, (11,), generator=torch.Generator().manual_seed(0))
    for seq_len in (1, 3, 10, 64):
        data = Data(held_out, held_out, held_out_bytes=25)
        score = evaluate(lambda x: torch.zeros(*x.shape, 16), data, quick(seq_len=seq_len))
        assert score.bits_per_byte == pytest.approx(10 * 4 / 25, rel=1e-6)
        assert score.nats_per_token == pytest.approx(math.log(16), rel=1e-6)


def test_short_last_windows_do_not_count_more():
    """Probabilities 1/2 for token 1 and 1/8 for others: 1 and 3 bits; 5 tokens, 1+1+1+1+3 = 7 bits."""
    logits = torch.tensor([1 / 8, 1 / 2, 1 / 8, 1 / 8, 1 / 8]).log()
    data = Data(torch.tensor([0]), torch.tensor([0, 1, 1, 1, 1, 4]), held_out_bytes=7)
    score = evaluate(lambda x: logits.expand(*x.shape, 5), data, quick(seq_len=4, batch_size=1))
    assert score.bits_per_byte == pytest.approx(1.0, rel=1e-6)


# --- the run -------------------------------------------------------------------------------------


def test_it_learns_the_cycle(tmp_path):
    model, score = run(tmp_path, steps=200, lr=0.3, save_every=0, eval_every=0)
    assert torch.equal(model(torch.arange(8)).argmax(-1), (torch.arange(8) + 1) % 8)
    assert score.bits_per_byte < 0.05


def test_metrics_hold_a_line_a_step(tmp_path):
    run(tmp_path, steps=7)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 8))
    assert [row["tokens"] for row in rows] == [30 * step for step in range(1, 8)]
    assert [row["lr"] for row in rows] == [learning_rate(step, 0.1, 2, 7) for step in range(7)]
    assert [row["step"] for row in rows if "val_loss" in row] == [5, 7]
    every = {"step", "loss", "lr", "grad_norm", "tokens", "tokens_per_s"}
    assert all(every <= set(row) <= every | {"val_loss", "val_bits_per_byte"} for row in rows)


def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    straight, _ = run(tmp_path / "straight")
    run_until(tmp_path / "resumed", 10)
    resumed, _ = run(tmp_path / "resumed", Toy(seed=99), resume=True)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    losses = [
        [row["loss"] for row in read_metrics(tmp_path / f / "metrics.jsonl")] for f in ("straight", "resumed")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 20
    last = [checkpoint.load(tmp_path / f / "checkpoints" / "step_000020") for f in ("straight", "resumed")]
    assert all(
        torch.equal(a, last[1].tensors["optimizer"][k]) for k, a in last[0].tensors["optimizer"].items()
    )


def run_until(folder, step):
    """A 20-step run that dies, without a last save, just after ``step`` + 2."""

    class Dies(Toy):
        calls = 0

        def forward(self, tokens):
            if self.training and torch.is_grad_enabled():
                self.calls += 1
            if self.calls > step + 2:
                raise MemoryError
            return super().forward(tokens)

    with pytest.raises(MemoryError):
        run(folder, Dies())
    assert checkpoint.latest(folder / "checkpoints").name == f"step_{step:06d}"
    assert len(read_metrics(folder / "metrics.jsonl")) == step + 2  # two lines that the resume must drop


def test_resuming_with_other_micro_batches_differs_by_rounding_only(tmp_path):
    straight, _ = run(tmp_path / "straight")
    run_until(tmp_path / "resumed", 10)
    resumed, _ = run(tmp_path / "resumed", Toy(seed=99), resume=True, accumulate=3)
    torch.testing.assert_close(resumed.table, straight.table, rtol=1e-4, atol=1e-5)


def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n{"step": 3, "lo')
    with MetricsLog(path, after=1) as log:
        log.write(step=2, loss=1.25, val_loss=None)
    assert path.read_text() == '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.25}\n'


class Explodes(Toy):
    """Its gain turns into NaN at the ninth step, by way of an infinite logit."""

    calls = 0

    def forward(self, tokens):
        self.calls += torch.is_grad_enabled()
        return super().forward(tokens) * (math.inf if self.calls > 8 else 1.0)


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(RunFailed, match=r"loss is nan .* at step 8; .*step_000005 is kept; .*lower --lr"):
        run(tmp_path, Explodes())
    kept = checkpoint.load(tmp_path / "checkpoints" / "step_000005")
    assert all(t.isfinite().all() for group in kept.tensors.values() for t in group.values())
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 8


def test_a_nan_gradient_never_reaches_the_weights():
    model = Explodes()
    model.calls = 8
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(RunFailed):
        train_step(model, build_adamw(model, quick()), cycle(), 0, quick())
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_any_module_will_do(tmp_path):
    """Biases, and a forward that is not the module's own."""
    model = nn.Sequential(nn.Embedding(8, 4), nn.Linear(4, 8))
    score = train(model, lambda tokens: model(tokens), cycle(), quick(steps=3), tmp_path)
    assert math.isfinite(score.bits_per_byte)


def test_a_llama_that_lost_its_last_checkpoint_gets_the_same_one_again(tmp_path):
    """Eight steps; the checkpoint of step 8 is taken away; resumed from step 4 it is the same to the byte."""
    cfg = preset("llama3-tiny", dim=32, n_layers=2, vocab_size=8, max_seq_len=5)
    settings = quick(steps=8, save_every=4, eval_every=0, lr=1e-2, accumulate=2)
    train_llama(tmp_path, cfg, cycle(), settings)
    last = tmp_path / "checkpoints" / "step_000008"
    straight = {path.name: path.read_bytes() for path in last.glob("*.safetensors")}
    shutil.rmtree(last)
    train_llama(tmp_path, cfg, cycle(), settings, resume=True)
    assert {path.name: path.read_bytes() for path in last.glob("*.safetensors")} == straight
    assert set(straight) == {"model.safetensors", "optimizer.safetensors"}
