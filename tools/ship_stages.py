"""Copy the stages of one seed of ``study_align`` to where they ship, as runs that can be talked to.

    python tools/ship_stages.py                    # runs/align, seed 1 → data/tiny-chat
    llamalite chat data/tiny-chat/sft

Weights are rounded to bfloat16, which halves the files; marks move in the third digit. Prints the lines of
the data card.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from align_models import FOLDER, Plan, Seed, config, setting

from llamalite.align.runs import record_scores
from llamalite.text.corpus import DATA
from llamalite.text.files import fingerprint
from llamalite.train import checkpoint
from llamalite.train.runs import create_run

# What ships, and which of the study's models it is; all preferences are the reward model's.
STAGES = {
    "base": "base",
    "sft": "sft-{seed}",
    "reward": "reward-{seed}",
    "rs": "RS-reward model-{seed}",
    "ppo": "PPO-reward model-{seed}",
    "dpo": "DPO-reward model-{seed}",
}


def ship(stages: list[str], target: Path, plan: Plan) -> None:
    number = plan.seeds[0]
    shared = setting(plan)
    for name in stages:
        source = STAGES[name].format(seed=number)
        weights = newest(source)
        shutil.rmtree(target / name, ignore_errors=True)
        about = {"stage": name, "from": "tools/study_align.py", "settings": {"seed": number}}
        record = {"args": {}, "align": about} | ({} if name == "base" else {"chat": "llama3"})
        create_run(target / name, config(plan), shared.asking.tokenizer, record)
        half = {key: w.to(torch.bfloat16) for key, w in weights.items()}
        checkpoint.save(target / name / "checkpoints", 1, {"model": half})
        if name == "reward":
            record_scores(target / name, Seed(plan, shared, number).reward_model)


def newest(source: str) -> dict[str, torch.Tensor]:
    found = checkpoint.latest(FOLDER / source / "checkpoints")
    if found is None:
        raise SystemExit(f"{FOLDER / source} holds no model; run tools/study_align.py align first")
    return checkpoint.load(found, ["model"]).tensors["model"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="*", default=list(STAGES), help="which (default: all)")
    parser.add_argument("--out", type=Path, default=DATA / "tiny-chat")
    args = parser.parse_args()
    ship(args.stages, args.out, Plan())
    for path in sorted(path for path in args.out.rglob("*") if path.is_file()):
        found = fingerprint(path.read_bytes())
        print(f"| `tiny-chat/{path.relative_to(args.out)}` | {found['bytes']:,} | `{found['sha256']}` |")


if __name__ == "__main__":
    main()
