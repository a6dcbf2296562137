"""One model, one task, one table: base, SFT, rejection sampling, PPO and DPO on short tales. Chapters 17 to 19.

    python tools/study_align.py align                          # writes data/studies/align.json, and the models
    python tools/study_align.py sft | rlhf | dpo               # what each chapter shows besides
    python tools/study_align.py align --seeds 0 --split validation --out trial     # how the settings were chosen

Every seed has a base model, an SFT model and a reward model of its own, kept in runs/align for the other
three studies. Whatever learns from preferences learns from the same prompts, once with the reward model's
labels and once with the judge's; only runs with the same labels may be compared. Settings were chosen with
seed 0 and the validation requests; the numbers come from seeds 1 to 3 and the test requests.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from study_budget import one_core, origin, write_record
from tqdm import tqdm

from llamalite.align.chat import FORMATS
from llamalite.align.dpo import Dpo, dpo
from llamalite.align.evaluation import Asking, Evaluation, evaluate, judge_answers, win_rate
from llamalite.align.rlhf.labelling import all_pairs, extremes
from llamalite.align.rlhf.ppo_training import Ppo, ppo
from llamalite.align.rlhf.rejection import Rejection, answer_all, rejection_sampling
from llamalite.align.rlhf.reward import RewardModel, train_reward, with_scalar_head
from llamalite.align.rlhf.rollouts import Reward
from llamalite.align.runs import made_requests
from llamalite.align.sft import Example, encode_pair, encode_text, fine_tune
from llamalite.align.tuning import Tuning
from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.tales.short import short_tales
from llamalite.tales.tasks import Request
from llamalite.text.corpus import DATA
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
    sft_examples: int = 100
    sft_steps: int = 100
    reward_prompts: int = 700  # 4 answers each; every pair of them that differs
    reward_test_prompts: int = 150
    reward_steps: int = 300
    prompts: int = 500  # what rejection sampling, PPO and DPO are asked; no others than these
    samples: int = 8  # answers to each, for the pairs of DPO and each round of rejection sampling
    rounds: int = 2
    reject_steps: int = 60
    ppo_rounds: int = 40
    ppo_kl: float = 0.1
    dpo_steps: int = 150
    dpo_beta: float = 0.5
    dpo_lr: float = 1e-4
    nll: float = 0.2
    requests: int = 256  # to measure with
    repeats: int = 4  # answers to each at temperature 1


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
    corpus = "\n".join([*texts[:3000], *(made.request for made in train[:1000])])
    special = (BEGIN, END, *HEADERS.values())
    tokenizer = fast(RankedTokenizer.train(corpus, plan.vocab_size, special_tokens=special))
    return Setting(Asking(tokenizer, FORMATS["llama3"], tales), texts, train, measured)


def config(plan: Plan) -> LlamaConfig:
    shape = {"dim": plan.dim, "n_layers": plan.n_layers, "n_heads": 4, "n_kv_heads": 2, "multiple_of": 16}
    return LlamaConfig(**shape, vocab_size=plan.vocab_size, max_seq_len=160, rope_theta=500_000.0)


# --- the stages of one seed --------------------------------------------------------------------------


class Seed:
    """The stages that everything else begins with, made once and kept in ``FOLDER``."""

    def __init__(self, plan: Plan, shared: Setting, seed: int):
        self.plan, self.shared, self.seed = plan, shared, seed
        self.asking = shared.asking
        self.seconds: dict[str, float] = {}
        self.base = self.kept("base", self.make_base)
        self.sft = self.kept("sft", self.make_sft)
        self.prompts = [self.asking.prompt(made.request) for made in shared.train]
        n, m = plan.reward_prompts, plan.reward_test_prompts
        self.for_reward, self.for_test = range(500, 500 + n), range(500 + n, 500 + n + m)
        self.asked = range(500 + n + m, 500 + n + m + plan.prompts)  # the first 500 belong to SFT
        self.reward_pairs = self.pairs(self.for_reward)
        self.reward_model = self.make_reward()

    def kept(self, name: str, make: Callable[[], Llama], head: bool = False) -> Llama:
        """The model of that name, from the disk if it is there; and the seconds that it took."""
        root = FOLDER / f"{name}-{self.seed}" / "checkpoints"
        if (newest := checkpoint.latest(root)) is None:
            began = time.process_time()
            model = make()
            self.seconds[name] = time.process_time() - began
            checkpoint.save(root, 1, {"model": dict(model.state_dict())}, seconds=self.seconds[name])
            return model
        saved = checkpoint.load(newest)
        self.seconds[name] = saved.info["seconds"]
        model = with_scalar_head(Llama(config(self.plan))) if head else Llama(config(self.plan))
        model.load_state_dict(saved.tensors["model"])
        return model.eval()

    def make_base(self) -> Llama:
        model = init_weights(Llama(config(self.plan)), self.seed)
        examples = [encode_text(self.asking.tokenizer, text) for text in self.shared.texts]
        how = Tuning(self.plan.pretrain_steps, lr=4e-3, warmup=25, weight_decay=0.1, seed=self.seed)
        fine_tune(model, examples, how)
        return model

    def make_sft(self) -> Llama:
        model = copy.deepcopy(self.base)
        fine_tune(model, self.dialogues(self.plan.sft_examples), Tuning(self.plan.sft_steps, seed=self.seed))
        return model

    def dialogues(self, n: int) -> list[Example]:
        format, tokenizer = self.asking.format, self.asking.tokenizer
        return [encode_pair(format, tokenizer, made.request, made.answer) for made in self.shared.train[:n]]

    def make_reward(self) -> RewardModel:
        """Scores have mean 0 and spread 1 over the SFT model's own answers to what will be asked."""

        def make() -> Llama:
            model, n = with_scalar_head(self.sft), self.plan.reward_steps
            train_reward(model, self.reward_pairs, Tuning(n, lr=1e-3, warmup=20, seed=self.seed))
            return model

        return RewardModel(self.kept("reward", make, head=True)).whitened(self.answers(self.asked, 1)[0])

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
        judged = self.worth(self.asked, self.answers(self.asked, 1))
        mean, std = judged.mean(), judged.std()

        def judge(numbers: Sequence[int], examples: Sequence[Example]) -> torch.Tensor:
            scores = self.worth([self.asked[i] for i in numbers], [list(examples)])[:, 0]
            return torch.tensor((scores - mean) / std, dtype=torch.float32)

        return {"reward model": lambda numbers, examples: self.reward_model(examples), "judge": judge}

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


