"""The training loop: any ``nn.Module``, any callable from tokens to logits, no word of Llama.

Everything random is a pure function of the seed and the step, so a run that stops and resumes
ends in the same bits as one that never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn
from tqdm import tqdm

from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.train import checkpoint
from llamalite.train.batches import batch, document_windows, windows
from llamalite.train.device import autocast, peak_flops
from llamalite.train.interruption import Interrupted, RunFailed, StopSignals
from llamalite.train.metrics import MetricsLog, Silence, read_metrics
from llamalite.train.schedule import learning_rate
from llamalite.train.spikes import SpikeWatch

Forward = Callable[[Int[Tensor, "B T"]], Float[Tensor, "B T V"]]


class Data(NamedTuple):
    """Token ids of both parts of a text, on the CPU, of any width; they may lie in a memory map."""

    train: Integer[Tensor, " n"]
    held_out: Integer[Tensor, " m"]  # begins with a token that is only looked at, such as bos
    held_out_bytes: int  # of UTF-8, behind held_out[1:]
    starts: Int[Tensor, " s"] | None = None  # where windows of train may begin; None: anywhere
    held_out_starts: Int[Tensor, " t"] | None = None  # where documents of held_out begin; None: one text


@dataclass(frozen=True)
class Settings:
    """What defines a run, besides model and data. ``device`` and ``dtype`` as torch names them."""

    steps: int = 1000
    batch_size: int = 16  # windows a step, over all micro-batches
    seq_len: int = 64  # tokens a window
    accumulate: int = 1  # micro-batches a step: less memory, same mathematics
    lr: float = 3e-3  # at the peak
    warmup: int = 50  # steps
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8  # of AdamW; Llama 2 took 1e-5 (facts A3)
    clip: float = 1.0  # largest norm of all gradients together
    seed: int = 0
    eval_every: int = 200  # steps; 0: only at the end
    save_every: int = 200
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "seq_len", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("warmup", "eval_every", "save_every", "weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"{self.batch_size} windows cannot be cut into {self.accumulate} micro-batches; "
                f"accumulate must be at most batch_size"
            )


class StepStats(NamedTuple):
    loss: float  # nats a token
    lr: float
    grad_norm: float  # before clipping


class Score(NamedTuple):
    """How well held-out text is predicted."""

    nats_per_token: float
    bits_per_byte: float  # the same whatever the tokenizer, so that models can be compared


def build_adamw(model: nn.Module, s: Settings) -> torch.optim.AdamW:
    """Weight decay on matrices only: gains and biases have nothing to gain from being small."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": s.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], lr=s.lr, betas=s.betas, eps=s.eps, fused=True
    )


def train_step(
    forward: Forward, optimizer: torch.optim.Optimizer, data: Data, step: int, s: Settings
) -> StepStats:
    """One update from ``batch_size`` windows, in ``accumulate`` pieces. A bad number stops it before."""
    lr = learning_rate(step, s.lr, s.warmup, s.steps)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    inputs, targets = batch(data.train, step, s.batch_size, s.seq_len, s.seed, data.starts)
    loss = torch.zeros((), device=s.device)
    parts = zip(inputs.tensor_split(s.accumulate), targets.tensor_split(s.accumulate), strict=True)
    for x, y in parts:
        part = losses(forward, x, y, s).sum() / targets.numel()
        part.backward()
        loss += part.detach()
    params = [p for group in optimizer.param_groups for p in group["params"]]
    grad_norm = nn.utils.clip_grad_norm_(params, s.clip)
    stats = StepStats(loss.item(), lr, grad_norm.item())
    if not (math.isfinite(stats.loss) and math.isfinite(stats.grad_norm)):
        raise RunFailed(f"the loss is {stats.loss} (gradient norm {stats.grad_norm}) at step {step}")
    optimizer.step()
    return stats


def losses(
    forward: Forward, x: Integer[Tensor, "B T"], y: Integer[Tensor, "B T"], s: Settings
) -> Float[Tensor, "B T"]:
    x, y = (ids.to(s.device).long() for ids in (x, y))  # wide only now: on the disk an id is two bytes
    with autocast(s.device, s.dtype):
        return cross_entropy(forward(x), y)


@torch.no_grad()
def evaluate(forward: Forward, data: Data, s: Settings) -> Score:
    """The whole held-out text in windows of ``seq_len``: every token counts once.

    The first token of a window is predicted from the one before it alone, as in training.
    """
    if data.held_out_starts is None:
        batches = ((x, y, 1) for x, y in windows(data.held_out, s.batch_size, s.seq_len))
    else:
        batches = document_windows(data.held_out, data.held_out_starts, s.batch_size, s.seq_len)
    nats = sum((losses(forward, x, y, s).cpu().double() * counts).sum().item() for x, y, counts in batches)
    return Score(nats / (len(data.held_out) - 1), nats / math.log(2) / data.held_out_bytes)


