"""Filters against planted truth, mixes against Llama 1's table."""

from collections import Counter
from itertools import islice
from random import Random

import numpy as np
import pytest

from llamalite.tales.crawl import RUDE, crawl
from llamalite.tales.telling import Tales
from llamalite.tales.world import World
from llamalite.text.data import semantic
from llamalite.text.data.decontamination import held_out_runs, overlap
from llamalite.text.data.deduplication import deduplicate
from llamalite.text.data.language_id import identify, learn_languages
from llamalite.text.data.mixing import epochs, mixed, weights_for
from llamalite.text.data.personal import find_personal, redact
from llamalite.text.data.quality import Quality, bags, judge, learn_quality, logits
from llamalite.text.data.records import Record
from llamalite.text.data.rules import OFF, ON, RULES, broken
from llamalite.text.data.screening import Screen, screen
from llamalite.text.data.unsafe import build_pattern, count_unsafe

WORLD = World(1024, exponent=1.0, seed=7)
LANGUAGES = ("en", "ko", "es", "de", "code", "maths")
TOLD = {name: Tales(name, WORLD) for name in LANGUAGES}
HELD_OUT = [TOLD[name].tell(Random(f"held out {i}")).text for i in range(20) for name in LANGUAGES]
DOCUMENTS = list(crawl(TOLD, Random(11), 2000, HELD_OUT))
TEXTS = [document.text for document in DOCUMENTS]
TAUGHT = learn_languages({n: [t.tell(Random(i)).text for i in range(100)] for n, t in TOLD.items()})


def scored(found: set[int], kinds: set[str]) -> tuple[float, float]:
    """(precision, recall) of what a filter found, for faults of these kinds."""
    truth = {document.number for document in DOCUMENTS if document.kind in kinds}
    return len(found & truth) / len(found), len(found & truth) / len(truth)


# --- filters for single documents -------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_usual_rules_eat_no_clean_page(language):
    clean = [d for d in DOCUMENTS if d.kind == "clean" and d.language == language]
    eaten = [d.text for d in clean if broken(d.text)]
    assert len(clean) > 100 and len(eaten) <= 0.02 * len(clean), eaten[0]


def test_each_rule_can_be_left_out_and_those_that_do_harm_are():
    text = TOLD["ko"].tell(Random(1)).text
    assert set(broken(text, RULES)) == {"English words", "Latin letters"} and set(ON).isdisjoint(OFF)
    assert broken("x\ny", ["too short"]) == ["too short"] and broken("x\ny", []) == []


def test_gibberish_breaks_a_rule():
    precision, recall = scored({d.number for d in DOCUMENTS if broken(d.text)}, {"gibberish", "boilerplate"})
    assert precision > 0.95
    assert scored({d.number for d in DOCUMENTS if broken(d.text)}, {"gibberish"})[1] == 1 and recall > 0.4


def test_languages_are_told_apart_and_noise_is_none():
    clean = [d for d in DOCUMENTS if d.kind in ("clean", "leak", "wrong language")]
    right = [identify(d.text, TAUGHT) == d.language for d in clean]
    assert np.mean(right) > 0.99
    assert {identify(d.text, TAUGHT) for d in DOCUMENTS if d.kind == "gibberish" and "#%" in d.text} == {""}
    with pytest.raises(ValueError, match="at least one text"):
        learn_languages({"en": []})


def test_a_page_in_another_language_than_it_claims_goes():
    filters = Screen(rules=(), languages=TAUGHT, personal="keep")
    why = [screen(Record(d.text, d.claimed), filters).reason for d in DOCUMENTS]
    found = {
        d.number for d, reason in zip(DOCUMENTS, why, strict=True) if reason == "language" and d.language
    }
    precision, recall = scored(found, {"wrong language"})
    assert precision > 0.9 and recall == 1


def test_rude_words_are_found_whole_in_any_case():
    pattern = build_pattern(RUDE)
    found = {d.number for d in DOCUMENTS if count_unsafe(d.text, pattern)}
    assert scored(found, {"rude"}) == (1, 1)
    assert count_unsafe(f"{RUDE[0].upper()}! {RUDE[0]}s", pattern) == 1 and not count_unsafe(
        "", build_pattern([])
    )


def test_personal_data_is_found_where_it_stands():
    for d in (d for d in DOCUMENTS if d.kind != "gibberish"):
        assert {tuple(found) for found in find_personal(d.text)} == set(map(tuple, d.personal))
        assert not find_personal(redact(d.text))
        for start, end, kind in d.personal:
            assert d.text[start:end] not in redact(d.text) and f"[{kind}]" in redact(d.text)


def test_no_leak_survives_in_whatever_disguise():
    found = {i for i, part in enumerate(overlap(TEXTS, held_out_runs(HELD_OUT))) if part > 0.5}
    leaks = {d.number for d in DOCUMENTS if d.kind == "leak"}
    assert leaks <= found and len(found - leaks) <= 2


