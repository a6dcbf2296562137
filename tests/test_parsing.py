"""The first violation: where a text stops being a tale, and why."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.tales.parsing import NotATale, hear
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

WORLD = World(64, seed=1)
EN, CODE, MATHS = (Tales(name, WORLD) for name in ("en", "code", "maths"))


def fault(tales: Tales, text: str) -> NotATale:
    with pytest.raises(NotATale) as caught:
        tales.parse(text)
    return caught.value


def told(tales: Tales, **wanted: object) -> str:
    """A tale in which these steps are told in these phrasings, and these values drawn."""
    rng = Random(0)
    while True:
        tale = tales.tell(rng)
        if all((tale.told | tale.plot).get(name) == value for name, value in wanted.items()):
            return tale.text


def swap(text: str, old: str, new: str) -> tuple[str, int]:
    """Replace the last ``old``; return where it stood, too."""
    at = text.rindex(old)
    return text[:at] + new + text[at + len(old) :], at


def test_a_wrong_fact_is_found_where_it_stands():
    text = told(EN, opening=1)  # "Nemari was a bear, and Nemari lived …"
    species = text.split()[3].rstrip(",")
    other = "frog" if species != "frog" else "goat"
    article = text.split()[2]
    found = fault(EN, text.replace(f"{article} {species}", f"a {other}", 1))
    assert found.position == text.index(f"{article} {species}")
    assert found.reason == f"the species is 'a {other}'; it has to be '{article} {species}'"


def test_an_object_that_changed_on_the_way_is_found_at_the_end():
    text, at = swap(told(EN, thing="shells", ending=0), "shells", "keys")
    assert (fault(EN, text).position, fault(EN, text).reason) == (
        at,
        "the thing is 'keys'; it has to be 'shells'",
    )


def test_a_count_that_changed_is_found():
    text, at = swap(told(EN, count=3, ending=0), "three", "four")
    assert (fault(EN, text).position, fault(EN, text).reason) == (
        at,
        "the count is 'four'; it has to be 'three'",
    )


def test_another_friend_is_not_the_right_friend():
    text = told(EN, help=0)
    friend = EN.name(EN.hero(EN.parse(text)).friend)
    stranger = next(EN.name(rank) for rank in range(64) if EN.name(rank) != friend)
    found = fault(EN, text.replace(friend, stranger))
    assert found.reason == f"the friend is {stranger!r}; it has to be {friend!r}"
    assert found.position == text.index(friend)


def test_a_stranger_is_nobody():
    text = told(EN, opening=1)
    name = text.split()[0]
    taken = {EN.name(rank) for rank in range(64)}
    everybody = Tales("en", World(seed=1))
    stranger = next(everybody.name(rank) for rank in range(4096) if everybody.name(rank) not in taken)
    assert fault(EN, text.replace(name, stranger)).reason.startswith(f"the hero is {stranger!r}")


def test_the_wrong_pronoun_is_found():
    text = told(EN, wish=1, hero=0)
    she = EN.world.heroes[0].she
    found = fault(
        EN,
        text.replace(
            " she was given" if she else " he was given", " he was given" if she else " she was given"
        ),
    )
    assert found.reason == (
        "the gender is 'he'; it has to be 'she'" if she else "the gender is 'she'; it has to be 'he'"
    )


def test_broken_grammar_says_what_was_expected():
    text = told(EN, opening=3, thing="shells")  # "This is the tale of Nemari, a bear who lived …"
    found = fault(EN, text.replace("who lived", "who resided", 1))
    assert found.position == text.index("lived") and found.reason == "expected 'lived '"
    assert "thing" in fault(EN, text.replace("shells", "sandwiches", 1)).reason


def test_a_tale_that_stops_says_what_is_missing():
    text = told(EN)
    found = fault(EN, text[: text.rindex(". ") + 1])
    assert found.reason == "the tale stops before its ending"
    assert fault(EN, "").reason == "the tale stops before its opening"


def test_what_comes_after_the_end_is_found():
    text = told(EN)
    found = fault(EN, f"{text} The end.")
    assert (found.position, found.reason) == (len(text) + 1, "the tale was over here")


def test_steps_in_the_wrong_order_are_refused():
    tale = EN.parse(told(EN, craft=1))
    sentences = [tale.text[s.start : s.end] for s in hear(EN.grammar, tale.text).sentences]
    assert " ".join(sentences) == tale.text
    fault(EN, " ".join([sentences[0], sentences[2], sentences[1], *sentences[3:]]))


def test_a_wrong_sum_is_found_at_its_total():
    text = told(MATHS, sum=0, op="add")
    total = str(MATHS.parse(text).plot["total"])
    wrong = str(int(total) + 1)
    found = fault(MATHS, text.replace(total, wrong))
    assert found.reason == f"the total cannot be '{wrong}' here" and found.position == text.index(total)


def test_indentation_counts_in_code():
    text = told(CODE)
    assert fault(CODE, text.replace("\n    ", "\n  ")).position == text.index("\n") + 3


def test_a_judge_hears_past_what_nobody_can_have_said():
    text = told(EN)
    sentences = hear(EN.grammar, text).sentences
    spoilt = text[: sentences[0].end] + " Nobody ever said this." + text[sentences[0].end :]
    again = hear(EN.grammar, spoilt, skip=True)
    assert [s.step for s in again.sentences] == [s.step for s in sentences] and again.problem
    assert len(hear(EN.grammar, spoilt).sentences) == 1


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**6), where=st.floats(0, 1), char=st.characters(codec="utf-8"))
def test_one_changed_character_is_another_tale_or_a_fault_no_later_than_it_can_be(seed, where, char):
    """No text is misread: what parses says exactly itself, and what does not is a NotATale."""
    text = EN.tell(Random(seed)).text
    at = int(where * (len(text) - 1))
    changed = text[:at] + char + text[at + 1 :]
    try:
        assert EN.parse(changed).text == changed
    except NotATale as found:
        assert 0 <= found.position <= len(changed) and found.reason


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_at_all_is_a_tale_or_a_fault(text):
    with pytest.raises(NotATale):
        EN.parse(text)
