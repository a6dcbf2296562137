"""``llamalite align``: after pretraining. A run in, the run of the next stage out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True)
class Common:
    run: RunFolder
    """Folder of the run to go on from; it stays as it is."""
    out: Path
    """Folder of the new run, made here."""
    data: str = "short-tales"
    """Where requests come from: short-tales or tales (worlds with a judge), or a .jsonl file."""
    n: int = 1000
    """How many of them, at most."""
    steps: int = 100
    """Updates of the weights; of PPO, rounds of writing and learning."""
    batch_size: int = 32
    """Examples, pairs or prompts a step."""
    lr: float = 1e-3
    """Learning rate at its peak."""
    warmup: int = 10
    """Steps over which the learning rate rises to its peak."""
    tokens: int = 96
    """The longest answer, where answers are written."""
    seed: int = 1
    """Decides the order of the data and every draw."""
    save_every: int = 0
    """Steps between two checkpoints; 0: one at the end. Ctrl-C always saves."""
    format: Literal["", "llama2", "llama3"] = ""
    """How turns are written, where the run never saw any; else the run knows."""
    resume: bool = False
    """Go on with the run in --out from its last checkpoint; say the same settings again."""


@dataclass(frozen=True)
class Sft(Common):
    """Learn to answer: from requests and answers, of which only the answers are learnt.

    A file holds {"request", "answer"} or {"messages": [{"role", "content"}, …]} a line.

    For example:
      llamalite align sft runs/base --out runs/sft --data data/tasks/requests.jsonl
      llamalite align sft runs/base --out runs/sft --pack 512
      llamalite chat runs/sft
    """

    pack: int = 0
    """Put several dialogues into rows of so many tokens; 0: one a row. The result is the same."""


@dataclass(frozen=True)
class Reward(Common):
    """Learn which of two answers is better: a scalar head, on pairs.

    With a world for --data, RUN writes --samples answers to each request, and the world's judge says
    which are better. A file holds {"prompt", "chosen", "rejected"} a line, and perhaps "strength".

    For example:
      llamalite align reward runs/sft --out runs/rm
      llamalite align reward runs/sft --out runs/rm --data data/tasks/preferences.jsonl --margins small
    """

    margins: Literal["", "small", "large"] = ""
    """Ask for a larger difference where the preference was clear (Llama 2's two sets of margins)."""
    samples: int = 4
    """Answers a request, where they are made here."""


@dataclass(frozen=True)
class Reject(Common):
    """Rejection sampling: write many answers, keep the best of each request, learn from those.

    For example:
      llamalite align reject runs/sft --reward runs/rm --out runs/rs
    """

    reward: Path | None = None
    """A run of `llamalite align reward`; without one, the judge of the world decides."""
    samples: int = 8
    """Answers a request and round."""
    rounds: int = 2
    """Each round writes anew, and keeps the best of all so far; --steps is a round's."""
    n: int = 256
    """Requests."""
    lr: float = 5e-4
    """Learning rate at its peak."""
    steps: int = 60
    """Updates of the weights a round."""


@dataclass(frozen=True)
class Ppo(Common):
    """Reinforcement learning: write, have it judged, make the better likelier, stay near where you began.

    For example:
      llamalite align ppo runs/sft --reward runs/rm --out runs/ppo
      llamalite align ppo runs/sft --reward runs/rm --out runs/hacked --kl 0      (watch the reward rise)
    """

    reward: Path | None = None
    """A run of `llamalite align reward`; without one, the judge of the world decides."""
    kl: float = 0.1
    """Price of leaving RUN, a nat and token; 0 leaves it free, and the reward is hacked."""
    steps: int = 40
    """Rounds of writing and learning."""
    batch_size: int = 128
    """Prompts a round."""
    lr: float = 3e-4
    """Learning rate of the policy, constant after the warm-up."""
    warmup: int = 5
    """Rounds over which the learning rate rises to its peak."""


@dataclass(frozen=True)
class Dpo(Common):
    """Learn from pairs directly, without a reward model.

    With a world for --data, RUN writes --samples answers to each request, and the best and the worst by
    the judge (or by --reward) make a pair. Files are as for `llamalite align reward`.

    For example:
      llamalite align dpo runs/sft --out runs/dpo
      llamalite align dpo runs/sft --out runs/dpo --beta 0.1 --nll 0.2 --mask-end      (Llama 3's settings)
    """

    reward: Path | None = None
    """Label with this reward model instead of the judge."""
    beta: float = 0.5
    """How hard it is to leave RUN: small is easy, and then much is unlearnt."""
    nll: float = 0.0
    """Coefficient of the likelihood of the chosen answer, a mean over its tokens."""
    mask_end: bool = False
    """Leave the token that ends an answer out of the preference."""
    average: bool = False
    """Means of log-probabilities for sums: length-normalised."""
    label_smoothing: float = 0.0
    """Believe each label with one minus this."""
    samples: int = 8
    """Answers a request, where they are made here."""
    steps: int = 150
    """Updates of the weights."""
    lr: float = 1e-4
    """Learning rate at its peak."""


@dataclass(frozen=True)
class Eval:
    """Ask runs for tales, have the answers judged, and hold each run against the first.

    The table says: the judge's score from 0 to 1, the share of answers in which all is right, how often a
    run's answer is better than the first run's (ties half; with a 95% interval), and how many nats an
    answer is away from the first run.

    For example:
      llamalite align eval runs/sft runs/rs runs/ppo runs/dpo
      llamalite align eval runs/sft runs/dpo --temperature 0
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    """Folders of runs; the first is what the others are held against."""
    data: str = "short-tales"
    """The world: short-tales or tales."""
    n: int = 256
    """Requests that no stage was trained on."""
    repeats: int = 1
    """Answers a request."""
    tokens: int = 96
    """The longest answer."""
    temperature: float = 1.0
    """0: always the likeliest token."""
    seed: int = 1
    """Decides every draw."""
    out: Path | None = None
    """A JSON file for the numbers."""


Action = (
    Annotated[Sft, tyro.conf.subcommand("sft")]
    | Annotated[Reward, tyro.conf.subcommand("reward")]
    | Annotated[Reject, tyro.conf.subcommand("reject")]
    | Annotated[Ppo, tyro.conf.subcommand("ppo")]
    | Annotated[Dpo, tyro.conf.subcommand("dpo")]
    | Annotated[Eval, tyro.conf.subcommand("eval")]
)


@dataclass(frozen=True)
class Align:
    """From a model that continues texts to one that answers, and prefers what is preferred.

    For example:
      llamalite align sft runs/base --out runs/sft
      llamalite align reward runs/sft --out runs/rm
      llamalite align ppo runs/sft --reward runs/rm --out runs/ppo
      llamalite align eval runs/sft runs/ppo
    """

    action: Annotated[Action, tyro.conf.arg(name="")]


def run(args: Align) -> None:
    import shutil

    from llamalite.commands.align_stages import STAGES

    action = args.action
    new = isinstance(action, Common) and not action.out.exists()
    try:
        STAGES[type(action).__name__](action)
    except (ValueError, OSError):
        if new and not (action.out / "metrics.jsonl").exists():  # refused before the first step
            shutil.rmtree(action.out, ignore_errors=True)
        raise
