"""Rulers that no tokenizer bends, intervals as printed, rows that may not be compared, claims that hold."""

import math
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llamalite.config import LlamaConfig
from llamalite.figures import comparison as figures
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.tales.telling import END, Tales
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.train.comparison import benchmarks, ledger, rulers
from llamalite.train.comparison.claims import CLAIMS, CONTRADICTIONS, VERDICTS
from llamalite.train.comparison.published import (
    CHAT_CARD,
    LLAMA_2_PAPER,
    LLAMA_3_CARD,
    LLAMA_3_PAPER,
    TABLES,
    TRAINING,
)
from llamalite.train.runs import build_data
from llamalite.train.training import Settings, evaluate

# --- rulers ------------------------------------------------------------------------------------------


def test_whoever_says_that_all_bytes_are_alike_pays_eight_bits_under_every_tokenizer():
    """A token of k bytes costs k log 256 then, however the text is cut; perplexity is another every time."""
    tales, rng = Tales("ko"), Random(0)
    text = END.join(tales.tell(rng).text for _ in range(12))
    n_bytes, doubts = len(text.encode()), []
    for tokenizer in (ByteTokenizer(), PieceTokenizer.train(text, 800), PieceTokenizer.train(text, 900)):
        n_tokens = len(tokenizer.encode(text))
        nats_per_token = n_bytes * math.log(256) / n_tokens
        assert rulers.bits_per_byte(nats_per_token, n_tokens, n_bytes) == pytest.approx(8, rel=1e-12)
        doubts.append(rulers.perplexity(nats_per_token))
    assert doubts[0] == pytest.approx(256) and doubts[1] > 2 * doubts[0]


def test_bits_per_byte_are_those_of_the_training_loop():
    tales, rng = Tales("en"), Random(0)
    text = END.join(tales.tell(rng).text for _ in range(6))
    tokenizer = PieceTokenizer.train(text, 320)
    data = build_data(text, text, tokenizer, 16)
    cfg = LlamaConfig(dim=8, n_layers=1, n_heads=2, hidden_dim=8, vocab_size=320, max_seq_len=16)
    model = init_weights(Llama(cfg))
    score = evaluate(lambda x: model(x, build_table(cfg)), data, Settings(batch_size=8, seq_len=16))
    ours = rulers.bits_per_byte(score.nats_per_token, len(data.held_out) - 1, data.held_out_bytes)
    assert ours == pytest.approx(score.bits_per_byte, rel=1e-12)
    logits = model(data.held_out[None, :17])[0, :-1].log_softmax(-1)
    by_hand = -logits.gather(1, data.held_out[1:17, None]).mean().item()
    assert rulers.perplexity(by_hand) == pytest.approx(torch.exp(torch.tensor(by_hand)).item())


@given(
    st.floats(1e3, 1e15), st.floats(1.0, 1e9), st.floats(1.1, 10.0), st.integers(1, 10_000)
)  # fmt: skip
def test_a_dearer_model_gets_fewer_steps_and_nobody_overdraws(budget, flops, dearer, tokens):
    steps = rulers.fair_steps(budget, flops, tokens)
    assert steps * flops * tokens <= budget * (1 + 1e-12) < (steps + 1) * flops * tokens * (1 + 1e-9)
    if steps > 100:
        assert rulers.fair_steps(budget, dearer * flops, tokens) < steps


def test_equal_compute_is_not_equal_steps():
    """A network twice as dear gets half the steps: no constant of ours has a say in it."""
    assert rulers.fair_steps(6e9, 2e3, 100) == 2 * rulers.fair_steps(6e9, 4e3, 100) == 30_000


@given(st.lists(st.floats(0.1, 10.0), min_size=4, max_size=4))
def test_shares_add_up_and_do_not_ask_who_came_first(losses):
    neither, first, second, both = losses
    a, b = rulers.shares(neither, first, second, both)
    assert a + b == pytest.approx(neither - both, abs=1e-9)
    assert (b, a) == pytest.approx(rulers.shares(neither, second, first, both), abs=1e-9)


def test_changes_that_do_not_meddle_get_what_each_brings_alone():
    assert rulers.shares(10.0, 7.0, 8.0, 5.0) == (3.0, 2.0)
    assert rulers.shares(10.0, 7.0, 8.0, 7.0) == (2.0, 1.0)  # the second's gain is half in the first's


