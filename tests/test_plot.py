"""Distributions: what is drawn is as probable as they say, and their entropies are exact."""

import math
from collections import Counter
from random import Random

import pytest

from llamalite.tales.plot import STEPS, SecondNumber, Total, Weighted, distributions
from llamalite.tales.world import World

DRAWN = distributions(World(64))
BEFORE = {"op": "take", "a": 12, "b": 5}  # what sums draw before their second number and their total


@pytest.mark.parametrize("name", DRAWN)
def test_a_draw_comes_with_its_own_logprob(name):
    rng = Random(1)
    for _ in range(200):
        value, log = DRAWN[name].draw(rng, BEFORE)
        assert log == DRAWN[name].logprob(value, BEFORE)


@pytest.mark.parametrize("name", ["hero", "thing", "mood", "op", "b"])
def test_probabilities_sum_to_one_and_frequencies_follow_them(name):
    rng, n = Random(2), 20_000
    counts = Counter(DRAWN[name].draw(rng, BEFORE)[0] for _ in range(n))
    probabilities = {value: math.exp(DRAWN[name].logprob(value, BEFORE)) for value in counts}
    if name != "hero":  # the rarest heroes may not have come
        assert math.isclose(sum(probabilities.values()), 1)
    for value, p in probabilities.items():
        assert abs(counts[value] - n * p) < 5 * math.sqrt(n * p * (1 - p)) + 1


def test_entropy_is_the_mean_surprise():
    for weights in ((1, 1, 1, 1), (4, 2, 2, 2), (1000, 1)):
        drawn = Weighted("abcd"[: len(weights)], weights)
        p = [weight / sum(weights) for weight in weights]
        assert math.isclose(drawn.entropy(), -sum(q * math.log(q) for q in p))


def test_what_cannot_be_drawn_has_no_probability():
    assert DRAWN["thing"].logprob("moon", {}) == -math.inf
    assert SecondNumber().logprob(12, BEFORE) == -math.inf
    assert Total().logprob(8, BEFORE) == -math.inf


def test_totals_are_right():
    assert Total().draw(Random(), BEFORE) == (7, 0.0)
    assert Total().draw(Random(), {**BEFORE, "op": "add"}) == (17, 0.0)


def test_the_entropy_of_a_second_number_is_that_of_all_first_ones():
    """Summed over every op and a, as the plot draws them; measured on draws."""
    rng, drawn, n = Random(3), SecondNumber(), 20_000
    surprise = []
    for _ in range(n):
        plot = {name: DRAWN[name].draw(rng, {})[0] for name in ("op", "a")}
        surprise.append(-drawn.draw(rng, plot)[1])
    assert abs(sum(surprise) / n - drawn.entropy()) < 0.03


def test_a_tale_has_five_to_ten_steps():
    must = [step for step in STEPS["tale"] if step.probability == 1]
    assert (len(must), len(STEPS["tale"])) == (5, 10)
