"""Who lives in the world: popularity, facts, friendship, and the same world everywhere."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.tales.world import HOMES, MOST_HEROES, SPECIES, World


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.floats(0, 4), st.integers(0, 99))
def test_popularity_is_zipfs_law(half, exponent, seed):
    world = World(2 * half, exponent, seed)
    assert math.isclose(sum(world.popularity), 1)
    for rank in (1, len(world.popularity) - 1):
        assert math.isclose(world.popularity[0] / world.popularity[rank], (rank + 1) ** exponent)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(0, 99))
def test_friends_are_two_and_neighbours_in_rank(half, seed):
    heroes = World(2 * half, seed=seed).heroes
    for rank, hero in enumerate(heroes):
        assert heroes[hero.friend].friend == rank != hero.friend and abs(hero.friend - rank) == 1


def test_every_name_is_somebodys_alone_even_when_all_are_taken():
    assert len({hero.name for hero in World(MOST_HEROES).heroes}) == MOST_HEROES


def test_facts_are_spread_evenly_and_know_nothing_of_each_other():
    """Counts within five standard errors of a fair draw, for one fact and for pairs of facts."""
    heroes = World().heroes
    for facts, n_values in (
        ([hero.species for hero in heroes], len(SPECIES)),
        ([hero.home for hero in heroes], len(HOMES)),
        ([(hero.species, hero.home) for hero in heroes], len(SPECIES) * len(HOMES)),
        ([(hero.she, heroes[hero.friend].she) for hero in heroes], 4),
    ):
        counts, fair = Counter(facts), len(heroes) / n_values
        assert len(counts) == n_values
        assert all(abs(count - fair) < 5 * math.sqrt(fair) for count in counts.values())


def test_the_seed_decides_the_world():
    assert World(64, seed=3).heroes == World(64, seed=3).heroes != World(64, seed=4).heroes


def test_a_larger_exponent_changes_who_is_told_of_and_no_fact():
    assert World(64, 1.0).heroes == World(64, 2.0).heroes


@pytest.mark.parametrize("n_heroes", [0, 1, 7, MOST_HEROES + 2])
def test_an_impossible_number_of_heroes_is_refused(n_heroes):
    with pytest.raises(ValueError, match="take an even number from 2 to 4096"):
        World(n_heroes)


@pytest.mark.parametrize("exponent", [-0.1, 21.0, math.nan])
def test_an_impossible_exponent_is_refused(exponent):
    with pytest.raises(ValueError, match="exponent is"):
        World(64, exponent)
