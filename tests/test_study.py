"""The studies that ship: their helpers are right, and what is stored is what their settings give."""

import doctest
import json
from dataclasses import asdict, replace
from math import isclose
from statistics import fmean

import pytest
import study_align
import study_architectures
import study_budget
import study_comparison
import study_data
import study_digits
import study_distance
import study_feed_forward
import study_gqa
import study_llama3
import study_norms
import study_scaling
import study_training
import study_vocabulary
from study_budget import steps_within, train_flops
from torch.nn import functional as F

from llamalite.text.corpus import DATA
from llamalite.train.scaling.sweep import Cell, measure

STUDIES = {
    "vocabulary": study_vocabulary,
    "digits": study_digits,
    "architectures": study_architectures,
    "norms": study_norms,
    "feed_forward": study_feed_forward,
    "training": study_training,
    "gqa": study_gqa,
    "scaling": study_scaling,
    "llama3": study_llama3,
    "data": study_data,
    "sft": study_align,
    "comparison": study_comparison,
}
STORED = {
    name: json.loads((DATA / "studies" / f"{name}.json").read_text(encoding="utf-8")) for name in STUDIES
}
ROUNDED = 1e-5  # a record keeps six digits


@pytest.mark.parametrize("tool", [study_budget, study_digits, study_vocabulary], ids=lambda m: m.__name__)
def test_the_examples_in_the_docstrings_hold(tool):
    assert doctest.testmod(tool).failed == 0


@pytest.mark.parametrize("name", STUDIES)
def test_a_record_was_made_with_the_settings_that_the_tool_has(name):
    assert STORED[name]["settings"] == json.loads(json.dumps(asdict(STUDIES[name].Plan())))


# --- vocabulary --------------------------------------------------------------------------------------

ROWS = {row["vocab_size"]: row for row in STORED["vocabulary"]["vocabularies"]}


def test_a_stored_vocabulary_can_be_learnt_again():
    row, corpus = ROWS[1024], study_vocabulary.Corpus(study_vocabulary.Plan())
    tokenizer = study_vocabulary.learnt(corpus, row["vocab_size"])
    again = study_budget.rounded(study_vocabulary.counted(corpus, tokenizer))
    assert again == {name: row[name] for name in again}


@pytest.mark.parametrize("size", ROWS)
def test_every_vocabulary_has_spent_the_same(size):
    plan, row = study_vocabulary.Plan(), ROWS[size]
    cfg = study_vocabulary.shape(plan, size, row["seq_len"])
    step = plan.batch_size * row["seq_len"] * train_flops(cfg, row["seq_len"])
    assert [spent["budget"] for spent in row["trained"]] == list(plan.budgets)
    for spent in row["trained"]:
        assert spent["steps"] == steps_within(spent["budget"], cfg, plan.batch_size, row["seq_len"])
        assert spent["budget"] - step < spent["train_flops"] <= spent["budget"]
        assert spent["train_bytes"] < plan.train_bytes  # less than once through the text


@pytest.mark.parametrize("size", ROWS)
def test_no_run_is_under_the_floor_and_the_means_are_those_of_the_runs(size):
    floor = STORED["vocabulary"]["floor"]
    for spent in ROWS[size]["trained"]:
        assert [run["seed"] for run in spent["runs"]] == list(study_vocabulary.Plan().seeds)
        for name, bits in spent["bits_per_byte"].items():
            found = [run["bits_per_byte"][name] for run in spent["runs"]]
            assert isclose(fmean(found), bits["mean"], rel_tol=ROUNDED)
            assert min(found) > floor[name]["bits_per_byte"]


# --- digits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", study_digits.WAYS)
def test_a_sum_is_written_whole_and_marked_right_only_if_all_of_it_is(name):
    """Against a model that knows every answer, and one that gets the last digit of one sum wrong."""
    way, pairs = study_digits.WAYS[name], [(512, 849), (100, 101), (999, 999), (250, 749)]
    for a, b in pairs:
        given, said = study_digits.spell((a, b), way)
        result = "".join(said)[:-1]
        assert "".join(given) == f"{a} + {b} = "
        assert int(result[::-1] if "reversed" in name else result) == a + b
    asked = study_digits.exam(pairs, way, 16)
    logits = 50 * F.one_hot(asked.targets.clamp(min=0), len(study_digits.ids_of(way))).float()
    known = study_digits.marks(lambda x: logits, asked)
    assert known["exact"] == 1 and known["bits_per_result"] < 1e-6
    last = int((asked.targets[1] > 0).nonzero()[-1])
    logits[1, last] = logits[1, last].roll(1)
    wrong = study_digits.marks(lambda x: logits, asked)
    assert wrong["exact"] == 0.75 and wrong["exact_4_digits"] == 1 and wrong["exact_3_digits"] == 0.5


