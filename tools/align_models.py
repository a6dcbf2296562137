"""The models that the studies of chapters 17 to 19 share: one plan, and the stages of one seed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch

from llamalite.align.chat import FORMATS
from llamalite.align.dpo import Dpo
from llamalite.align.evaluation import Asking, judge_answers
from llamalite.align.rlhf.labelling import all_pairs, extremes
from llamalite.align.rlhf.ppo_training import Ppo, ppo
from llamalite.align.rlhf.rejection import Rejection, answer_all
from llamalite.align.rlhf.reward import RewardModel, train_reward, with_scalar_head
from llamalite.align.rlhf.rollouts import Reward
from llamalite.align.runs import made_requests
from llamalite.align.sft import Example, encode_pair, encode_text, fine_tune
from llamalite.align.tuning import Tuning
from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.tales.short import short_tales
from llamalite.tales.tasks import Request
from llamalite.text.tokenization.fast import fast
from llamalite.text.tokenization.ranked import BEGIN, END, HEADERS, RankedTokenizer
from llamalite.train import checkpoint

FOLDER = Path("runs/align")


@dataclass(frozen=True)
class Plan:
    seeds: tuple[int, ...] = (1, 2, 3)
    split: str = "test"
    dim: int = 64
    n_layers: int = 2
    vocab_size: int = 880
    n_tales: int = 16_000
    pretrain_steps: int = 600
    sft_examples: int = 300
    sft_steps: int = 150
    reward_prompts: int = 700  # 4 answers each; every pair of them that differs
    reward_test_prompts: int = 150
    reward_steps: int = 200
    prompts: int = 500  # what rejection sampling, PPO and DPO are asked; no others than these
    samples: int = 8  # answers to each, for the pairs of DPO and each round of rejection sampling
    reject_prompts: int = 250  # of them, for rejection sampling, which writes anew each round
    rounds: int = 2
    reject_steps: int = 60
    ppo_rounds: int = 24
    ppo_kl: float = 0.1
    dpo_steps: int = 60
    dpo_beta: float = 2.0
    dpo_lr: float = 1e-4
    nll: float = 0.2
    requests: int = 256  # to measure with
    repeats: int = 2  # answers to each at temperature 1


class Setting(NamedTuple):
    """What all seeds share."""

    asking: Asking
    texts: list[str]
    train: list[Request]
    measured: list[Request]


def setting(plan: Plan) -> Setting:
    tales, rng = short_tales(), Random("align tales")
    texts = [tales.tell(rng).text for _ in range(plan.n_tales)]
    train = made_requests(tales, "train", 3000)
    known = {made.request for made in train}
    fresh = (made for made in made_requests(tales, plan.split, 4 * plan.requests))
    measured = [made for made in fresh if made.request not in known][: plan.requests]
    roles = ["\n\n".join(("system", "user", "assistant", "x"))] * 1000  # one token each, as in Llama 3
    corpus = "\n".join([*texts[:3000], *(made.request for made in train[:1000]), *roles])
    special = (BEGIN, END, *HEADERS.values())
    tokenizer = fast(RankedTokenizer.train(corpus, plan.vocab_size, special_tokens=special))
    return Setting(Asking(tokenizer, FORMATS["llama3"], tales), texts, train, measured)


def config(plan: Plan) -> LlamaConfig:
    shape = {"dim": plan.dim, "n_layers": plan.n_layers, "n_heads": 4, "n_kv_heads": 2, "multiple_of": 16}
    return LlamaConfig(**shape, vocab_size=plan.vocab_size, max_seq_len=256, rope_theta=500_000.0)


# --- the stages of one seed --------------------------------------------------------------------------


class Seed:
    """The stages that everything else begins with, made once and kept in ``FOLDER``."""

    def __init__(self, plan: Plan, shared: Setting, seed: int):
        self.plan, self.shared, self.seed = plan, shared, seed
        self.asking = shared.asking
        self.seconds: dict[str, float] = {}
        self.base = self.kept("base", self.make_base)
        self.sft = self.kept(f"sft-{seed}", self.make_sft)
        self.prompts = [self.asking.prompt(made.request) for made in shared.train]
        n, m = plan.reward_prompts, plan.reward_test_prompts
        self.for_reward, self.for_test = range(500, 500 + n), range(500 + n, 500 + n + m)
        self.asked = range(500 + n + m, 500 + n + m + plan.prompts)  # the first 500 belong to SFT

    def kept(self, name: str, make: Callable[[], Llama], head: bool = False) -> Llama:
        """The model of that name, from the disk if it is there; and the seconds that it took."""
        root, stage = FOLDER / name / "checkpoints", name.partition("-")[0]
        if (newest := checkpoint.latest(root)) is None:
            began = time.process_time()
            model = make()
            self.seconds[stage] = time.process_time() - began
            checkpoint.save(root, 1, {"model": dict(model.state_dict())}, seconds=self.seconds[stage])
            return model
        saved = checkpoint.load(newest)
        self.seconds[stage] = saved.info["seconds"]
        model = with_scalar_head(Llama(config(self.plan))) if head else Llama(config(self.plan))
        model.load_state_dict(saved.tensors["model"])
        return model.eval()

    def make_base(self) -> Llama:
        """One for all seeds: pretraining is not what is compared."""
        model = init_weights(Llama(config(self.plan)), 1)
        examples = [encode_text(self.asking.tokenizer, text) for text in self.shared.texts]
        fine_tune(
            model, examples, Tuning(self.plan.pretrain_steps, lr=4e-3, warmup=25, weight_decay=0.1, seed=1)
        )
        return model

    def make_sft(self) -> Llama:
        model = copy.deepcopy(self.base)
        fine_tune(model, self.dialogues(self.plan.sft_examples), Tuning(self.plan.sft_steps, seed=self.seed))
        return model

    def dialogues(self, n: int) -> list[Example]:
        format, tokenizer = self.asking.format, self.asking.tokenizer
        return [encode_pair(format, tokenizer, made.request, made.answer) for made in self.shared.train[:n]]

    @cached_property
    def reward_model(self) -> RewardModel:
        """Scores have mean 0 and spread 1 over the SFT model's own answers to what will be asked."""

        def make() -> Llama:
            model, n = with_scalar_head(self.sft), self.plan.reward_steps
            train_reward(model, self.pairs(self.for_reward), Tuning(n, lr=1e-3, warmup=20, seed=self.seed))
            return model

        return RewardModel(self.kept(f"reward-{self.seed}", make, head=True)).whitened(self.to_compare[0])

    def answers(self, at: Sequence[int], k: int, temperature: float = 1.0) -> list[list[Example]]:
        """k answers of the SFT model to each prompt of these numbers."""
        s = Rejection(k=k, temperature=temperature, max_tokens=self.asking.max_tokens)
        chance = torch.Generator().manual_seed(1000 * self.seed + at[0])
        prompts = [self.prompts[i] for i in at]
        return answer_all(self.sft, prompts, self.asking.stop_ids, s, chance)

    def worth(self, at: Sequence[int], answers: Sequence[Sequence[Example]]) -> np.ndarray:
        """The judge's scores: (prompts, answers to each)."""
        requests = [self.shared.train[i] for i in at]
        columns = [judge_answers(self.asking, requests, [said(e) for e in column]) for column in answers]
        return np.stack([column.score for column in columns], axis=1)

    def pairs(self, at: Sequence[int], margins: str = "") -> list:
        answers = self.answers(at, 4)
        return all_pairs(answers, self.worth(at, answers), margins)

    def rewards(self) -> dict[str, Reward]:
        """Who says what an answer is worth: the reward model or the judge, on one scale."""
        judged = self.worth(self.asked, self.to_compare[:1])
        mean, std = judged.mean(), judged.std()

        def judge(numbers: Sequence[int], examples: Sequence[Example]) -> torch.Tensor:
            scores = self.worth([self.asked[i] for i in numbers], [list(examples)])[:, 0]
            return torch.tensor((scores - mean) / std, dtype=torch.float32)

        return {"reward model": lambda numbers, examples: self.reward_model(examples), "judge": judge}

    @cached_property
    def to_compare(self) -> list[list[Example]]:
        """``samples`` answers of the SFT model to each prompt; and what that cost, beside the stages."""
        began = time.process_time()
        found = self.answers(self.asked, self.plan.samples)
        self.seconds["answers"] = time.process_time() - began
        return found

    def asked_prompts(self) -> list[list[int]]:
        return [self.prompts[i] for i in self.asked]


