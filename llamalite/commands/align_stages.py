"""What the subcommands of ``llamalite align`` do."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamalite.commands.align import Common, Dpo, Eval, Ppo, Reject, Reward, Sft

if TYPE_CHECKING:
    from llamalite.align.rlhf.reward import Pair
    from llamalite.align.rlhf.rollouts import Reward as RewardFunction
    from llamalite.align.runs import Stage
    from llamalite.align.tuning import Tuning

FREE_ON_RESUME = {"out", "resume", "run", "save_every"}


def begin(args: Common, kind: str) -> Stage:
    """Open the run to go on from and make the folder of the new one; refuse what cannot work first."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from llamalite.align import runs

    torch.set_num_threads(1)  # more threads slow small models down
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(args).items()}
    settings = {k: v for k, v in settings.items() if k not in FREE_ON_RESUME}
    runs.check_folder(args.out, kind, settings, args.resume)
    stage = runs.open_stage(args.run, args.format)
    if not args.resume:
        runs.create_stage(args.out, args.run, stage, kind, settings)
    return stage


def tuning(args: Common, **changes: Any) -> Tuning:
    from llamalite.align.tuning import Tuning

    same = {
        name: getattr(args, name) for name in ("steps", "batch_size", "lr", "warmup", "seed", "save_every")
    }
    return Tuning(**{**same, **changes})


def sft(args: Sft) -> None:
    from llamalite.align.runs import read_dialogues
    from llamalite.align.sft import fine_tune

    stage = begin(args, "sft")
    examples = read_dialogues(stage, args.data, args.n)
    learnt = sum(sum(e.trained) for e in examples)
    print(f"{args.data}: {len(examples):,} dialogues, {learnt:,} tokens of answers to learn")
    fine_tune(stage.model, examples, tuning(args), args.out, length=args.pack, resume=args.resume)
    print(f"done: llamalite chat {args.out}")


