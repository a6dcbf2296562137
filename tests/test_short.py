"""The short tales are tales: one grammar, one judge, and few words."""

from random import Random
from statistics import fmean

from llamalite.tales.judging import judge
from llamalite.tales.short import N_HEROES, short_tales
from llamalite.tales.tasks import request
from llamalite.tales.telling import Tales

TALES = short_tales()


def test_every_tale_is_heard_as_it_was_told():
    for i in range(200):
        tale = TALES.tell(Random(i))
        again = TALES.parse(tale.text)
        assert (again.plot, again.told) == (tale.plot, tale.told) and abs(again.logprob - tale.logprob) < 1e-9


def test_what_is_requested_is_told_and_a_tale_of_something_else_is_marked_down():
    for i in range(100):
        made = request(TALES, Random(i))
        assert judge(TALES, made.answer, made.asked).perfect
        other = request(TALES, Random(1000 + i))
        if other.asked["hero"] != made.asked["hero"]:
            marks = judge(TALES, other.answer, made.asked)
            assert not marks.perfect and not marks.as_asked["hero"]


def test_they_are_short_and_their_heroes_few():
    words = [fmean(len(t.tell(Random(i)).text.split()) for i in range(200)) for t in (TALES, Tales("en"))]
    assert 45 < words[0] < 0.5 * words[1]
    assert {TALES.tell(Random(i)).plot["hero"] for i in range(400)} == set(range(N_HEROES))
