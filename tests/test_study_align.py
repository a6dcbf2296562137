"""The records of chapters 18 and 19: whole, paired, and of the settings that the tool has."""

import json
from dataclasses import asdict
from math import log

import pytest
import study_align_parts
from study_align import Plan

from llamalite.align.rlhf.rejection import best_of_n_kl
from llamalite.text.corpus import DATA

NAMES = ("align", "rlhf", "dpo")
STORED = {name: json.loads((DATA / "studies" / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
SEEDS = list(Plan.seeds)
BY_REWARD = ["RS", "PPO", "DPO", "DPO + NLL", "likelihood alone"]
BY_JUDGE = ["DPO", "likelihood alone"]
ROWS = STORED["align"]["rows"]


@pytest.mark.parametrize("name", NAMES)
def test_a_record_was_made_with_the_settings_that_the_tool_has(name):
    assert STORED[name]["settings"] == json.loads(json.dumps(asdict(Plan())))


# --- the table ---------------------------------------------------------------------------------------


def test_every_stage_was_trained_with_every_seed():
    ways = [("base", ""), ("SFT", "")]
    ways += [(name, "reward model") for name in BY_REWARD] + [(name, "judge") for name in BY_JUDGE]
    assert [(r["name"], r["labels"], r["seed"]) for r in ROWS] == [(*way, s) for s in SEEDS for way in ways]
    assert [r["seed"] for r in STORED["align"]["sft_at_half"]] == SEEDS
    assert len(STORED["align"]["reward_seconds"]) == len(SEEDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['name']} {r['labels']} {r['seed']}")
def test_a_row_is_possible_and_cost_less_than_two_minutes(row):
    assert 0 < row["seconds"] < 120
    for how in ("sampled", "greedy"):
        found = row[how]
        assert 0 <= found["perfect"] <= found["score"] <= 1
        assert 0 <= found["win"]["low"] <= found["win"]["rate"] <= found["win"]["high"] <= 1
        assert 0 < found["length"] <= 96 and found["example"]


@pytest.mark.parametrize("row", [r for r in ROWS if r["name"] == "SFT"], ids=lambda r: r["seed"])
def test_sft_is_as_good_as_itself_and_no_nat_away(row):
    for how in ("sampled", "greedy"):
        assert row[how]["win"] == {"rate": 0.5, "low": 0.5, "high": 0.5}
    assert abs(row["sampled"]["kl"]) < 1e-6


def test_the_curves_are_as_long_as_the_stages_and_dpo_begins_where_it_must():
    plan, steps = Plan(), {"RS": "kept", "PPO": "judge"}
    for row in ROWS[2:]:
        if row["name"] in ("base", "SFT"):
            continue
        curve = row["curve"][steps.get(row["name"], "chosen")]
        wanted = {"RS": plan.reject_steps * plan.rounds, "PPO": plan.ppo_rounds}.get(row["name"])
        assert len(curve) == (wanted or plan.dpo_steps)
        if row["name"] not in steps:
            assert abs(curve[0]) < 1e-3  # nothing has moved before the first step


# --- chapter 18 --------------------------------------------------------------------------------------


def test_rewards_and_the_best_of_n_are_there_for_every_seed():
    stored, first = STORED["rlhf"], SEEDS[0]
    wanted = [("", first), ("small", first), ("large", first), *(("", s) for s in SEEDS[1:])]
    assert [(r["margins"], r["seed"]) for r in stored["rewards"]] == wanted
    for r in stored["rewards"]:
        groups = r["by_strength"].values()
        assert sum(n for _, n in groups) == sum(b[2] for b in r["calibration"]) == r["n_pairs"]
        assert abs(sum(a * n for a, n in groups) / r["n_pairs"] - r["accuracy"]) < 1e-4
    for s in SEEDS:
        rows = [r for r in stored["best_of_n"] if r["seed"] == s]
        assert [r["n"] for r in rows] == list(study_align_parts.NS)
        for r in rows:  # nobody chooses better by the judge than the judge does
            assert r["judge"] <= r["by_judge"] + 1e-6 and abs(r["kl"] - best_of_n_kl(r["n"])) < 1e-5
        for what in ("reward", "by_judge"):
            assert [r[what] for r in rows] == sorted(r[what] for r in rows)


def test_ppo_ran_at_every_price():
    runs = {(r["kl_price"], r["seed"]): r for r in STORED["rlhf"]["ppo"]}
    assert set(runs) == {(0.0, s) for s in SEEDS} | {(p, SEEDS[0]) for p in study_align_parts.PRICES}
    for run in runs.values():
        assert {len(c) for c in run["curve"].values()} == {Plan.ppo_rounds} and run["seconds"] < 120
        assert 0 < run["distinct"] <= 1 and len(run["examples"]) == len(run["requests"]) == 3


# --- chapter 19 --------------------------------------------------------------------------------------


def test_every_beta_variant_and_share_of_noise_was_tried():
    stored = STORED["dpo"]
    wanted = {(b, n) for b in study_align_parts.BETAS for n in ("none", "sum")} | {(0.1, "mean")}
    assert {(r["beta"], r["nll"]) for r in stored["betas"]} == wanted and len(stored["betas"]) == len(wanted)
    assert [r["name"] for r in stored["variants"]] == list(study_align_parts.VARIANTS)
    assert [(r["noise"], r["seed"]) for r in stored["noise"]] == [
        (share, s) for s in SEEDS for share in study_align_parts.NOISE
    ]
    for r in stored["noise"]:
        assert 0 <= r["win"]["low"] <= r["win"]["rate"] <= r["win"]["high"] <= 1


def test_dpo_without_a_likelihood_term_begins_at_log_2():
    """With one it begins higher; and smoothing changes nothing where both answers are as likely."""
    for r in STORED["dpo"]["betas"]:
        first = r["curve"]["loss"][0]
        assert (abs(first - log(2)) < 1e-3) == (r["nll"] == "none")
    for r in STORED["dpo"]["variants"]:
        assert abs(r["curve"]["loss"][0] - log(2)) < 1e-3


def test_without_wrong_labels_the_runs_are_those_of_the_table():
    """The same model twice, by two tools: once measured with two answers a request, once with one."""
    for seed in SEEDS:
        (a,) = [r for r in ROWS if (r["name"], r["labels"], r["seed"]) == ("DPO", "judge", seed)]
        (b,) = [r for r in STORED["dpo"]["noise"] if (r["noise"], r["seed"]) == (0.0, seed)]
        assert (
            a["greedy"]["score"] == b["greedy"]["score"] and a["greedy"]["perfect"] == b["greedy"]["perfect"]
        )
