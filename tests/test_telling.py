"""Round trip and exact probability: a text of the grammar has one derivation, and we know its probability."""

import math
import statistics
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.tales.language import language_names
from llamalite.tales.parsing import logprob
from llamalite.tales.telling import END, Tales
from llamalite.tales.world import OBSTACLES, World

LANGUAGES = language_names()
TOLD = {name: Tales(name) for name in LANGUAGES}


@pytest.mark.parametrize("name", LANGUAGES)
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_parse_inverts_tell(name, seed):
    """100 seeds of 100 tales: 10,000 tales a language."""
    tales, rng = TOLD[name], Random(seed)
    for _ in range(100):
        tale = tales.tell(rng)
        again = tales.parse(tale.text)
        assert (again.plot, again.told, again.spans) == (tale.plot, tale.told, tale.spans)
        assert math.isclose(again.logprob, tale.logprob, abs_tol=1e-9)


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_entropy_is_the_mean_surprise_of_tales(name):
    """The closed form against 4,000 tales, within four standard errors."""
    tales, rng = TOLD[name], Random(7)
    surprise = [-tales.tell(rng).logprob for _ in range(4000)]
    error = statistics.stdev(surprise) / math.sqrt(len(surprise))
    assert abs(statistics.fmean(surprise) - tales.entropy) < 4 * error


def test_the_probabilities_of_all_choices_sum_to_one():
    """Every hero, sign, step told or not, and phrasing of a small world of sums; the numbers held fixed."""
    grammar = Tales("maths", World(2)).grammar
    ways = [
        [None] * (telling.step.probability < 1) + list(range(len(telling.phrases)))
        for telling in grammar.tellings
    ]
    total = []
    for hero, op, numbers in product((0, 1), ("add", "take"), product(*ways)):
        plot = {"hero": hero, "a": 12, "thing": "keys", "op": op, "b": 5}
        plot["total"] = {"add": 17, "take": 7}[op]
        told = {
            telling.step.name: number
            for telling, number in zip(grammar.tellings, numbers, strict=True)
            if number is not None
        }
        fixed = -math.log(98) - math.log(16) - math.log({"add": 98, "take": 11}[op])  # of a, thing and b
        total.append(math.exp(logprob(grammar, plot, told) - fixed))
    assert len(total) == 2 * 2 * 4 * 4 * 3 * 3 and math.isclose(math.fsum(total), 1)


def test_a_tale_has_an_independent_probability():
    """By hand, from the numbers in the files: hero, steps, values, and weights of the phrasings."""
    tales = Tales("en", World(2, exponent=1.0, seed=0))
    tale = tales.tell(Random(5))
    expected = {0: 2 / 3, 1: 1 / 3}[tale.plot["hero"]]
    for step, p in (("craft", 0.5), ("journey", 0.5), ("cry", 0.4), ("treat", 0.5), ("thanks", 0.3)):
        expected *= p if step in tale.told else 1 - p
    expected *= 1 / 8 * 1 / 8 * 1 / 16 * 1 / 12  # time, count, thing, place
    expected *= (1 / 6 if "journey" in tale.told else 1) * 1 / 12  # weather, obstacle
    expected *= {"happy": 0.4}.get(tale.plot["mood"], 0.2)
    for step, number in tale.told.items():
        weights = [phrasing.weight for phrasing in tales.grammar.language.phrasings[step]]
        expected *= weights[number] / sum(weights)
    assert math.isclose(math.exp(tale.logprob), expected)


@pytest.mark.parametrize("name", LANGUAGES)
def test_spans_say_what_they_hold(name):
    tales, rng = TOLD[name], Random(11)
    for _ in range(200):
        tale = tales.tell(rng)
        for span in tale.spans:
            words = tale.text[span.start : span.end]
            if span.name == "hero":
                assert words.lower() == tales.name(tale.plot["hero"]).lower()
            elif span.name == "friend":
                assert words == tales.name(tales.hero(tale).friend)
            elif span.name in ("a", "b", "total"):
                assert words == str(tale.plot[span.name])
        assert [span.start for span in tale.spans] == sorted(span.start for span in tale.spans)


def test_what_is_introduced_is_needed_at_the_end():
    """The last sentence says again how many of what, and who."""
    rng = Random(12)
    for _ in range(300):
        tale = TOLD["en"].tell(rng)
        names = [span.name for span in tale.spans]
        first = tale.spans[names.index("count")]
        ending = tale.text[tale.text[:-1].rfind(". ") + 2 :]
        for name in ("count", "thing", "hero"):
            told = [tale.text[span.start : span.end].lower() for span in tale.spans if span.name == name]
            assert len(set(told)) == 1 and told[0] in ending.lower()
        assert len(tale.text) - first.start > len(ending)


def test_labels_and_number_of_steps():
    rng = Random(13)
    for _ in range(300):
        tale = TOLD["en"].tell(rng)
        assert tale.labels == {"mood": tale.plot["mood"], "topic": OBSTACLES[tale.plot["obstacle"]]}
        assert 5 <= len(tale.told) <= 10 and "\n" not in tale.text and END not in tale.text


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name not in ("en", "maths")])
def test_a_parallel_tale_has_the_same_plot_and_its_own_probability(name):
    rng = Random(14)
    for _ in range(100):
        tale = TOLD["en"].tell(rng)
        other = TOLD[name].retell(tale, rng)
        assert (other.plot, list(other.told)) == (tale.plot, list(tale.told))
        assert TOLD[name].parse(other.text) == other


def test_tales_of_another_plot_cannot_be_retold():
    with pytest.raises(ValueError, match="'maths' cannot be retold in 'en', whose plot has no change"):
        TOLD["en"].retell(TOLD["maths"].tell(Random(0)), Random(0))


def test_code_runs_and_its_assertions_hold():
    rng = Random(15)
    for _ in range(300):
        tale = TOLD["code"].tell(rng)
        scope = {"print": lambda *words: None}
        exec(compile(tale.text, "tale", "exec"), scope)
        (function,) = (value for key, value in scope.items() if callable(value) and key != "print")
        assert function()


def test_sums_are_right():
    rng = Random(16)
    for _ in range(300):
        plot = TOLD["maths"].tell(rng).plot
        assert plot["total"] == (plot["a"] + plot["b"] if plot["op"] == "add" else plot["a"] - plot["b"]) > 0


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_seed_decides_the_tales(name):
    def ten(seed: int) -> list[str]:
        rng = Random(seed)
        return [TOLD[name].tell(rng).text for _ in range(10)]

    assert ten(3) == ten(3) != ten(4)