def preferring(seed: Seed, labels: str) -> Iterator[tuple[str, Llama, float]]:
    """(name, model, seconds) of every way to learn from these labels, each from the same SFT model."""
    plan, reward = seed.plan, seed.rewards()[labels]
    stops, prompts = seed.asking.stop_ids, seed.asked_prompts()

    def timed(name: str, work: Callable[[Llama], Any], extra: float = 0.0) -> tuple[str, Llama, float]:
        model, began = copy.deepcopy(seed.sft), time.process_time()
        work(model)
        return name, model, time.process_time() - began + extra

    reject = Rejection(
        Tuning(plan.reject_steps, lr=5e-4, warmup=5, seed=seed.seed), plan.samples, plan.rounds
    )
    yield timed("RS", lambda model: rejection_sampling(model, reward, prompts, stops, reject))
    yield timed("PPO", lambda model: ppo(model, reward, prompts, stops, ppo_settings(plan, seed.seed)))
    began = time.process_time()
    pairs = labelled(seed, reward)
    sampling = time.process_time() - began
    ways = {"DPO": {}, "DPO + NLL": {"nll": plan.nll, "nll_per_token": False}}
    ways["likelihood alone"] = {"nll": plan.nll, "nll_per_token": False, "preference": 0.0}
    for name, changes in ways.items():
        s = dpo_settings(plan, seed.seed, **changes)
        yield timed(name, lambda model, s=s: dpo(model, pairs, s), sampling)