def test_a_power_law_is_inverted_and_nothing_is_promised_beyond_it():
    tokens = [1e3, 1e4, 1e5, 1e6]
    losses = [50 * n**-0.3 for n in tokens]
    for want in (2e3, 1e5, 9e5):
        assert rulers.tokens_to_reach(50 * want**-0.3, tokens, losses) == pytest.approx(want)
    assert rulers.tokens_to_reach(losses[-1] * 0.999, tokens, losses) == math.inf


# --- chance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("benchmark", [b for b in LLAMA_3_PAPER.settings if b != "MMLU"])
def test_the_printed_intervals_of_three_models_speak_of_one_number_of_questions(benchmark):
    """The paper prints half-widths to a tenth; each allows a range of N, and the three ranges must meet.

    A slip in one digit of the copy shows: with 0.8 for the 70B on BBH, as it once stood here, they do not.
    """
    low, high = 0.0, math.inf
    found = list(benchmarks.entries([LLAMA_3_PAPER], benchmark))
    for e in found:
        low = max(low, benchmarks.questions_behind(e.percent, e.half_width + 0.05))
        high = min(high, benchmarks.questions_behind(e.percent, e.half_width - 0.05))
    assert low < high, f"{benchmark}: between {low:.0f} and {high:.0f} questions"
    widths = [benchmarks.half_width(e.percent, round((low + high) / 2)) for e in found]
    assert widths == pytest.approx([e.half_width for e in found], abs=0.06)


def test_human_eval_has_164_questions_or_nearly():
    for e in benchmarks.entries([LLAMA_3_PAPER], "HumanEval"):
        assert round(benchmarks.half_width(e.percent, 164), 1) == e.half_width


def test_two_equal_models_are_seldom_told_apart_and_two_unequal_ones_often():
    rng, questions = np.random.default_rng(0), 164
    drawn = (100 * rng.binomial(questions, p, (4000, 2)) / questions for p in (0.3, [0.3, 0.5]))
    equal, unequal = (
        np.mean([benchmarks.apart(a, b, questions) for a, b in pairs.tolist()]) for pairs in drawn
    )
    assert 0.03 < equal < 0.07 and unequal > 0.9


# --- what may be compared ----------------------------------------------------------------------------

HERE = benchmarks.entry(LLAMA_2_PAPER, "llama2-70b", "ARC-c")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"benchmark": "ARC-e"}, "two benchmarks: ARC-c and ARC-e"),
        ({"setting": "25-shot, likelihood of the letter"}, "asked differently"),
        ({"harness": "Meta, April 2024"}, "two programs: Meta, July 2023 and Meta, April 2024"),
        ({"stage": "chat"}, "a base model and a chat model"),
    ],
    ids=["benchmark", "setting", "harness", "stage"],
)
def test_each_obstacle_alone_is_enough(changed, says):
    assert benchmarks.obstacles(HERE, HERE) == []
    found = benchmarks.obstacles(HERE, HERE._replace(**changed))
    assert len(found) == 1 and says in found[0]
    with pytest.raises(ValueError, match="take both from one table"):
        benchmarks.difference(HERE, HERE._replace(**changed))


def test_a_setting_that_nobody_knows_is_the_same_only_within_a_table():
    a, b = (benchmarks.entry(LLAMA_3_PAPER, m, "DROP") for m in ("llama3.1-8b", "llama3.1-70b"))
    assert benchmarks.difference(a, b) == pytest.approx(20.1)
    (found,) = benchmarks.obstacles(a, b._replace(source="a blog"))
    assert "not known here" in found


def test_hella_swag_says_little_of_llama_3():
    a = benchmarks.entry(LLAMA_2_PAPER, "llama2-7b", "HellaSwag")
    (found,) = benchmarks.obstacles(a, a._replace(model="llama3.1-8b"))
    assert "85%" in found and not benchmarks.obstacles(a, a._replace(model="llama1-7b"))


def test_one_model_has_two_scores_and_they_may_not_be_compared():
    """The same weights, asked in 2023 and in 2024: what differs is not the model."""
    for model in ("llama2-7b", "llama2-13b", "llama2-70b"):
        a, b = (benchmarks.entry(table, model, "MMLU") for table in (LLAMA_2_PAPER, LLAMA_3_CARD))
        assert 0 < abs(a.percent - b.percent) <= 1.0 and len(benchmarks.obstacles(a, b)) == 1


