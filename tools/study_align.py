"""One model, one task, one table: base, SFT, rejection sampling, PPO and DPO (chapters 17 to 19).

    python tools/study_align.py align                    # writes data/studies/align.json, and the models
    python tools/study_align.py sft                      # what chapter 17 shows besides; also: rlhf, dpo
    python tools/study_align.py align --seeds 0 --split validation --out trial      # to choose settings

Every seed has an SFT model and a reward model of its own, made from one base model and kept in runs/align
for the other three studies. Whatever learns from preferences learns from the same prompts, once with the
reward model's labels and (DPO alone) once with the judge's; only runs with the same labels may be compared.
Settings were chosen with seed 0, the validation requests and a weaker SFT model (100 dialogues); the numbers
come from seeds 1 to 3 and the test requests.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from align_models import FOLDER, Plan, Result, Seed, config, dpo_settings, labelled, ppo_run, setting
from study_budget import one_core, origin, write_record
from tqdm import tqdm

from llamalite.align.dpo import dpo
from llamalite.align.evaluation import Evaluation, evaluate, win_rate
from llamalite.align.rlhf.rejection import Rejection, rejection_sampling
from llamalite.align.tuning import Tuning
from llamalite.in_torch.llama import Llama
from llamalite.text.corpus import DATA
from llamalite.train import checkpoint


def preferring(seed: Seed, labels: str) -> Iterator[Result]:
    """Every way to learn from these labels, each from the same SFT model; the judge's are for comparison."""
    plan, reward = seed.plan, seed.rewards()[labels]
    stops, prompts = seed.asking.stop_ids, seed.asked_prompts()

    def timed(name: str, work: Callable[[Llama], Any], keep: str = "", extra: float = 0.0) -> Result:
        model, began = copy.deepcopy(seed.sft), time.process_time()
        made = work(model)
        seconds = time.process_time() - began + extra
        return Result(name, model, seconds, {k: [m[k] for m in made] for k in keep.split()})

    reject = Rejection(
        Tuning(plan.reject_steps, lr=5e-4, warmup=5, seed=seed.seed), plan.samples, plan.rounds
    )
    reject_prompts = prompts[: plan.reject_prompts]
    if labels != "judge":  # whose labels are here to see what better ones are worth to DPO
        yield timed(
            "RS", lambda model: rejection_sampling(model, reward, reject_prompts, stops, reject), "kept"
        )
        yield ppo_run(seed, reward, plan.ppo_kl)
    pairs = labelled(seed, reward)
    ways = {"DPO": {}, "DPO + NLL": {"nll": plan.nll, "nll_per_token": False}}
    ways["likelihood alone"] = {"nll": plan.nll, "nll_per_token": False, "preference": 0.0}
    for name, changes in ways.items():
        if (name, labels) == ("DPO + NLL", "judge"):
            continue
        s = dpo_settings(plan, seed.seed, **changes)
        yield timed(
            name, lambda model, s=s: dpo(model, pairs, s), "chosen rejected accuracy", seed.seconds["answers"]
        )


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

        def add(result: Result, labels: str, seed=seed, against=against) -> None:
            name, model, seconds, curve = result
            about = {"name": name, "labels": labels, "seed": seed.seed, "seconds": seconds, "curve": curve}
            record["rows"].append(about | row(seed, model, against))
            write(record)
            checkpoint.save(
                FOLDER / f"{name}-{labels}-{seed.seed}" / "checkpoints",
                1,
                {"model": dict(model.state_dict())},
            )
            shown = {k: rounded(record["rows"][-1][k]) for k in ("sampled", "greedy", "seconds")}
            tqdm.write(f"{seed.seed} {name} by {labels}: {json.dumps(shown)}")

        add(Result("base", seed.base, seed.seconds["base"], {}), "")
        add(Result("SFT", seed.sft, seed.seconds["sft"], {}), "")
        seed.reward_model  # noqa: B018 made here, so that its seconds are known
        record.setdefault("reward_seconds", []).append(seed.seconds["reward"])
        cool = evaluate(
            seed.sft, seed.asking, shared.measured, repeats=plan.repeats, temperature=0.5, seed=number
        )
        wins = win_rate(cool.judged.score, against[1.0].judged.score, plan.requests)
        control = {"score": float(cool.judged.score.mean()), "perfect": float(cool.judged.perfect.mean())}
        record.setdefault("sft_at_half", []).append({"seed": number, **control, "win": wins._asdict()})
        for labels in ("reward model", "judge"):
            for result in preferring(seed, labels):
                add(result, labels)


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
