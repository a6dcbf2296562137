"""Rejection sampling: write many answers, keep the best, and learn from it as from a given one.

Nothing is "rejected" by a threshold: of K answers to a prompt the one with the highest reward stays (facts
K38). Llama 2's first four versions of RLHF are made so; after its third had forgotten how to rhyme, what
is kept is the best of *all* rounds (facts H1).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from llamalite.align.rlhf.rollouts import Reward, as_examples, sample
from llamalite.align.sft import Example, forward_of, pad, sft_loss
from llamalite.align.tuning import Learner, Metrics, Tuning, drawn, generator, run_steps
from llamalite.in_torch.llama import Llama
from llamalite.text.files import write_whole


def best_of_n_kl(n: int) -> float:
    """log n - (n - 1)/n: the divergence, in nats, of the best of n from one draw.

    Exact where no two answers have the same reward and none is drawn twice, else the most it can be
    (Beirami et al. 2024): the best of n is never far away.

    >>> [round(best_of_n_kl(n), 3) for n in (1, 2, 8, 100)]
    [0.0, 0.193, 1.204, 3.615]
    """
    return math.log(n) - (n - 1) / n


def best_of_n(rewards: Float[ndarray, "P K"], worth: Float[ndarray, "P K"], n: int) -> float:
    """What the best of n by ``rewards`` is worth, on average over all choices of n of the K samples.

    No draw is needed: of K answers in order of reward, the i-th (from 1) is the best of
    C(i - 1, n - 1) of the C(K, n) choices. Equal rewards share their places.

    >>> best_of_n(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.0, 1.0]]), n=2)    # 2 of 3 choices
    0.6666666666666666
    """
    K = rewards.shape[1]
    weights = np.array([math.comb(i, n - 1) for i in range(K)]) / math.comb(K, n)
    total = 0.0
    for row, value in zip(rewards, worth, strict=True):
        order = np.argsort(row, kind="stable")
        share = weights.copy()
        ordered = row[order]
        for level in np.unique(ordered):
            share[ordered == level] = share[ordered == level].mean()
        total += float(share @ value[order])
    return total / len(rewards)


class Kept(NamedTuple):
    """The best answer to a prompt so far, with what it scored and the round that wrote it."""

    example: Example
    reward: float
    round: int


def keep_best(
    kept: Mapping[int, Kept], prompt: int, answers: Sequence[Example], rewards: Sequence[float], round: int
) -> dict[int, Kept]:
    """``kept`` with the best of these answers to ``prompt``, unless an earlier round wrote a better one.

    To keep only the newest is what Llama 2's V3 did, and it forgot how to rhyme.
    """
    best = max(range(len(rewards)), key=lambda i: rewards[i])
    new = Kept(answers[best], rewards[best], round)
    old = kept.get(prompt)
    return {**kept, prompt: new if old is None or new.reward > old.reward else old}


# --- the stage -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rejection:
    """``rounds`` times: k answers to every prompt, the best kept, ``how.steps`` steps on them."""

    how: Tuning = field(default_factory=lambda: Tuning(steps=60, lr=5e-4, warmup=5))
    k: int = 8
    rounds: int = 2
    temperature: float = 1.0
    max_tokens: int = 96
    only_newest: bool = False  # forget what earlier rounds wrote, as Llama 2's V3 did


def rejection_sampling(
    policy: Llama,
    reward: Reward,
    prompts: Sequence[list[int]],
    stop_ids: set[int],
    s: Rejection,
    folder: Path | None = None,
    *,
    resume: bool = False,
    after_round: Callable[[int, Float[ndarray, "P K"]], None] = lambda done, rewards: None,
) -> list[Metrics]:
    """Train ``policy`` in place on its own best answers; the metrics of every step.

    ``after_round`` is told a round's number and the rewards of all its answers. With a folder, what is kept
    is in ``kept_0.jsonl``, …, so that a resumed run learns from the same answers.
    """
    n = s.how.steps
    learner = Learner.of(policy, replace(s.how, steps=n * s.rounds))
    forward, kept = forward_of(policy), dict[int, Kept]()

    def begin(round: int) -> None:
        path = folder and folder / f"kept_{round}.jsonl"
        if path and resume and path.exists():
            kept.update(read_kept(path))
            return
        answers = answer_all(policy.eval(), prompts, stop_ids, s, generator(s.how.seed, round))
        rewards = np.stack([reward(range(len(prompts)), column).numpy() for column in answers], axis=1)
        if s.only_newest:
            kept.clear()
        for i in range(len(prompts)):
            kept.update(keep_best(kept, i, [column[i] for column in answers], rewards[i].tolist(), round))
        if path:
            write_kept(path, kept)
        after_round(round, rewards)

    def step(i: int) -> Metrics:
        round, within = divmod(i, n)
        if within == 0 or not kept:
            begin(round)
        examples = [kept[j].example for j in drawn(len(prompts), i, s.how.batch_size, s.how.seed)]
        policy.train()
        reward_kept = sum(k.reward for k in kept.values()) / len(kept)
        return learner.learn(sft_loss(forward, pad(examples)), i) | {"round": round, "kept": reward_kept}

    made = run_steps(
        n * s.rounds,
        step,
        {"model": learner},
        folder,
        resume=resume,
        save_every=s.how.save_every,
        show="loss kept",
    )
    policy.eval()
    return made


def answer_all(
    policy: Llama, prompts: Sequence[list[int]], stop_ids: set[int], s: Rejection, chance: torch.Generator
) -> list[list[Example]]:
    """k lists with an answer to every prompt each."""
    found = []
    for _ in range(s.k):
        answers = sample(policy, prompts, s.max_tokens, stop_ids, temperature=s.temperature, generator=chance)
        found.append(as_examples(prompts, answers))
    return found


def write_kept(path: Path, kept: Mapping[int, Kept]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "prompt": i,
            "ids": k.example.ids,
            "trained": k.example.trained,
            "reward": k.reward,
            "round": k.round,
        }
        for i, k in kept.items()
    ]
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def read_kept(path: Path) -> dict[int, Kept]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        row["prompt"]: Kept(Example(row["ids"], row["trained"]), row["reward"], row["round"]) for row in rows
    }
