"""Every label is true: checked by parsing, by the world, and by the judge, not by how it was made."""

from collections import Counter
from random import Random

import pytest

from llamalite.tales.parsing import NotATale
from llamalite.tales.tasks import (
    FACT_QUESTIONS,
    LABELS,
    TALE_QUESTIONS,
    Question,
    bio,
    classification,
    fact_question,
    follows,
    is_right,
    is_translation,
    request,
    tagging,
    tale_question,
    translation,
)
from llamalite.tales.telling import Tales
from llamalite.tales.world import OBSTACLES, World

WORLD = World(64, seed=5)
EN, KO, DE = (Tales(name, WORLD) for name in ("en", "ko", "de"))
WORDS = EN.grammar.language.words


def rank(name: str) -> int:
    return next(hero for hero in range(64) if EN.name(hero) == name)


@pytest.mark.parametrize("target", [KO, DE], ids=["ko", "de"])
def test_a_translation_tells_the_same_tale_step_by_step(target):
    rng = Random(1)
    for _ in range(100):
        pair = translation(EN, target, rng)
        ours, theirs = EN.parse(pair.source), target.parse(pair.target)
        assert ours.plot == theirs.plot and list(ours.told) == list(theirs.told)
        assert is_translation(EN, target, pair.source, pair.target)


def test_another_tale_another_language_and_a_broken_one_are_no_translations():
    rng = Random(2)
    pair, other = translation(EN, KO, rng), translation(EN, KO, rng)
    assert not is_translation(EN, KO, pair.source, other.target)
    assert not is_translation(EN, KO, pair.source, pair.source)
    assert not is_translation(EN, KO, pair.source, pair.target[:-10])


def test_many_wordings_are_right_translations():
    rng = Random(3)
    source = EN.tell(rng)
    answers = {KO.retell(source, rng).text for _ in range(50)}
    assert len(answers) > 20 and all(is_translation(EN, KO, source.text, answer) for answer in answers)


@pytest.mark.parametrize("tales", [EN, KO], ids=["en", "ko"])
@pytest.mark.parametrize("what", ["mood", "topic"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_label_follows_from_the_text_alone(tales, what, whole):
    """The words of the label's own value stand in the text, and those of no other label do."""
    rng, seen = Random(4), Counter()
    section = {"mood": "mood", "topic": "obstacle"}[what]
    for _ in range(100):
        example = classification(tales, rng, what, whole)
        forms = {
            key: [word for word in words.values() if word in example.text]
            for key, words in tales.grammar.language.words[section].items()
        }
        keys = {key for key, found in forms.items() if found}
        labels = {OBSTACLES.get(key, key) for key in keys}
        assert labels == {example.label}
        seen[example.label] += 1
    assert len(seen) == 4


def test_entities_are_the_words_of_the_world():
    rng = Random(5)
    for _ in range(200):
        tagged = tagging(EN, rng)
        plot = EN.parse(tagged.text).plot
        people = {EN.name(plot["hero"]), EN.name(EN.world.heroes[plot["hero"]].friend)}
        for entity in tagged.entities:
            words = tagged.text[entity.start : entity.end]
            if entity.label == "PERSON":
                assert words in people
            elif entity.label == "NUMBER":
                assert words.lower() == WORDS["count"][str(plot["count"])]["word"]
            elif entity.label == "THING":
                assert words == WORDS["thing"][plot["thing"]]["word"]
        for name in people:  # nobody is overlooked
            marked = sum(tagged.text[e.start : e.end] == name for e in tagged.entities)
            assert marked == tagged.text.count(name)


def test_tags_of_words_cover_every_entity_once():
    rng = Random(6)
    for _ in range(100):
        tagged = tagging(EN, rng)
        rows = bio(tagged)
        assert [word for word, _ in rows] == tagged.text.split()
        begun = Counter(tag[2:] for _, tag in rows if tag.startswith("B-"))
        assert begun == Counter(entity.label for entity in tagged.entities)
        assert {tag[2:] for _, tag in rows if tag != "O"} <= set(LABELS.values())


def test_answers_about_the_world_are_true():
    rng, seen = Random(7), Counter()
    for _ in range(300):
        asked = fact_question(EN, rng)
        hero = next(WORLD.heroes[h] for h in range(64) if EN.name(h) in asked.question)
        seen[asked.about] += 1
        assert asked.text == ""
        if asked.about == "friend":
            assert EN.name(hero.friend) in asked.answer
        else:
            key = getattr(hero, asked.about)
            assert any(form in asked.answer for form in WORDS[asked.about][key].values())
    assert set(seen) == set(FACT_QUESTIONS)


@pytest.mark.parametrize("about", TALE_QUESTIONS)
def test_answers_about_a_tale_are_in_the_tale(about):
    rng = Random(8)
    for _ in range(50):
        asked = tale_question(EN, rng, about)
        plot = EN.parse(asked.text).plot
        if about == "helper":
            needed = EN.name(WORLD.heroes[plot["hero"]].friend)
        else:
            needed = WORDS[about][str(plot[about])]["word"]
        assert needed in asked.answer and asked.about == about
        assert EN.name(plot["hero"]) in asked.question or about == "count"


def test_only_the_true_answer_is_right():
    asked = Question("", "Who is it?", "It is Mira.", "friend")
    assert is_right(asked, "It is Mira.") and is_right(asked, " It is Mira\n")
    assert not any(is_right(asked, answer) for answer in ("It is Miro.", "Mira.", "", "It is Mira. Or Miro."))


def test_an_answer_to_a_request_follows_it_and_a_random_tale_rarely_does():
    rng, by_chance, kinds = Random(9), 0, Counter()
    for _ in range(200):
        made = request(EN, rng)
        kinds.update(made.asked)
        assert follows(EN, made, made.answer) == dict.fromkeys(made.asked, True)
        assert EN.name(made.asked["hero"]) in made.request and made.request.endswith(".")
        for name in ("thing", "place"):
            if name in made.asked:
                assert WORDS[name][made.asked[name]]["word"] in made.request
        by_chance += all(follows(EN, made, EN.tell(rng).text).values())
    assert set(kinds) == {"hero", "thing", "count", "place", "mood"} and by_chance < 40


def test_a_tale_told_to_order_has_the_probability_of_its_text():
    rng = Random(10)
    for _ in range(100):
        tale = EN.tell(rng, {"hero": 3, "mood": "sad", "count": 7})
        assert (tale.plot["hero"], tale.plot["mood"], tale.plot["count"]) == (3, "sad", 7)
        assert EN.parse(tale.text).logprob == pytest.approx(tale.logprob)


def test_what_cannot_be_asked_for_is_no_tale():
    with pytest.raises(NotATale):
        EN.parse("Tell a tale about nobody.")
