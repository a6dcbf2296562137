"""A language is a readable file: how it is read, what it refuses, and what is true of those that ship."""

import re
import unicodedata
from functools import cache
from itertools import product
from random import Random

import pytest

from llamalite.tales.grammar import Grammar, Particle, Slot, by_gender
from llamalite.tales.language import language_names, read_language
from llamalite.tales.plot import STEPS, Weighted, distributions
from llamalite.tales.telling import Tales
from llamalite.tales.world import CRAFTS, HOMES, SPECIES, SYLLABLES, TREATS, World

LANGUAGES = language_names()
SPOKEN = ("de", "en", "es", "ko")
FACTS = {"species": SPECIES, "home": HOMES, "craft": CRAFTS, "treat": TREATS}

SYLLABLE_LINES = "\n".join(
    f"{place} | {' '.join(f'{letter}{vowel}' for letter in 'bdfk' for vowel in 'aeio')}"
    for place in ("first", "second", "third")
)
WORDS = "\n\n".join(
    f"[{section} | word | one]\n" + "\n".join(f"{key} | {key} | one {key}" for key in keys)
    for section, keys in {"species": SPECIES, "thing": distributions(World())["thing"].options}.items()
)
TOY = f"""# A toy.
title: Toy
plot: sum

[syllables | word]
{SYLLABLE_LINES}

{WORDS}

[op | word]
add | adds
take | takes

[have]
3 | {{hero}} has {{a}} {{thing}}.
1.5 | {{hero}}, {{species.one}} | of old, has {{a}} {{thing}}.

[change]
1 | {{friend}} {{op}} {{b}}.

[sum]
1 | {{total}}\\nin all.

[now]
1 | {{She|He}} has {{total}} now.
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "toy.txt").write_text(TOY, encoding="utf-8")
    return tmp_path


def refused(folder, old: str, new: str) -> str:
    """Why the toy is refused after one edit."""
    assert TOY.count(old) == 1, old
    (folder / "bad.txt").write_text(TOY.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        Grammar(World(64), read_language("bad", folder))
    return str(caught.value)


def line_of(text: str) -> int:
    return TOY[: TOY.index(text)].count("\n") + 1


# --- reading -----------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_is_written(folder):
    toy = read_language("toy", folder)
    assert (toy.name, toy.header) == ("toy", {"title": "Toy", "plot": "sum"})
    assert toy.words["species"]["fox"] == {"word": "fox", "one": "one fox"}
    first, second = toy.phrasings["have"]  # the second holds a bar of its own
    assert (second.weight, second.template) == (1.5, "{hero}, {species.one} | of old, has {a} {thing}.")
    assert (first.weight, first.line) == (3, line_of("3 | {hero}"))
    assert toy.phrasings["sum"][0].template == "{total}\nin all."


def test_a_toy_can_be_told_and_heard(folder):
    toy = Tales("toy", World(64), folder)
    for tale in (toy.tell(Random(seed)) for seed in range(100)):
        again = toy.parse(tale.text)
        assert (again.plot, again.told, again.spans) == (tale.plot, tale.told, tale.spans)


def test_words_of_another_language_are_the_beginning(folder):
    """``words:`` brings every section; one that is written again is replaced, the others stay."""
    phrasings = TOY[TOY.index("[have]") :]
    young = f"plot: sum\nwords: toy\n\n[op | word]\nadd | brings\ntake | steals\n\n{phrasings}"
    (folder / "young.txt").write_text(young, encoding="utf-8")
    old, new = read_language("toy", folder), read_language("young", folder)
    assert new.words["op"] == {"add": {"word": "brings"}, "take": {"word": "steals"}}
    assert new.words["species"] == old.words["species"] and old.words["op"]["add"]["word"] == "adds"


def test_bars_in_braces_belong_to_the_word(folder):
    """{vixen|bear} is one form of two genders, not two forms."""
    (folder / "toy.txt").write_text(
        TOY.replace("bear | bear | one bear", "bear | {vixen|bear} | {one vixen|one bear}"), encoding="utf-8"
    )
    toy = Tales("toy", World(64), folder)
    for rank, hero in enumerate(toy.world.heroes):
        plot = {"hero": rank, "a": 9, "thing": "keys", "op": "add", "b": 2, "total": 11}
        text = toy.render(plot, {"have": 1, "change": 0, "sum": 0}, 0.0).text
        kind = {True: "vixen", False: "bear"}[hero.she] if hero.species == "bear" else hero.species
        assert text.startswith(f"{toy.name(rank)}, one {kind} |")
        assert toy.parse(text).plot["hero"] == rank
    assert {h.she for h in toy.world.heroes if h.species == "bear"} == {True, False}


# --- refusals ----------------------------------------------------------------------------------------


def test_an_unknown_language_is_told_its_neighbour(folder):
    with pytest.raises(ValueError, match=r"not told in 'toi'; did you mean toy\? There are: toy"):
        read_language("toi", folder)
    with pytest.raises(ValueError, match=r"not told in 'xx'; add one as a file of that name\."):
        read_language("xx", folder)


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("owl | owl | one owl", "owl | owl", "'owl' has 1 forms, [species] has 2: word, one"),
        ("owl | owl | one owl", "fox | owl | one owl", "'fox' is in [species] twice"),
        ("3 | {hero} has", "{hero} has", "begin with a weight: 2 | {hero} has {a} {thing}."),
        ("3 | {hero} has", "0 | {hero} has", "a phrasing needs a weight above 0 and a text"),
        ("3 | {hero} has {a} {thing}.", "3 |", "a phrasing needs a weight above 0 and a text"),
        ("3 | {hero} has {a}", "3 | {hero} has", "a phrasing of [have] must say {a}"),
        ("1 | {friend} {op} {b}.", "1 | {friend}.", "a phrasing of [change] must say {b}, {op}"),
        ("3 | {hero} has", "3 | {mood} has", "no 'word' for {mood}; see the sections [mood | …]"),
        ("3 | {hero} has", "3 | {species.two} has", "no 'two' for {species}; see the sections [species"),
        ("3 | {hero} has", "3 | {syllables} {hero} has", "nothing called {syllables} in this plot"),
    ],
)
def test_a_mistake_is_refused_where_it_stands(folder, old, new, reason):
    found = refused(folder, old, new)
    assert reason in found and found.startswith(f"bad.txt, line {line_of(old)}: ")


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("plot: sum", "plot: play", "there is no plot 'play'; there are tale, sum"),
        ("title: Toy", "Toy", "'Toy' stands before the first [section]; write name: value"),
        ("[now]", "[soon]", "[soon] is no step of this plot (have, change, sum, now); for words write"),
        ("\n[now]\n1 | {She|He} has {total} now.\n", "", "no phrasing for [now]; add the section"),
        ("[syllables | word]", "[letters | word]", "[syllables] needs a line 'first'"),
        ("third |", "fourth |", "[syllables] needs a line 'third'"),
        ("owl | owl | one owl\n", "", "[species] has no 'owl'"),
        ("keys | keys | one keys\n", "", "[thing] has no 'keys'"),
    ],
)
def test_what_is_missing_is_named(folder, old, new, reason):
    assert reason in refused(folder, old, new)


def test_a_form_that_two_values_share_does_not_say_which(folder):
    """A counter or an article may be shared; then the phrasing must say the value besides."""
    shared = TOY.replace("keys | keys | one keys", "keys | keys | one shells")
    first = "3 | {hero} has {a} {thing}"
    (folder / "toy.txt").write_text(shared.replace(first, "3 | {hero} {a} {thing}, {thing.one}"))
    toy = Tales("toy", World(64), folder)
    text = toy.render({"hero": 5, "a": 9, "thing": "keys"}, {"have": 0}, 0.0).text
    assert text == f"{toy.name(5)} 9 keys, one shells."
    (folder / "toy.txt").write_text(shared.replace(first, "3 | {hero} {a} {thing.one}"))
    with pytest.raises(ValueError, match=r"a phrasing of \[have\] must say \{thing\}"):
        Tales("toy", World(64), folder)


# --- gender and particles ----------------------------------------------------------------------------


@pytest.mark.parametrize("she, friend_she", list(product((True, False), repeat=2)))
def test_words_follow_the_gender_of_whom_they_are_said(she, friend_she):
    said = by_gender("{Ihre|Seine} und {her|his} {friend: amiga|amigo}{friend: s|}", she, friend_she)
    assert said == ("Ihre und her " if she else "Seine und his ") + ("amigas" if friend_she else "amigo")


def final(text: str) -> str:
    """The final consonant of the last syllable, "" if it has none: by Unicode, not by arithmetic."""
    return unicodedata.normalize("NFD", text[-1])[2:]


def right_particle(after_consonant: str, after_vowel: str, text: str) -> str:
    open_for = ("", "\u11af") if after_consonant == "으로" else ("",)  # ㄹ counts as open before 으로
    return after_vowel if final(text) in open_for else after_consonant


PARTICLES = (
    "은/는 이/가 을/를 과/와 아/야 이라는/라는 으로/로 이네/네 이었어요/였어요 이에요/예요 이었나요/였나요"
)
PAIRS = [tuple(pair.split("/")) for pair in PARTICLES.split()]


def test_particles_of_every_syllable():
    """All 11,172 syllables that there are."""
    for pair in PAIRS:
        particle = Particle(*pair)
        for syllable in map(chr, range(ord("가"), ord("힣") + 1)):
            assert particle.after("말 " + syllable) == right_particle(*pair, syllable)
    assert Particle("으로", "로").after("뜰") == "로" and Particle("을", "를").after("뜰") == "을"


@cache
def tales_of(name: str) -> tuple[Tales, list]:
    tales, rng = Tales(name), Random(21)
    return tales, [tales.tell(rng) for _ in range(2000)]


def test_no_korean_tale_has_a_wrong_particle():
    """Whatever is joined to a span and is one form of a particle is the form that the oracle wants."""
    forms = {form: pair for pair in PAIRS for form in pair if form}
    checked = 0
    for tale in tales_of("ko")[1]:
        for span in tale.spans:
            joined = re.match(r"\w*", tale.text[span.end :])[0]
            if joined in forms:
                said = tale.text[span.start : span.end]
                assert joined == right_particle(*forms[joined], said), said + joined
                checked += 1
    assert checked > 20_000


# --- the languages that ship -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_word_of_the_world_is_there(name):
    tales, _ = tales_of(name)
    language, drawn = tales.grammar.language, tales.grammar.drawn
    sections = FACTS | {
        value: [str(option) for option in drawn[value].options]
        for step in STEPS[language.header["plot"]]
        for value in step.draws
        if isinstance(drawn[value], Weighted) and value not in ("hero", "a")
    }
    for section, keys in sections.items():
        assert list(language.words[section]) == list(keys), section
    assert [len(row) for row in tales.grammar.syllables()] == [SYLLABLES] * 3
    assert len(set(tales.grammar.names)) == tales.world.n_heroes
    if name in SPOKEN:
        english = read_language("en")
        assert set(language.words) == set(english.words)
        assert set(language.phrasings) == set(english.phrasings)


@pytest.mark.parametrize("name", SPOKEN)
def test_no_two_keys_share_a_word(name):
    """Facts too: a question about a hero has one answer."""
    for section, keys in read_language(name).words.items():
        words = [forms["word"] for forms in keys.values()]
        assert section == "syllables" or len(set(words)) == len(words), section


@pytest.mark.parametrize("name", SPOKEN)
def test_what_is_drawn_first_is_said_again_at_the_end(name):
    tellings = {telling.step.name: telling for telling in tales_of(name)[0].grammar.tellings}
    for step, needed in {
        "ending": {"hero", "count", "thing", "place", "mood"},
        "help": {"friend", "obstacle"},
        "craft": {"craft"},
        "treat": {"treat"},
        "opening": {"hero", "species"},
    }.items():
        for phrase in tellings[step].phrases:
            assert needed <= {part.name for part in phrase.parts if isinstance(part, Slot)}, step


@pytest.mark.parametrize("name", SPOKEN)
def test_a_tale_is_set_as_a_printer_would(name):
    """Nothing is left of the template, no two spaces; sentences begin with a capital and end in a stop."""
    for tale in tales_of(name)[1]:
        assert not re.search(r"[(){}\[\]|/]|  |\s[.,!?;:]|\.\.|,[.,]|^\s|\s$", tale.text)
        assert tale.text[-1] == "." and tale.text.count("“") == tale.text.count("„" if name == "de" else "”")
        for found in re.finditer(r"(?:^|[.] |[.!?][”“\"] (?=[„“\"¡¿]))[„“\"¡¿]*(\w)", tale.text):
            assert found[1] == found[1].upper(), tale.text[found.start() : found.end() + 20]


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_tale_has_one_reading(name):
    tales, told = tales_of(name)
    assert not any(re.search(r"[가-힣]/|/[가-힣]|{[^}]*[|.:]", tale.text) for tale in told)
    for tale in told[:300]:
        again = tales.parse(tale.text)
        assert (again.plot, again.told, again.spans) == (tale.plot, tale.told, tale.spans)
