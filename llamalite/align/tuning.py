"""The loop of every stage after pretraining: steps that can stop, go on, and end in the same bits.

``train/training.py`` knows windows of one long text; here a step is whatever the stage says (a batch of
dialogues, of pairs, or a round of PPO), and there may be two models with an optimiser each. What is random
in a step is a pure function of the seed and the step, so that a resumed run repeats one that never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from llamalite.train import checkpoint
from llamalite.train.interruption import Interrupted, RunFailed, StopSignals
from llamalite.train.metrics import MetricsLog
from llamalite.train.schedule import learning_rate

Metrics = dict[str, float]


@dataclass(frozen=True)
class Tuning:
    """How a stage is trained. No weight decay: a few dozen steps are too few for it to matter."""

    steps: int = 100
    batch_size: int = 32  # dialogues, pairs or prompts a step
    lr: float = 1e-3  # at the peak
    warmup: int = 10  # steps
    floor: float = 0.1  # share of the peak at which the cosine ends; 1: constant after the warm-up
    weight_decay: float = 0.0
    clip: float = 1.0  # largest norm of all gradients together
    seed: int = 0
    save_every: int = 0  # steps; 0: only at the end

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")


class Learner(NamedTuple):
    """A model and what changes it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    how: Tuning

    @classmethod
    def of(cls, model: nn.Module, how: Tuning) -> Learner:
        """With AdamW; betas as in all Llamas (facts A3)."""
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=how.lr, betas=(0.9, 0.95), weight_decay=how.weight_decay, fused=True
        )
        return cls(model, optimizer, how)

    def learn(self, loss: Float[Tensor, ""], step: int) -> Metrics:
        """One update downhill; a loss or a gradient that is no number stops before it does harm."""
        how = self.how
        lr = learning_rate(step, how.lr, how.warmup, how.steps, how.floor)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), how.clip).item()
        if not (math.isfinite(loss.item()) and math.isfinite(norm)):
            raise RunFailed(
                f"the loss is {loss.item()} (gradient norm {norm}) at step {step}; try a lower --lr"
            )
        self.optimizer.step()
        return {"loss": loss.item(), "lr": lr, "grad_norm": norm}


# --- chance, by seed and step ----------------------------------------------------------------------


def drawn(n: int, step: int, batch_size: int, seed: int) -> Sequence[int]:
    """Which of ``n`` examples a step sees: every epoch is a new order of all of them.

    >>> [drawn(4, step, 2, seed=0) for step in (0, 1)]
    [[2, 0], [1, 3]]
    """
    found = []
    for place in range(step * batch_size, (step + 1) * batch_size):
        epoch, i = divmod(place, n)
        if i == 0 or not found:
            order = np.random.default_rng([seed, epoch]).permutation(n)
        found.append(int(order[i]))
    return found


def generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Chance that belongs to one step of one run."""
    mixed = np.random.SeedSequence([seed, step]).generate_state(1)[0]
    return torch.Generator(device).manual_seed(int(mixed))


# --- the loop --------------------------------------------------------------------------------------


def run_steps(
    steps: int,
    step: Callable[[int], Metrics],
    learners: Mapping[str, Learner],
    folder: Path | None = None,
    *,
    resume: bool = False,
    save_every: int = 0,
    after_step: Callable[[int], None] = lambda done: None,
    show: str = "loss",
) -> list[Metrics]:
    """Call ``step(0)``, ``step(1)``, …; return the metrics of the steps made now.

    With a folder, each step is a line of ``metrics.jsonl``, and ``checkpoints`` hold the learners under
    their names ("model" is the one that ``load_run`` opens). Ctrl-C finishes the step, saves and leaves.
    Without one nothing is written, and Ctrl-C ends at once.
    """
    if folder is None:
        made = []
        for i in range(steps):
            made.append(step(i))
            after_step(i + 1)
        return made
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "checkpoints"
    newest = checkpoint.latest(root) if resume else None
    start, made = restore(newest, learners) if newest else 0, []
    with (
        StopSignals() as stop,
        MetricsLog(folder / "metrics.jsonl", after=start) as log,
        tqdm(total=steps, initial=start, unit="step", disable=None) as bar,
    ):
        for i in range(start, steps):
            made.append(step(i))
            done = i + 1
            log.write(step=done, **made[-1])
            bar.set_postfix_str(", ".join(f"{k} {v:.3f}" for k, v in made[-1].items() if k in show.split()))
            bar.update()
            after_step(done)
            stopped = stop.received  # looked at once: a signal that comes during the save waits a step
            if done == steps or stopped or (save_every and done % save_every == 0):
                save(root, done, learners)
            if stopped and done < steps:
                raise Interrupted(
                    stopped,
                    f"stopped; step {done} of {steps} is saved; the same command with --resume goes on",
                )
    return made


def save(root: Path, step: int, learners: Mapping[str, Learner]) -> None:
    groups = {}
    for name, (model, optimizer, _) in learners.items():
        groups[name] = dict(model.state_dict())
        groups[memory(name)] = checkpoint.optimizer_tensors(model, optimizer)
    checkpoint.save(root, step, groups)
    checkpoint.prune(root)


def memory(name: str) -> str:
    """The file that keeps an optimiser's memory: the "model"'s is called as in pretraining.

    >>> memory("model"), memory("value")
    ('optimizer', 'value-optimizer')
    """
    return "optimizer" if name == "model" else f"{name}-optimizer"


def restore(folder: Path, learners: Mapping[str, Learner]) -> int:
    """Fill every learner from a checkpoint; return its step."""
    saved = checkpoint.load(folder)
    for name, (model, optimizer, _) in learners.items():
        try:
            model.load_state_dict(saved.tensors[name])
        except (KeyError, RuntimeError) as error:
            raise RunFailed(f"{folder} belongs to another stage or another shape; start anew") from error
        checkpoint.fill_optimizer(model, optimizer, saved.tensors[memory(name)])
    return saved.step
