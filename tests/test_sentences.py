"""Sentences and their truths: each is found again in a tale that was told by other code."""

from random import Random

import pytest

from llamalite.tales.sentences import named, sentence_pair, tagged_sentence
from llamalite.tales.tasks import LABELS, bio, is_translation
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

WORLD = World(64, seed=5)
EN, KO, DE = (Tales(name, WORLD) for name in ("en", "ko", "de"))


@pytest.mark.parametrize("target", [KO, DE], ids=["ko", "de"])
def test_put_into_a_whole_tale_every_accepted_sentence_is_its_translation(target):
    """The judge of whole tales agrees: each accepted way, exchanged for what a retold tale says there."""
    checked = 0
    for seed in range(20):
        pair = sentence_pair(EN, target, Random(seed))
        assert pair.target in pair.accepted
        rng = Random(seed)
        tale = EN.tell(rng)
        if pair.source not in tale.text:
            continue  # the first tale drawn had no fitting partner
        for attempt in range(12):
            other = target.retell(tale, Random(attempt))
            said = [sentence for sentence in pair.accepted if sentence in other.text]
            for old in said:
                for new in pair.accepted:
                    assert is_translation(EN, target, tale.text, other.text.replace(old, new))
                    checked += 1
    assert checked > 30


def test_nothing_is_asked_that_the_source_does_not_say():
    phrase = next(t for t in EN.grammar.tellings if t.step.name == "journey").phrases[0]
    assert "gender" not in named(phrase) and {"count", "thing", "weather"} <= named(phrase)
    korean = next(t for t in KO.grammar.tellings if t.step.name == "journey").phrases[0]
    assert "hero" in named(korean) and not named(korean) <= named(phrase)


def test_entities_stand_where_they_are_said():
    kinds = set()
    for seed in range(300):
        tagged = tagged_sentence(EN, Random(seed))
        for entity in tagged.entities:
            words = tagged.text[entity.start : entity.end]
            assert words == words.strip() and words
            if entity.label == "PERSON":
                assert words[0].isupper()
            if entity.label == "NUMBER":
                assert words.lower() in ["two", "three", "four", "five", "six", "seven", "eight", "nine"]
            kinds.add(entity.label)
        assert all(tag == "O" or tag[2:] in LABELS.values() for _, tag in bio(tagged))
    assert kinds == {"PERSON", "KIND", "CRAFT", "PLACE", "THING", "NUMBER", "FOOD"}
