"""The oracle: full marks for every tale, and for each kind of damage exactly the mark that it costs."""

from random import Random

import pytest

from llamalite.tales.judging import judge
from llamalite.tales.language import language_names
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

WORLD = World(64, seed=2)
EN = Tales("en", WORLD)


def told(**wanted: object):
    rng = Random(1)
    while True:
        tale = EN.tell(rng)
        if all((tale.told | tale.plot).get(name) == value for name, value in wanted.items()):
            return tale


@pytest.mark.parametrize("name", [name for name in language_names() if name != "maths"])
def test_a_true_tale_gets_full_marks(name):
    tales, rng = Tales(name, WORLD), Random(3)
    for _ in range(100):
        tale = tales.tell(rng)
        found = judge(tales, tale.text, asked=tale.plot)
        assert found.perfect and found.score == 1 and found.grammatical == 1
        assert found.good_until == len(tale.text) and found.plot == tale.plot
        assert found.facts_right == found.facts_stated > 0
        assert found.object_kept and found.count_kept and found.mood == tale.plot["mood"]


def test_a_wrong_fact_costs_that_fact_and_nothing_else():
    tale = told(opening=1)
    right = judge(EN, tale.text)
    species = next(tale.text[s.start : s.end] for s in tale.spans if s.name == "species")
    other = "a frog" if species != "a frog" else "a goat"
    found = judge(EN, tale.text.replace(species, other, 1))
    assert (found.facts_right, found.facts_stated) == (right.facts_stated - 1, right.facts_stated)
    assert found.grammatical == 1 and found.object_kept and found.mood == right.mood
    assert found.good_until == tale.text.index(species) and "species" in found.reason


@pytest.mark.parametrize(
    "value, others", [("thing", ("shells", "keys")), ("count", ("two", "nine")), ("place", ("sea", "mill"))]
)
def test_what_is_not_kept_is_seen(value, others):
    tale = told(ending=0, thing="shells", count=2, place="sea")
    at = tale.text.rindex(others[0])
    found = judge(
        EN, tale.text[:at] + others[1].replace("mill", "old mill") + tale.text[at + len(others[0]) :]
    )
    assert found.kept[value] is False and found.grammatical == 1 and not found.perfect
    assert all(kept for name, kept in found.kept.items() if name != value)
    assert found.facts_right == found.facts_stated


def test_another_friend_is_a_wrong_fact():
    tale = told(help=1)
    friend = EN.name(EN.hero(tale).friend)
    stranger = next(EN.name(rank) for rank in range(64) if EN.name(rank) not in tale.text)
    found = judge(EN, tale.text.replace(friend, stranger))
    assert found.facts_stated - found.facts_right == tale.text.count(friend)


def test_nonsense_in_the_middle_costs_its_length():
    tale = told()
    noise = " Nobody ever said such a thing."
    at = tale.text.index(". ") + 1
    found = judge(EN, tale.text[:at] + noise + tale.text[at:])
    assert found.grammatical == pytest.approx(
        len(tale.text) / (len(tale.text) + len(noise)), abs=2 / len(tale.text)
    )
    assert found.object_kept and found.mood == tale.plot["mood"] and not found.perfect


def test_a_tale_cut_off_has_no_mood_and_nothing_kept_to_the_end():
    tale = told(journey=None, cry=None, thanks=None)
    found = judge(EN, tale.text[: tale.text.rindex(". ") + 1])
    assert found.mood is None and not found.object_kept and not found.count_kept
    assert found.reason == "the tale stops before its ending" and found.score < 0.7


def test_what_was_asked_for_is_marked_apart():
    tale = told(mood="sad", hero=0)
    found = judge(EN, tale.text, {"mood": "happy", "hero": 0})
    assert found.as_asked == {"mood": False, "hero": True} and not found.perfect and not found.reason
    assert judge(EN, tale.text).score > found.score > 0.8


@pytest.mark.parametrize(
    "text", ["", "   ", "Once upon a midnight dreary", "Once upon a time there was a fox"]
)
def test_what_is_no_tale_at_all_gets_next_to_nothing(text):
    found = judge(EN, text)
    assert found.score == 0 and found.facts_stated == 0 and found.reason


def test_the_more_is_broken_the_lower_the_score():
    """Words swapped at random: the mean score falls with every further swap."""
    rng = Random(4)
    means = []
    for swaps in (0, 1, 3, 9, 27):
        scores = []
        for _ in range(60):
            words = EN.tell(rng).text.split(" ")
            for _ in range(swaps):
                i, j = (int(rng.random() * len(words)) for _ in range(2))
                words[i], words[j] = words[j], words[i]
            scores.append(judge(EN, " ".join(words)).score)
        means.append(sum(scores) / len(scores))
    assert means[0] == 1 and means == sorted(means, reverse=True) and means[-1] < 0.2


def test_a_wrong_language_is_no_tale():
    assert judge(EN, Tales("code", WORLD).tell(Random(0)).text).score == 0