def test_a_window_of_sums_is_one_sum_from_the_end_of_a_line_on():
    way = study_digits.WAYS["groups"]
    data = study_digits.stream([(512, 849), (100, 101), (250, 750)], way, 7)
    names = {i: token for token, i in study_digits.ids_of(way).items()}
    windows = [[names[int(i)] for i in data.train[at : at + 8]] for at in data.starts]
    assert windows == [
        ["\n", "512", " + ", "849", " = ", "136", "1", "\n"],
        ["\n", "100", " + ", "101", " = ", "201", "\n", "250"],
        ["\n", "250", " + ", "750", " = ", "100", "0", "\n"],
    ]


@pytest.mark.parametrize("row", STORED["digits"]["ways"], ids=lambda row: row["name"])
def test_every_way_of_writing_has_spent_the_same_and_its_means_are_those_of_its_runs(row):
    plan = study_digits.Plan()
    step = plan.batch_size * row["flops_per_sum"]
    assert plan.budget - step < row["train_flops"] == row["steps"] * step <= plan.budget
    ends = [run["curve"][-1] for run in row["runs"]]
    assert [run["seed"] for run in row["runs"]] == list(plan.seeds)
    assert {end["sums"] for end in ends} == {row["sums"]}
    assert isclose(fmean(end["exact"] for end in ends), row["exact"]["mean"], abs_tol=ROUNDED)


# --- norms, feed-forward layers, architectures -----------------------------------------------------------


def test_every_depth_and_rate_was_tried_with_every_norm():
    plan, stored = study_norms.Plan(), STORED["norms"]
    assert [way["name"] for way in stored["ways"]] == [way.name for way in study_norms.WAYS]
    for way in stored["ways"]:
        cells = [(run["depth"], run["lr"]) for run in way["runs"]]
        assert cells == [(depth, lr) for depth in plan.depths for lr in plan.lrs]
        assert all(len(run["losses"]) == len(plan.seeds) for run in way["runs"])


def test_a_short_run_of_norms_and_of_feed_forward_layers_can_be_made_again():
    """Two depths, two steps: the tools still run, and dividing at the start changes the first loss."""
    quick = replace(study_norms.Plan(), depths=(2,), lrs=(1e-3,), seeds=(1,), steps=2, averaged=1)
    losses = {way["name"]: way["runs"][0]["losses"][0] for way in study_norms.study(quick)["ways"]}
    assert 5 < losses["pre-rms"] < 9 and losses["pre-rms"] != losses["pre-rms, divided"]
    quick = replace(
        study_feed_forward.Plan(), lrs=(1e-3, 2e-3), seeds=(1,), steps=1, longer_steps=2, train_tales=20,
        held_out_tales=2,
    )  # fmt: skip
    assert [way["name"] for way in study_feed_forward.study(quick)["ways"]] == [
        way.name for way in study_feed_forward.WAYS
    ]


def test_a_short_run_of_training_can_be_made_again():
    plan, stored = study_training.Plan(), STORED["training"]
    cells = {(run["batch_size"], run["lr"]) for run in stored["runs"]}
    assert len(stored["runs"]) == len(cells) == len(plan.batch_sizes) * len(plan.lrs)
    quick = replace(plan, lrs=(1e-3,), batch_sizes=(2,), seeds=(1,), tokens=512, points=2)
    (run,) = study_training.study(quick)["runs"]
    assert len(run["seeds"][0]["curve"]) == 2 and 1 < run["seeds"][0]["bits_per_byte"] < 3


def test_feed_forward_layers_without_and_with_a_gate_weigh_the_same():
    widths = {way.name: way.hidden_dim(96) for way in study_feed_forward.WAYS}
    assert 2 * widths["ReLU"] == 3 * widths["SwiGLU"] and widths["SwiGLU, wide"] == widths["ReLU"]
    for way in STORED["feed_forward"]["ways"]:
        assert way["hidden_dim"] == widths[way["name"]]
        for run in way["runs"]:
            assert isclose(fmean(run["bits_per_byte"]), run["mean"], rel_tol=ROUNDED)


def test_the_architectures_weigh_the_same_and_their_means_are_those_of_their_runs():
    ways = STORED["architectures"]["ways"]
    sizes = [way["n_params"] for way in ways]
    assert max(sizes) < 1.01 * min(sizes)
    for way in ways:
        assert [run["steps"] for run in way["runs"]] == list(study_architectures.Plan().steps)
        for run in way["runs"]:
            assert isclose(fmean(one["right"] for one in run["seeds"]), run["right"]["mean"], abs_tol=ROUNDED)


def test_no_pair_that_is_asked_was_learnt():
    train, held_out = study_architectures.drawn(
        replace(study_architectures.Plan(), train_pairs=300, held_out_pairs=40)
    )
    assert not {pair.source for pair in train} & {pair.source for pair in held_out}
    assert study_architectures.chrf([pair.target for pair in held_out], held_out) == pytest.approx(100)


# --- scaling -------------------------------------------------------------------------------------------