# --- tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.source}, {t.stage}")
def test_every_row_of_a_table_is_whole(table):
    for scores in (*table.scores.values(), *table.intervals.values()):
        assert len(scores) == len(table.settings)
    assert all(0 < x < 100 for scores in table.scores.values() for x in scores)
    assert table.scores.keys() <= TRAINING.keys() | {"llama3.1-8b", "llama3.1-70b"}


def test_larger_is_better_on_mmlu_within_every_generation():
    """A slip of the finger in a row would most likely break this."""
    for table in TABLES:
        found = list(benchmarks.entries([table], "MMLU"))
        for a, b in pairwise(found):
            if benchmarks.generation(a.model) == benchmarks.generation(b.model):
                assert a.percent < b.percent
    assert benchmarks.entry(CHAT_CARD, "llama2-70b", "MMLU").percent < 60  # chat is far below base here


def test_compute_is_what_the_papers_and_the_facts_say():
    """Facts G2, to the digits given there."""
    want = {
        "llama1-7b": "4.04e+22", "llama1-65b": "5.48e+23", "llama2-7b": "8.09e+22", "llama2-70b": "8.28e+23",
        "llama3-8b": "7.23e+23", "llama3-70b": "6.35e+24", "llama3.1-405b": "3.80e+25",
    }  # fmt: skip
    assert {name: f"{benchmarks.train_compute(name):.2e}" for name in want} == want
    per_param = {name: round(ledger.row(name).tokens_per_param) for name in want}
    assert list(per_param.values()) == [148, 21, 297, 29, 1868, 213, 38]
    assert ledger.row("llama3-8b").train_flops == benchmarks.train_compute("llama3-8b")


def test_a_line_is_found_and_what_is_left_has_no_slope():
    exact = LLAMA_2_PAPER._replace(
        settings={"made up": "0-shot"},
        scores={m: (10 + 3 * math.log10(benchmarks.train_compute(m)),) for m in LLAMA_2_PAPER.scores},
    )
    fit = benchmarks.line(exact, "made up")
    assert (fit.slope, fit.at_one, fit.explained) == pytest.approx((3, 10, 1))
    assert max(map(abs, fit.left.values())) < 1e-9
    assert list(benchmarks.by_generation({"llama1-7b": 1.0, "llama1-13b": 3.0, "llama2-7b": 5.0})) == [
        "Llama 1",
        "Llama 2",
    ]


def test_two_steps_between_generations_left_the_network_alone():
    assert set(ledger.changed("llama1-13b", "llama2-13b")) == {"norm_eps", "max_seq_len"}
    assert set(ledger.changed("llama2-70b", "llama3-70b")) == {"vocab_size", "rope_theta", "max_seq_len"}
    assert "n_kv_heads" in ledger.changed("llama1-65b", "llama2-70b")
    assert "ffn_dim" in ledger.changed("llama2-7b", "llama3-8b")


def test_the_claims_that_can_be_computed_hold_and_each_has_a_verdict_and_a_source():
    assert len(CLAIMS) == 40 and len({claim.said for claim in CLAIMS}) == 40
    for claim in CLAIMS:
        assert claim.verdict in VERDICTS and claim.truth and claim.source, claim.said
        assert claim.check is None or claim.check(), claim.said
    assert sum(claim.check is not None for claim in CLAIMS) >= 10
    assert len(dict(CONTRADICTIONS)) == len(CONTRADICTIONS)


# --- drawings ----------------------------------------------------------------------------------------


def test_a_score_that_may_not_be_compared_is_grey_and_says_why():
    ax = figures.draw_benchmark("ARC-c", "llama2-70b").axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    colours = [bar.get_facecolor()[:3] for bar in ax.patches]
    said = [text.get_text() for text in ax.texts]
    grey = [colours[i] == colours[-1] for i in range(len(names))]
    assert len(names) == len(said) == 8 + 5 + 3 and names[7] == "llama2-70b" and "is compared" in said[7]
    assert grey == [False] * 8 + [True] * 8
    assert all("no: asked differently" in text for text in said[8:]) and "+0.4 points" in said[2]


def test_the_better_model_by_each_ruler_is_marked():
    figure = figures.draw_rulers({"a": (1.4, 0.2), "b": (1.6, 0.1)})
    best = [[i for i, text in enumerate(ax.texts) if "best" in text.get_text()] for ax in figure.axes]
    assert best == [[0], [1]]