def reward(args: Reward) -> None:
    from llamalite.align import runs
    from llamalite.align.rlhf.reward import (
        RewardModel,
        accuracy_by,
        pair_scores,
        train_reward,
        with_scalar_head,
    )

    stage = begin(args, "reward")
    pairs = stored_pairs(args, lambda: judged_pairs(args, stage, None, best_and_worst=False))
    if len(pairs) < 10:
        raise ValueError(f"{len(pairs)} pairs are too few to learn from and to measure with; raise --n")
    held_out = pairs[-max(1, len(pairs) // 10) :]
    learnt = pairs[: -len(held_out)]
    print(f"{len(learnt):,} pairs to learn from, {len(held_out):,} held out")
    model = with_scalar_head(stage.model)
    train_reward(model, learnt, tuning(args), args.out, resume=args.resume)
    whitened = RewardModel(model).whitened([p.chosen for p in learnt] + [p.rejected for p in learnt])
    runs.record_scores(args.out, whitened)
    chosen, rejected = pair_scores(whitened, held_out)
    found = accuracy_by(chosen - rejected, [p.strength or "all" for p in held_out])
    told = ", ".join(f"{group} {right:.0%} of {n}" for group, (right, n) in found.items())
    print(f"prefers the better answer in {(chosen > rejected).mean():.0%} of the pairs held out: {told}")
    print(f"done: llamalite align ppo {args.run} --reward {args.out} --out …")


def reject(args: Reject) -> None:
    from llamalite.align.rlhf.rejection import Rejection, rejection_sampling

    stage = begin(args, "reject")
    prompts, judged = asked(args, stage)
    s = Rejection(tuning(args), k=args.samples, rounds=args.rounds, max_tokens=args.tokens)

    def told(round: int, rewards: Any) -> None:
        one, best = rewards.mean(), rewards.max(1).mean()
        print(f"round {round + 1}: an answer is worth {one:.3f}, the best of {s.k} {best:.3f}")

    rejection_sampling(
        stage.model, judged, prompts, stage.format.stop_ids(stage.tokenizer), s, args.out,
        resume=args.resume, after_round=told,
    )  # fmt: skip
    print(f"done: llamalite align eval {args.run} {args.out}")


def ppo(args: Ppo) -> None:
    from llamalite.align.rlhf.ppo_training import Ppo as Settings
    from llamalite.align.rlhf.ppo_training import ppo as train

    stage = begin(args, "ppo")
    prompts, judged = asked(args, stage)
    s = Settings(tuning(args, floor=1.0), kl=args.kl, max_tokens=args.tokens)
    train(
        stage.model, judged, prompts, stage.format.stop_ids(stage.tokenizer), s, args.out, resume=args.resume
    )
    print(f"done: llamalite align eval {args.run} {args.out}")


def dpo(args: Dpo) -> None:
    from llamalite.align.dpo import Dpo as Settings
    from llamalite.align.dpo import dpo as train

    stage = begin(args, "dpo")
    pairs = stored_pairs(args, lambda: judged_pairs(args, stage, args.reward, best_and_worst=True))
    if not pairs:
        raise ValueError(
            "no two answers were worth different marks; train RUN longer, or give pairs in --data"
        )
    print(f"{len(pairs):,} pairs")
    changes = {
        name: getattr(args, name) for name in ("beta", "nll", "mask_end", "average", "label_smoothing")
    }
    train(stage.model, pairs, Settings(tuning(args), **changes), args.out, resume=args.resume)
    print(f"done: llamalite align eval {args.run} {args.out}")


def evaluate(args: Eval) -> None:
    from llamalite.align import runs
    from llamalite.align.evaluation import evaluate as asked_and_judged
    from llamalite.align.evaluation import win_rate
    from llamalite.text.files import write_whole

    if not args.runs:
        raise ValueError("there is no run to ask; name one at least")
    first, against, rows = None, None, []
    print(f"{'':24}{'score':>7}{'all right':>11}{'wins':>8}  95%{'':>11}{'nats away':>9}")
    for folder in args.runs:
        stage = runs.open_stage(folder)
        asking = runs.asking_of(stage, args.data, args.tokens)
        requests = runs.made_requests(asking.tales, "test", args.n)
        options = {"repeats": args.repeats, "temperature": args.temperature, "seed": args.seed}
        reference = first if args.temperature == 1 else None
        e = asked_and_judged(stage.model, asking, requests, reference=reference, **options)
        first, against = first or stage.model, against or e
        wins = win_rate(e.judged.score, against.judged.score, args.n)
        row = {"score": float(e.judged.score.mean()), "perfect": float(e.judged.perfect.mean()), "kl": e.kl}
        rows.append({"run": str(folder), **row, "win": wins._asdict(), "example": asking.text(e.answers[0])})
        print(f"{str(folder)[-24:]:24}{row['score']:7.3f}{row['perfect']:11.1%}{wins.rate:8.1%}  "
              f"{wins.low:.1%} … {wins.high:.1%}{e.kl:9.2f}")  # fmt: skip
    if args.out:
        write_whole(args.out, (json.dumps(rows, indent=1) + "\n").encode())


# --- what is asked, and who says what is better ------------------------------------------------------


def asked(args: Reject | Ppo, stage: Stage) -> tuple[list[list[int]], RewardFunction]:
    """The prompts, and what an answer to them is worth: to the reward model, or to the world's judge."""
    from llamalite.align import runs

    if args.data in runs.WORLDS:
        asking = runs.asking_of(stage, args.data, args.tokens)
        requests = runs.made_requests(asking.tales, "prompts", args.n)
        written = [made.request for made in requests]
    elif args.reward is None:
        raise ValueError(f"nobody can judge answers to {args.data}; give a reward model with --reward")
    else:
        asking, requests = None, []
        written = [
            line.get("request") or line["prompt"] for line in runs.read_lines(Path(args.data))[: args.n]
        ]
    from llamalite.align.chat import Message

    prompts = [stage.format.encode(stage.tokenizer, [Message("user", text)]) for text in written]
    return prompts, worth(args.reward, asking, requests)


def worth(reward_folder: Path | None, asking: Any, requests: Sequence[Any]) -> RewardFunction:
    import torch

    from llamalite.align.evaluation import judge_answers
    from llamalite.align.runs import load_reward

    if reward_folder is not None:
        model = load_reward(reward_folder)
        return lambda numbers, examples: model(examples)

    def judged(numbers, examples):
        answers = [[i for i, t in zip(e.ids, e.trained, strict=True) if t] for e in examples]
        marks = judge_answers(asking, [requests[i] for i in numbers], answers)
        return (
            torch.tensor(marks.score, dtype=torch.float32) * 5
        )  # a spread of about 1, as a reward model has

    return judged


def stored_pairs(args: Reward | Dpo, make: Any) -> list[Pair]:
    """What the run learnt from before it was stopped, or made now and kept for that case."""
    from llamalite.align import runs

    path = args.out / "pairs.jsonl"
    if not (args.resume and path.exists()):
        runs.write_pairs(path, make())
    return list(runs.read_pairs(path))


def judged_pairs(
    args: Reward | Dpo, stage: Stage, reward_folder: Path | None, best_and_worst: bool
) -> list[Pair]:
    """Of a file; or the run's own answers, labelled by the judge or by a reward model."""
    import numpy as np

    from llamalite.align import runs
    from llamalite.align.rlhf.labelling import all_pairs, extremes
    from llamalite.align.rlhf.rejection import Rejection, answer_all
    from llamalite.align.tuning import generator

    margins = getattr(args, "margins", "")
    if args.data not in runs.WORLDS:
        return runs.read_preferences(stage, args.data, margins, args.n)
    asking = runs.asking_of(stage, args.data, args.tokens)
    requests = runs.made_requests(asking.tales, "pairs", args.n)
    prompts = [asking.prompt(made.request) for made in requests]
    print(f"writing {args.samples} answers to each of {args.n} requests …")
    answers = answer_all(
        stage.model,
        prompts,
        asking.stop_ids,
        Rejection(k=args.samples, max_tokens=args.tokens),
        generator(args.seed, 0),
    )
    value = worth(reward_folder, asking, requests)
    scores = np.stack([value(range(args.n), column).double().numpy() for column in answers], axis=1)
    # The judge's 5 is taken back: strengths are about its scores from 0 to 1.
    scores = scores if reward_folder else scores / 5
    return (extremes if best_and_worst else all_pairs)(answers, scores, margins)


STAGES = {"Sft": sft, "Reward": reward, "Reject": reject, "Ppo": ppo, "Dpo": dpo, "Eval": evaluate}