def test_every_size_was_trained_on_every_amount_and_none_is_under_the_floor():
    plan, stored = study_scaling.Plan(), STORED["scaling"]
    cells = [(row["dim"], row["tokens"]) for row in stored["grid"]]
    assert sorted(cells) == sorted((dim, tokens) for dim in plan.dims for tokens in plan.tokens)
    shape, _ = study_scaling.tales_source()
    for row in stored["grid"] + stored["long"] + stored["seeds"]:
        assert row["n_params"] == shape.config(row["dim"]).n_params and row["loss"] > row["floor"]
        assert row["tokens"] <= row["tokens_seen"] < row["tokens"] + 200
    assert {row["seed"] for row in stored["seeds"]} == set(plan.seeds[1:])
    assert [roll["exponent"] for roll in stored["rolls"]] == list(plan.exponents)


def test_a_stored_run_of_the_sweep_can_be_made_again():
    row = next(r for r in STORED["scaling"]["rolls"][1]["runs"] if r["tokens"] == 7 * 1024)
    shape, source = study_scaling.roll_source(2.0)
    cell = Cell(row["seed"], row["dim"], row["tokens"], row["rate"])
    again = measure(cell, shape, source(row["tokens"], "seed 1"), source(140_000, "held out"))
    assert isclose(again.loss, row["loss"], rel_tol=1e-3)


# --- Llama 3: switches and distance --------------------------------------------------------------------


def test_every_switch_has_spent_the_same_and_only_the_switch_differs():
    plan, rows = study_llama3.Plan(), STORED["llama3"]["switches"]
    assert [row["name"] for row in rows] == list(study_llama3.ways())
    for row, change in zip(rows, study_llama3.ways().values(), strict=True):
        this = replace(plan, **change)
        cfg = study_llama3.shape(this)
        step = plan.step_tokens * train_flops(cfg, this.seq_len)
        assert plan.budget - step < row["steps"] * step <= plan.budget
        assert row["n_params"] == cfg.n_params and row["train_tokens"] == row["steps"] * plan.step_tokens
        assert isclose(fmean(run["bits_per_byte"] for run in row["runs"]), row["mean"], rel_tol=ROUNDED)


def test_every_model_that_was_asked_for_needles_finds_them_at_its_own_length():
    plan, runs = study_llama3.Plan().distance, STORED["llama3"]["recall"]
    assert [(run["theta"], run["seed"]) for run in runs] == [(t, s) for t in plan.thetas for s in plan.seeds]
    for run in runs:
        assert fmean(run["ways"][0]["before"][0]) > 0.97
        for way in run["ways"]:
            assert {len(row) for row in way["before"] + way["after"]} == {len(plan.depths)}


def test_short_runs_of_recall_and_tales_can_be_made_again():
    quick = replace(
        study_distance.Plan(), short_steps=2, attempts=1, recall_steps=1, more_recall=1, lengths=(64,),
        asked=2, tale_steps=1, more_tales=1, tales_bytes=20_000,
    )  # fmt: skip
    run = study_distance.recall_run(quick, 10_000.0, 1)
    assert [way["how"] for way in run["ways"]] == list(study_distance.WAYS) and run["attempts"] == [2]
    tokenizer = study_distance.load_tokenizer(DATA / "tokenizers" / "tales-en")
    world, rng = study_distance.Tales("en"), study_distance.Random(0)
    drawn = [study_distance.mentions(world.tell(rng), tokenizer) for _ in range(6)]
    for tale in drawn:
        for tokens, back in tale.again:
            assert 0 < back <= tokens[0] and tokens == list(range(tokens[0], tokens[-1] + 1))
    scored = study_distance.tale_run(quick, drawn, tokenizer, 1)
    assert 4 < scored["long"]["nats_per_token"] < 9
    assert sum(scored["last"]["n_again"]) == sum(len(tale.again) for tale in drawn)


def test_a_mention_is_the_tokens_that_say_it():
    """And so many tokens before it, the same was said the time before."""
    tokenizer = study_distance.load_tokenizer(DATA / "tokenizers" / "tales-en")
    world = study_distance.Tales("en")
    for seed in range(5):
        tale = world.tell(study_distance.Random(seed))
        told = study_distance.mentions(tale, tokenizer)
        words = {tale.text[span.start : span.end] for span in tale.spans}
        for tokens, back in told.again:
            said = tokenizer.decode([told.ids[i] for i in tokens])
            (word,) = {word for word in words if word in said}
            before = tokens[0] - back
            then = tokenizer.decode(told.ids[before : before + len(tokens) + 2])
            assert then.lower().startswith(word.lower())  # "Five drums" may begin a sentence


def test_every_stage_was_trained_with_every_seed_and_a_crawl_is_cleaned_again():
    plan, stored = study_data.Plan(), STORED["data"]
    for row in stored["stages"]:
        assert [run["seed"] for run in row["runs"]] == list(plan.seeds)
        assert isclose(
            fmean(run["fresh"] for run in row["runs"]), row["scores"]["fresh"]["mean"], rel_tol=ROUNDED
        )
    quick = replace(plan, documents=300, labels=20)
    found = dict(study_data.stages(study_data.Crawled(quick), quick))
    assert list(found) == [row["name"] for row in stored["stages"]]
    sizes = [len(documents) for documents in found.values()]
    assert sizes[:10] == sorted(sizes[:10], reverse=True) and {d.kind for d in found["the truth"]} == {
        "clean"
    }