class Alone:
    """How one process works; ``train.parallel`` puts many in its place, and the loop is the same."""

    speaks = True  # this process keeps the log and shows the bar
    size = 1  # processes, each with a device of its own

    def step(self, forward: Forward, optimizer, data: Data, step: int, s: Settings) -> StepStats:
        return train_step(forward, optimizer, data, step, s)

    def evaluate(self, forward: Forward, data: Data, s: Settings) -> Score:
        return evaluate(forward, data, s)

    def stopped(self, received: int | None) -> int | None:
        """The signal that ends the run after this step."""
        return received

    def newest(self, folder: Path) -> Path | None:
        """The last checkpoint."""
        return checkpoint.latest(folder / "checkpoints")

    def restore(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """The step at which to go on; 0 if there is nothing to resume."""
        newest = self.newest(folder)
        return checkpoint.load_training(newest, model, optimizer) if newest else 0

    def save(self, folder: Path, step: int, model, optimizer, score: Score | None, spike: int | None) -> None:
        known = score._asdict() if score else {}
        checkpoint.save_training(folder / "checkpoints", step, model, optimizer, known, spike)


def train(
    model: nn.Module,
    forward: Forward,
    data: Data,
    s: Settings,
    folder: Path,
    resume: bool = False,
    flops_per_token: int | None = None,
    crew: Alone | None = None,
) -> Score | None:
    """Run from step 0, or from the last checkpoint, to ``s.steps``; return the last validation.

    Writes ``folder/metrics.jsonl`` and ``folder/checkpoints``. With ``flops_per_token`` and a device
    whose peak is known, the metrics say what share of it was used (MFU, facts G3). ``crew`` says who
    works: this process alone, or many (``train.parallel.crew``).
    Raises ``Interrupted`` after a clean save on Ctrl-C or SIGTERM, and ``RunFailed`` when the loss or
    the disk gives out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crew, optimizer = crew or Alone(), build_adamw(model, s)
    root = folder / "checkpoints"
    start = crew.restore(folder, model, optimizer) if resume else 0
    score, watch = None, SpikeWatch.after(read_metrics(folder / "metrics.jsonl"), start)
    peak = peak_flops(s.device, s.dtype) if flops_per_token else None
    with (
        StopSignals() as stop,
        MetricsLog(folder / "metrics.jsonl", after=start) if crew.speaks else Silence() as log,
        tqdm(total=s.steps, initial=start, unit="step", disable=None if crew.speaks else True) as bar,
    ):
        for step in range(start, s.steps):
            began = time.perf_counter()
            stats = guarded_step(crew, forward, optimizer, data, step, s, folder)
            speed = s.batch_size * s.seq_len / (time.perf_counter() - began)
            done, last = step + 1, step + 1 == s.steps
            fresh = validate(crew, model, forward, data, s) if last or due(done, s.eval_every) else None
            score = fresh or score
            spike = watch.hear(done, stats.loss)
            if crew.speaks:
                warn(spike, watch, root)
            more = {
                "mfu": round(speed * flops_per_token / (peak * crew.size), 4) if peak else None,
                "spike": spike and 1,
            }
            report(log, bar, done, stats, speed, fresh, score, s, **more)
            stopped = crew.stopped(stop.received)
            if last or due(done, s.save_every) or stopped:
                crew.save(folder, done, model, optimizer, fresh, watch.began)
            if stopped and not last:
                raise Interrupted(
                    stopped,
                    f"stopped; step {done} of {s.steps} is saved; "
                    f"continue with: llamalite train --out {folder} --resume",
                )
    return score


def validate(crew: Alone, model: nn.Module, forward: Forward, data: Data, s: Settings) -> Score:
    model.eval()  # for models with dropout; a Llama has none
    try:
        return crew.evaluate(forward, data, s)
    finally:
        model.train()


def due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def guarded_step(
    crew: Alone, forward, optimizer, data: Data, step: int, s: Settings, folder: Path
) -> StepStats:
    try:
        return crew.step(forward, optimizer, data, step, s)
    except RunFailed as error:
        newest = crew.newest(folder)
        kept = f"{newest} is kept" if newest else "no checkpoint was written yet"
        raise RunFailed(f"{error}; {kept}; train again with a lower --lr, or a longer --warmup") from None
    except torch.OutOfMemoryError as error:
        raise RunFailed(f"out of memory at step {step}; raise --accumulate, or lower --batch-size") from error


def warn(spike: str | None, watch: SpikeWatch, root: Path) -> None:
    """Say that the loss has jumped, and where there is to go back to."""
    if spike:
        good = checkpoint.newest_before(root, watch.began)
        kept = f"{good.name}, from before, is kept" if good else "no checkpoint is from before"
        tqdm.write(f"{spike}; {kept}; if it happens again, take a lower --lr or a longer --warmup")


def report(
    log: MetricsLog | Silence,
    bar: tqdm,
    done: int,
    stats: StepStats,
    speed: float,
    fresh: Score | None,
    score: Score | None,
    s: Settings,
    **more: float | None,
) -> None:
    log.write(
        step=done,
        **stats._asdict(),
        tokens=done * s.batch_size * s.seq_len,
        tokens_per_s=round(speed, 1),
        val_loss=fresh and fresh.nats_per_token,
        val_bits_per_byte=fresh and fresh.bits_per_byte,
        **more,
    )
    val = f", {score.bits_per_byte:.3f} bits/byte held out" if score else ""
    bar.set_postfix_str(f"loss {stats.loss:.3f}, {speed:,.0f} tokens/s{val}", refresh=False)
    bar.update()
    if fresh and log.speaks:
        tqdm.write(
            f"step {done:>6}  loss {stats.loss:.3f}  held out {fresh.nats_per_token:.3f} nats/token, "
            f"{fresh.bits_per_byte:.3f} bits/byte"
        )
