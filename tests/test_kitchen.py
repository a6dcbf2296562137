"""The kitchen of chapters 18 and 19: soups are worth what is said, tasters are as unsure as is said."""

import doctest

import numpy as np
import torch

from llamalite.align import kitchen
from llamalite.align.kitchen import (
    ASK,
    LONGEST,
    SALT,
    SERVE,
    VEGETABLES,
    WORDS,
    apprentice,
    compared,
    recipe,
    worth,
)
from llamalite.align.rlhf.rollouts import sample


def test_the_examples_hold():
    assert doctest.testmod(kitchen).failed == 0


def test_the_words_are_those_that_the_numbers_say():
    assert [WORDS[i] for i in ASK] == ["a", "soup", "please:"]
    assert (WORDS[SALT], WORDS[SERVE], len(WORDS)) == ("salt", "serve", 9)


def test_a_fourth_pinch_spoils_everything():
    """Salt and variety are worth something, repetition nothing; how long a soup is does not matter."""
    assert [worth([*VEGETABLES, *[SALT] * n]) for n in range(6)] == [2, 3, 4, 5, 0, 0]
    assert worth([3, 3, 3]) == worth([3]) == 0.5 and worth([SERVE]) == 0


def test_nobody_teaches_a_third_pinch():
    rng = np.random.default_rng(0)
    recipes = [recipe(rng) for _ in range(500)]
    assert {r.count(SALT) for r in recipes} == {0, 1, 2}
    assert all(r[-1] == SERVE and r.count(SERVE) == 1 and 6 <= len(r) <= 10 for r in recipes)


def test_tasters_prefer_as_often_as_bradley_and_terry_say():
    better, worse = [SALT, SALT, SERVE], [SALT, 3, SERVE]  # 2 against 1.5
    pairs = compared([better, worse] * 4000, np.random.default_rng(1))
    share = np.mean([p.chosen.ids[len(ASK) :] == better for p in pairs])
    assert abs(share - 1 / (1 + np.exp(-0.5))) < 0.02  # 2.6 standard errors
    assert all(p.chosen != p.rejected and p.chosen.ids[: len(ASK)] == ASK for p in pairs)


def test_an_apprentice_cooks_what_it_was_shown():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    cook = apprentice([recipe(rng) for _ in range(400)])
    soups = sample(
        cook, [ASK] * 200, LONGEST, {SERVE}, temperature=1.0, generator=torch.Generator().manual_seed(0)
    )
    assert np.mean([s[-1] == SERVE for s in soups]) > 0.98
    assert 1.6 < np.mean([worth(s) for s in soups]) < 2.6
    assert np.mean([s.count(SALT) > 3 for s in soups]) < 0.02