def said(example: Example) -> list[int]:
    """What the assistant said, as ids."""
    return [i for i, trained in zip(example.ids, example.trained, strict=True) if trained]


def ppo_settings(plan: Plan, seed: int, kl: float | None = None) -> Ppo:
    how = Tuning(plan.ppo_rounds, batch_size=128, lr=3e-4, warmup=5, floor=1.0, seed=seed)
    return Ppo(how, kl=plan.ppo_kl if kl is None else kl)


def dpo_settings(plan: Plan, seed: int, **changes: Any) -> Dpo:
    return Dpo(Tuning(plan.dpo_steps, lr=plan.dpo_lr, seed=seed), **{"beta": plan.dpo_beta} | changes)


class Result(NamedTuple):
    """A trained model; what it cost in CPU seconds; and what could be seen on the way."""

    name: str
    model: Llama
    seconds: float
    curve: dict[str, list[float]]


def ppo_run(seed: Seed, reward: Reward, kl: float) -> Result:
    """With what the judge says of each round's answers, which the policy is not told and not charged for."""
    model, judged, judging = copy.deepcopy(seed.sft), [], [0.0]
    prompts = seed.asked_prompts()
    number = {tuple(prompt): i for i, prompt in zip(seed.asked, prompts, strict=True)}

    def judge(done: int, rollout: Any) -> None:
        began = time.process_time()
        asked = [number[tuple(i for i, t in zip(*e, strict=True) if not t)] for e in rollout.examples]
        answers = [said(e) for e in rollout.examples]
        marks = judge_answers(seed.asking, [seed.shared.train[i] for i in asked], answers)
        judged.append(float(marks.score.mean()))
        judging[0] += time.process_time() - began

    began, s = time.process_time(), ppo_settings(seed.plan, seed.seed, kl)
    made = ppo(model, reward, prompts, seed.asking.stop_ids, s, after_step=judge)
    seconds = time.process_time() - began - judging[0]
    kept = ("reward", "kl", "explained", "ended", "length", "clipped", "update_kl", "surprise")
    return Result("PPO", model, seconds, {k: [m[k] for m in made] for k in kept} | {"judge": judged})


def labelled(seed: Seed, reward: Reward) -> list:
    """The best and the worst of ``samples`` answers to each prompt."""
    answers = seed.to_compare
    columns = [reward(range(len(seed.asked)), column).double().numpy() for column in answers]
    return extremes(answers, np.stack(columns, axis=1))
