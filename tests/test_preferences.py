"""The oracle prefers what it says it prefers, by as much as it says, and each damage is what it is called."""

from collections import Counter
from random import Random

import pytest

from llamalite.tales.judging import judge
from llamalite.tales.preferences import DAMAGES, MARGINS, STRENGTHS, preference, strength
from llamalite.tales.tasks import request
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

EN = Tales("en", World(64, seed=5))


@pytest.mark.parametrize("language", ["en", "ko", "es", "de", "code"])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_costs(name, language):
    """Against the tale it was done to, as the answer to a request for everything the tale has."""
    tales, rng = Tales(language, EN.world), Random(1)
    for _ in range(50):
        tale = tales.tell(rng)
        spoilt = DAMAGES[name](tales, tale, rng)
        before, after = (judge(tales, text, tale.plot) for text in (tale.text, spoilt))
        assert before.score == 1 and after.score < 1 and not after.perfect


def test_each_damage_breaks_what_its_name_says_and_not_the_rest():
    rng = Random(2)
    for _ in range(50):
        tale = EN.tell(rng)
        found = {name: judge(EN, damage(EN, tale, rng), tale.plot) for name, damage in DAMAGES.items()}
        assert found["wrong_object"].object_kept is False and found["wrong_object"].count_kept
        assert found["wrong_friend"].facts_right < found["wrong_friend"].facts_stated
        assert found["wrong_fact"].facts_right == found["wrong_fact"].facts_stated - 1
        assert found["other_mood"].as_asked["mood"] is False and not found["other_mood"].reason
        assert found["other_hero"].as_asked["hero"] is False and not found["other_hero"].reason
        assert found["cut_off"].mood is None
        assert found["broken_grammar"].grammatical < 1 and found["repeated"].grammatical < 1


def test_the_chosen_answer_is_the_better_one_and_the_strength_is_the_difference():
    rng, seen = Random(3), Counter()
    for _ in range(300):
        pair = preference(EN, rng)
        assert pair.chosen_score > pair.rejected_score and pair.chosen != pair.rejected
        assert pair.strength == strength(pair.chosen_score - pair.rejected_score)
        seen[pair.strength] += 1
        if not pair.damages[0]:
            assert judge(EN, pair.chosen).perfect
    assert len(seen) >= 3


@pytest.mark.parametrize("language", ["en", "ko", "es", "de"])
def test_an_answer_is_called_damaged_just_where_it_is_not_perfect(language):
    """Another mood than nobody asked for would be a damage in name alone."""
    tales, rng, seen = Tales(language, EN.world), Random(5), Counter()
    for _ in range(300):
        pair = preference(tales, rng)
        for damages, score in zip(pair.damages, (pair.chosen_score, pair.rejected_score), strict=True):
            assert bool(damages) == (score < 1), damages
            seen.update(damages)
    assert set(seen) == set(DAMAGES)


def test_noise_turns_as_many_labels_as_it_says():
    rng, n = Random(4), 1000
    wrong = sum(
        pair.chosen_score < pair.rejected_score for pair in (preference(EN, rng, 0.2) for _ in range(n))
    )
    assert abs(wrong / n - 0.2) < 0.05


def test_strengths_have_their_thresholds():
    for least, words in STRENGTHS:
        assert strength(least) == words
        assert least == 0 or strength(least - 1e-9) != words


def test_margins_are_those_of_table_27():
    words = ("significantly better", "better", "slightly better", "negligibly better")
    assert [MARGINS["small"][word] for word in words] == [1, 2 / 3, 1 / 3, 0]
    assert [MARGINS["large"][word] for word in words] == [3, 2, 1, 0]
    assert all(set(margins) == {word for _, word in STRENGTHS} for margins in MARGINS.values())


def test_the_seed_decides():
    assert preference(EN, Random(6)) == preference(EN, Random(6)) != preference(EN, Random(7))
    assert request(EN, Random(6)) == request(EN, Random(6))