def test_a_classifier_learns_labels_that_it_could_not_know():
    pages = list(crawl({"en": TOLD["en"]}, Random(3), 900, [], {"clean": 1, "rude": 1}))
    texts, good = [d.text for d in pages], np.array([d.kind == "clean" for d in pages])
    liked = judge(texts[600:], learn_quality(texts[:600], good[:600])) > 0.5
    assert np.mean(liked == good[600:]) > 0.9
    with pytest.raises(ValueError, match="all labels are the same"):
        learn_quality(texts[:3], np.ones(3, bool))


def test_learning_goes_down_the_slope_of_the_balanced_cross_entropy():
    """One step from zero against finite differences, for a word that only one of three texts holds."""
    texts, good = ["rose rose bell", "bell", "fox bell"], np.array([True, False, False])
    x, step = bags(texts), learn_quality(texts, good, steps=1, lr=1.0, decay=0.0)

    def loss(weights, bias):
        signs = np.where(good, 1, -1) * logits(x, Quality(weights, bias))
        return 0.5 * np.log1p(np.exp(-signs[0])) + 0.25 * np.log1p(np.exp(-signs[1:])).sum()

    zero, eps = np.zeros_like(step.weights), 1e-5
    for column in set(x.columns.tolist()):
        bump = np.zeros_like(zero)
        bump[column] = eps
        slope = (loss(bump, 0.0) - loss(-bump, 0.0)) / (2 * eps)
        assert step.weights[column] == pytest.approx(-slope, abs=1e-9)


# --- many documents ---------------------------------------------------------------------------------------


def test_copies_go_and_common_lines_are_taken_out():
    found = deduplicate(TEXTS, near=None, limit=40)
    exact = {i for i, (_, why) in enumerate(found) if why == "copy"}
    leaks = {d.number for d in DOCUMENTS if d.kind == "leak"}
    assert scored(exact - leaks, {"duplicate"}) == (1, 1)
    left = Counter(line for text, why in found if not why for line in text.split("\n"))
    assert max(left.values()) <= 40 and not left["Skip to content"]


def test_meaning_is_compared_in_blocks_as_in_one_piece():
    x = np.random.default_rng(0).standard_normal((60, 4))
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    kept: list[int] = []
    for i in range(60):  # one by one
        if all(units[i] @ units[j] < 0.8 for j in kept):
            kept.append(i)
    for block in (1, 7, 512):
        assert np.flatnonzero(semantic.keep_distinct(x, 0.8, block)).tolist() == kept
    assert abs(semantic.centred(x).mean(0)).max() < 0.2


# --- mixes ------------------------------------------------------------------------------------------------

LLAMA_1 = {  # source: (share of the tokens, epochs at 1.4T tokens, gigabytes on disk), facts F1
    "CommonCrawl": (0.67, 1.10, 3300), "C4": (0.15, 1.06, 783), "GitHub": (0.045, 0.64, 328),
    "Wikipedia": (0.045, 2.45, 83), "Books": (0.045, 2.23, 85), "ArXiv": (0.025, 1.06, 92),
    "StackExchange": (0.02, 1.03, 78),
}  # fmt: skip


def test_llama_1s_table_hangs_together():
    """Sizes that its epochs imply, at a plausible number of bytes a token, give its shares back."""
    sizes = {name: share * 1.4e12 / times for name, (share, times, _) in LLAMA_1.items()}
    for name, (_, _, gigabytes) in LLAMA_1.items():
        assert 2.5 < gigabytes * 1e9 / sizes[name] < 4.2, name
    shares = {name: row[0] for name, row in LLAMA_1.items()}
    assert sum(shares.values()) == pytest.approx(1)
    printed = {name: row[1] for name, row in LLAMA_1.items()}
    assert epochs(shares, sizes, 1.4e12) == pytest.approx(printed)
    assert weights_for(printed, sizes) == pytest.approx(shares)
    assert epochs(shares, sizes, 1.0e12)["Wikipedia"] == pytest.approx(2.45 / 1.4)


def test_a_mix_keeps_its_shares_in_size_and_reads_everything_as_often():
    sources = {"long": ["x" * 900 + str(i) for i in range(40)], "short": [f"{i:09d}" for i in range(500)]}
    drawn = list(islice(mixed(sources, {"long": 3, "short": 1}, len, seed=1), 4000))
    size = Counter()
    for name, text in drawn:
        size[name] += len(text)
    assert size["long"] / size.total() == pytest.approx(0.75, abs=0.01)
    times = Counter(text for _, text in drawn)
    for texts in sources.values():
        assert max(times[t] for t in texts) - min(times[t] for t in texts) <= 1
    again = list(islice(mixed(sources, {"long": 3, "short": 1}, len, seed=1), 50))
    assert again == drawn[:50] != list(islice(mixed(sources, {"long": 3, "short": 1}, len, seed=2), 50))


def test_mixes_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="weights must be at least 0"):
        epochs({"web": -1, "code": 2}, {"web": 1, "code": 1}, 1)
    with pytest.raises(ValueError, match="no document in 'code'"):
        next(mixed({"web": ["a"], "code": []}, {"web": 1, "code": 1}, len))