def labelled(seed: Seed, reward: Reward) -> list:
    """The best and the worst of ``samples`` answers to each prompt."""
    answers = seed.answers(seed.asked, seed.plan.samples)
    columns = [reward(range(len(seed.asked)), column).double().numpy() for column in answers]
    return extremes(answers, np.stack(columns, axis=1))


# --- the table ---------------------------------------------------------------------------------------


def measured(seed: Seed, model: Llama, temperature: float = 1.0) -> Evaluation:
    """On requests that stand in no training set."""
    options = {"temperature": temperature, "repeats": seed.plan.repeats if temperature else 1}
    requests = seed.shared.measured
    reference = seed.sft if temperature == 1 else None
    return evaluate(model, seed.asking, requests, reference=reference, seed=seed.seed, **options)


def row(seed: Seed, model: Llama, against: dict[float, Evaluation]) -> dict[str, Any]:
    """At temperature 1 and 0: score, share of perfect answers, win rate against SFT decoded alike."""
    found: dict[str, Any] = {}
    for temperature, name in ((1.0, "sampled"), (0.0, "greedy")):
        e = measured(seed, model, temperature)
        wins = win_rate(e.judged.score, against[temperature].judged.score, seed.plan.requests)
        found[name] = {
            "score": float(e.judged.score.mean()), "perfect": float(e.judged.perfect.mean()),
            "win": wins._asdict(), "kl": e.kl, "length": e.length, "example": seed.asking.text(e.answers[0]),
        }  # fmt: skip
    return found


def align(plan: Plan, write: Callable[[dict], None]) -> None:
    shared = setting(plan)
    record: dict[str, Any] = {
        "n_params": config(plan).n_params,
        "request": shared.measured[0].request,
        "rows": [],
    }
    for number in plan.seeds:
        seed = Seed(plan, shared, number)
        against = {t: measured(seed, seed.sft, t) for t in (1.0, 0.0)}

        def add(name: str, labels: str, model: Llama, seconds: float, seed=seed, against=against) -> None:
            about = {"name": name, "labels": labels, "seed": seed.seed, "seconds": seconds}
            record["rows"].append(about | row(seed, model, against))
            write(record)
            checkpoint.save(FOLDER / f"{name}-{labels}-{seed.seed}", 1, {"model": dict(model.state_dict())})
            shown = record["rows"][-1]
            tqdm.write(
                f"{number} {name} by {labels}: {json.dumps({k: rounded(shown[k]) for k in ('sampled', 'greedy', 'seconds')})}"
            )

        add("base", "", seed.base, seed.seconds["base"])
        add("SFT", "", seed.sft, seed.seconds["sft"])
        cool = evaluate(
            seed.sft, seed.asking, shared.measured, repeats=plan.repeats, temperature=0.5, seed=number
        )
        wins = win_rate(cool.judged.score, against[1.0].judged.score, plan.requests)
        control = {"score": float(cool.judged.score.mean()), "perfect": float(cool.judged.perfect.mean())}
        record.setdefault("sft_at_half", []).append({"seed": number, **control, "win": wins._asdict()})
        for labels in ("reward model", "judge"):
            for name, model, seconds in preferring(seed, labels):
                add(name, labels, model, seconds)


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items() if k != "example"}
    return round(value, 3)


def main(argv: Sequence[str] | None = None) -> int:
    from study_align_parts import PARTS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=PARTS, help="which")
    parser.add_argument("--out", type=Path, default=DATA / "studies", help="folder (default: data/studies)")
    parser.add_argument("--seeds", type=int, nargs="+", help="other seeds, for a trial")
    parser.add_argument("--split", default="test", help="of the requests: validation for a trial")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings, for a trial"
    )
    args = parser.parse_args(argv)
    one_core()
    changes = {name: json.loads(value) for name, _, value in (text.partition("=") for text in args.set)}
    plan = replace(Plan(split=args.split, seeds=tuple(args.seeds or Plan.seeds)), **changes)
    began, about = time.process_time(), origin(asdict(plan))

    def write(record: dict) -> None:
        spent = {"cpu_seconds": time.process_time() - began}
        write_record(args.out / f"{args.study}.json", about | record | spent)

    PARTS[args.study](plan, write)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
