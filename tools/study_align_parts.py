"""What chapters 17, 18 and 19 show besides the table of ``study_align``; run through that file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from study_align import Plan, Seed, align, dpo_settings, labelled, ppo_run, setting
from tqdm import tqdm

from llamalite.align.chat import END_OF_TURN
from llamalite.align.dpo import dpo
from llamalite.align.evaluation import Evaluation, evaluate, win_rate
from llamalite.align.rlhf.labelling import all_pairs, mislabelled
from llamalite.align.rlhf.rejection import best_of_n, best_of_n_kl
from llamalite.align.rlhf.reward import (
    RewardModel,
    accuracy_by,
    calibration,
    pair_scores,
    train_reward,
    with_scalar_head,
)
from llamalite.align.sft import Example, encode_pair, fine_tune, forward_of, held_out_loss
from llamalite.align.tuning import Tuning
from llamalite.in_torch.llama import Llama

Record = dict[str, Any]
Write = Callable[[Record], None]


def short(seed: Seed, model: Llama, temperature: float = 1.0) -> Evaluation:
    """One answer to each request: enough for a curve."""
    reference = seed.sft if temperature == 1 else None
    return evaluate(
        model, seed.asking, seed.shared.measured, reference=reference, temperature=temperature, seed=seed.seed
    )


def marks(seed: Seed, model: Llama) -> Record:
    found: Record = {}
    for temperature, name in ((1.0, "sampled"), (0.0, "greedy")):
        e = short(seed, model, temperature)
        ended = np.mean([answer[-1] in seed.asking.stop_ids for answer in e.answers])
        found[name] = {
            "score": float(e.judged.score.mean()), "perfect": float(e.judged.perfect.mean()), "kl": e.kl,
            "length": e.length, "ended": float(ended),
        }  # fmt: skip
    return found


# --- chapter 17 --------------------------------------------------------------------------------------

DOSES = ((32, 40), (100, 100), (300, 150), (1000, 200))  # dialogues, steps
MASKED = DOSES[1]  # learnt under several masks


def everything(example: Example) -> Example:
    """The request is learnt, too."""
    return example._replace(trained=[False] + [True] * (len(example.ids) - 1))


def shifted(example: Example) -> Example:
    """The mask one place too far left: the last token of the prompt is learnt and the end is not."""
    return example._replace(trained=[*example.trained[1:], False])


WAYS: Mapping[str, Callable[[Example], Example]] = {
    "everything": everything,
    "mask one early": shifted,
}


def sft(plan: Plan, write: Write) -> None:
    """How many dialogues it takes, and what the mask does."""
    shared = setting(plan)
    record: Record = {"request": shared.measured[0].request, "doses": [], "ways": []}
    # A chat waits for <|eot_id|>; the <|end_of_text|> of pretraining is no end of a turn.
    asking = shared.asking._replace(format=shared.asking.format._replace(ends=(END_OF_TURN,)))
    fresh = [
        encode_pair(asking.format, asking.tokenizer, made.request, made.answer) for made in shared.measured
    ]
    for number in plan.seeds:
        seed = Seed(plan, shared._replace(asking=asking), number)
        for n, steps in DOSES:
            model = copy.deepcopy(seed.base)
            fine_tune(model, seed.dialogues(n), Tuning(steps, seed=number))
            loss = held_out_loss(forward_of(model), fresh)
            found = marks(seed, model)
            record["doses"].append({"n": n, "steps": steps, "seed": number, "loss": loss} | found)
            if (n, steps) == MASKED:
                record["ways"].append({"name": "answers", "seed": number} | found)
            write(record)
        for name, change in WAYS.items():
            model = copy.deepcopy(seed.base)
            examples = [change(e) for e in seed.dialogues(MASKED[0])]
            fine_tune(model, examples, Tuning(MASKED[1], seed=number))
            record["ways"].append({"name": name, "seed": number} | marks(seed, model))
            write(record)
        tqdm.write(f"{number} {record['doses'][-1]} {record['ways'][-1]}")


# --- chapter 18 --------------------------------------------------------------------------------------

PRICES = (0.0, 0.5)  # of KL, besides the plan's own; 0 for every seed
NS = (1, 2, 4, 8, 16)


def rlhf(plan: Plan, write: Write) -> None:
    """Reward models with and without margins, the best of n, and PPO at several prices of KL."""
    shared = setting(plan)
    record: Record = {"rewards": [], "best_of_n": [], "ppo": []}
    for number in plan.seeds:
        seed = Seed(plan, shared, number)
        answers = seed.answers(seed.for_test, 4)
        tested = all_pairs(answers, seed.worth(seed.for_test, answers))
        for margins in ("", "small", "large") if number == plan.seeds[0] else ("",):
            if margins:
                model = with_scalar_head(seed.sft)
                how = Tuning(plan.reward_steps, lr=1e-3, warmup=20, seed=number)
                train_reward(model, seed.pairs(seed.for_reward, margins), how)
            else:
                model = seed.reward_model.model
            record["rewards"].append({"margins": margins, "seed": number} | tested_on(model, tested))
            tqdm.write(f"{number} reward {margins}: {record['rewards'][-1]}")
        many = seed.answers(seed.for_test, max(NS))
        scores = np.stack([seed.reward_model(column).double().numpy() for column in many], axis=1)
        worth = seed.worth(seed.for_test, many)
        for n in NS:
            curve = {"n": n, "seed": number, "kl": best_of_n_kl(n), "judge": best_of_n(scores, worth, n)}
            curve |= {"reward": best_of_n(scores, scores, n), "by_judge": best_of_n(worth, worth, n)}
            record["best_of_n"].append(curve)
        write(record)
        for kl in PRICES if number == plan.seeds[0] else PRICES[:1]:
            result = ppo_run(seed, seed.rewards()["reward model"], kl)
            e = short(seed, result.model)
            about = {"kl_price": kl, "seed": number, "seconds": result.seconds, "curve": result.curve}
            about |= {"examples": [seed.asking.text(a) for a in e.answers[:3]], "distinct": distinct(e)}
            about |= {"requests": [made.request for made in shared.measured[:3]]}
            record["ppo"].append(about | marks(seed, result.model))
            write(record)
            tqdm.write(f"{number} ppo {kl}: {result.curve['reward'][-1]:.2f} {result.curve['judge'][-1]:.3f}")


def tested_on(model: Llama, pairs: list) -> Record:
    chosen, rejected = pair_scores(RewardModel(model), pairs)
    apart = chosen - rejected
    return {
        "accuracy": float((apart > 0).mean()), "n_pairs": len(pairs), "gap": float(apart.mean()),
        "nll": float(np.logaddexp(0, -apart).mean()), "calibration": [list(b) for b in calibration(apart)],
        "by_strength": {k: list(v) for k, v in accuracy_by(apart, [p.strength for p in pairs]).items()},
    }  # fmt: skip


def distinct(e: Evaluation) -> float:
    """Share of different answers: a policy that says the same to everybody has few."""
    return len({tuple(answer) for answer in e.answers}) / len(e.answers)


# --- chapter 19 --------------------------------------------------------------------------------------

BETAS = (0.02, 0.1, 0.5, 2.0)
NLLS = {"none": {}, "mean": {"nll": 0.2}, "sum": {"nll": 0.2, "nll_per_token": False}}
VARIANTS = {
    "end masked": {"mask_end": True},
    "averaged": {"average": True, "beta": 5.0},
    "smoothed": {"label_smoothing": 0.1},
}
NOISE = (0.0, 0.2, 0.4)  # shares of wrong labels


def preferred(plan: Plan, write: Write) -> None:
    """DPO at several β, with and without NLL; its variants; and labels that are more and more often wrong."""
    shared = setting(plan)
    record: Record = {"betas": [], "variants": [], "noise": []}
    for number in plan.seeds:
        seed = Seed(plan, shared, number)
        pairs = labelled(seed, seed.rewards()["judge"])
        against = short(seed, seed.sft)
        if number == plan.seeds[0]:
            for beta in BETAS:
                for name in NLLS if beta == 0.1 else ("none", "sum"):
                    nll = NLLS[name]
                    record["betas"].append({"beta": beta, "nll": name} | tried(seed, pairs, beta=beta, **nll))
                    write(record)
            for name, changes in VARIANTS.items():
                record["variants"].append({"name": name} | tried(seed, pairs, **changes))
        for share in NOISE:
            model, noisy = copy.deepcopy(seed.sft), list(mislabelled(pairs, share, number))
            dpo(model, noisy, dpo_settings(plan, number))
            e = short(seed, model)
            wins = win_rate(e.judged.score, against.judged.score, plan.requests)._asdict()
            record["noise"].append({"noise": share, "seed": number, "win": wins} | marks(seed, model))
            write(record)
            tqdm.write(f"{number} noise {share}: {wins['rate']:.3f}")


def tried(seed: Seed, pairs: list, **changes: Any) -> Record:
    model = copy.deepcopy(seed.sft)
    made = dpo(model, pairs, dpo_settings(seed.plan, seed.seed, **changes))
    curve = {k: [m[k] for m in made] for k in ("loss", "accuracy", "chosen", "rejected")}
    return {
        "seed": seed.seed,
        "curve": curve,
        "example": seed.asking.text(short(seed, model).answers[0]),
    } | marks(seed, model)


PARTS = {"align": align, "sft": sft, "rlhf": rlhf, "dpo": preferred}
