"""Tasks from the world of the tales, each with its true answer: to translate, classify, tag, ask, request.

Every function makes one example from ``Tales`` and a random generator; every example says what is right,
so that a model's answer is scored against truth. What this file leaves out: preferences between two
answers (``preferences``) and documents that are not clean (``crawl``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from llamalite.tales.grammar import Phrase, either, variants
from llamalite.tales.judging import judge
from llamalite.tales.parsing import NotATale, hear
from llamalite.tales.plot import Value, Weighted
from llamalite.tales.telling import Tale, Tales
from llamalite.tales.world import pick

# What a span says → the entity it is.
LABELS = {
    "hero": "PERSON", "friend": "PERSON", "species": "KIND", "friend_species": "KIND", "craft": "CRAFT",
    "home": "PLACE", "place": "PLACE", "thing": "THING", "count": "NUMBER", "treat": "FOOD",
    "a": "NUMBER", "b": "NUMBER", "total": "NUMBER",
}  # fmt: skip

LABEL_STEP = {"mood": "ending", "topic": "obstacle"}  # the sentence that decides each label
FACT_QUESTIONS = ("species", "home", "craft", "treat", "friend")
TALE_QUESTIONS = ("thing", "count", "place", "helper", "mood")
SECTIONS = ("species", "home", "craft", "treat", "thing", "count", "place", "mood")  # what an answer can say
WISHES = ("thing", "place", "mood")  # what a request may ask for, besides its hero


class Translation(NamedTuple):
    source: str
    target: str


def translation(source: Tales, target: Tales, rng: Random) -> Translation:
    """The same tale in two languages, each in words of its own."""
    tale = source.tell(rng)
    return Translation(tale.text, target.retell(tale, rng).text)


def is_translation(source: Tales, target: Tales, text: str, answer: str) -> bool:
    """Whether ``answer`` tells what ``text`` tells, step by step, in whatever words."""
    try:
        ours, theirs = source.parse(text), target.parse(answer)
    except NotATale:
        return False
    return ours.plot == theirs.plot and list(ours.told) == list(theirs.told)


class Labelled(NamedTuple):
    text: str
    label: str


def classification(tales: Tales, rng: Random, what: str, whole: bool = False) -> Labelled:
    """A sentence and its ``"mood"`` or ``"topic"``; with ``whole``, all of the tale it stands in."""
    tale = tales.tell(rng)
    return Labelled(tale.text if whole else sentence(tales, tale, LABEL_STEP[what]), tale.labels[what])


def sentence(tales: Tales, tale: Tale, step: str) -> str:
    """What the tale says at one step of its plot."""
    heard = hear(tales.grammar, tale.text).sentences
    found = next(s for s in heard if tales.grammar.tellings[s.step].step.name == step)
    return tale.text[found.start : found.end]


class Entity(NamedTuple):
    """``text[start:end]`` is of this kind."""

    start: int
    end: int
    label: str


class Tagged(NamedTuple):
    text: str
    entities: tuple[Entity, ...]


def tagging(tales: Tales, rng: Random) -> Tagged:
    """A tale and every entity in it.

    THING is what is carried. What a helper uses is scenery, by whatever name: the lantern, the rope, and
    "a path of flat stones" even where the hero carries stones.
    """
    tale = tales.tell(rng)
    return Tagged(
        tale.text, tuple(Entity(s.start, s.end, LABELS[s.name]) for s in tale.spans if s.name in LABELS)
    )


def bio(tagged: Tagged) -> list[tuple[str, str]]:
    """Words and tags: B- where an entity begins, I- inside it, O outside all.

    >>> bio(Tagged("Mira has two red keys.", (Entity(0, 4, "PERSON"), Entity(13, 21, "THING"))))
    [('Mira', 'B-PERSON'), ('has', 'O'), ('two', 'O'), ('red', 'B-THING'), ('keys.', 'I-THING')]
    """
    rows, at = [], 0
    for word in tagged.text.split():
        start = tagged.text.index(word, at)
        at = start + len(word)
        touched = [e for e in tagged.entities if e.start < at and start < e.end]
        begins = [e for e in touched if e.start >= start]
        tag = f"B-{begins[0].label}" if begins else f"I-{touched[0].label}" if touched else "O"
        rows.append((word, tag))
    return rows


class Question(NamedTuple):
    """``text`` is the tale that the question is about, "" where the world itself is asked."""

    text: str
    question: str
    answer: str
    about: str


def fact_question(tales: Tales, rng: Random, about: str | None = None) -> Question:
    """About what is always true of a hero; the popular are asked about as often as they are told of."""
    about = about or pick(rng, FACT_QUESTIONS)
    hero, _ = tales.grammar.drawn["hero"].draw(rng, {})
    return ask(tales, rng, about, {"hero": hero})


def tale_question(tales: Tales, rng: Random, about: str | None = None) -> Question:
    """About a tale, which comes with it."""
    about = about or pick(rng, TALE_QUESTIONS)
    tale = tales.tell(rng)
    return ask(tales, rng, about, tale.plot)._replace(text=tale.text)


def ask(tales: Tales, rng: Random, about: str, plot: Mapping[str, Value]) -> Question:
    question, answer = wording(tales, rng, f"ask {about}")
    return Question("", tales.say(question, dict(plot)), tales.say(answer, dict(plot)), about)


def wording(tales: Tales, rng: Random, section: str) -> tuple[Phrase, ...]:
    """One of a section's phrasings, drawn in proportion to its weight."""
    wordings = tales.grammar.wordings(section)
    weights = [phrasing.weight for phrasing in tales.grammar.language.phrasings[section]]
    return wordings[int(Weighted(range(len(wordings)), weights).draw(rng, {})[0])]


def is_right(asked: Question, answer: str) -> bool:
    """Exact, but for white space and a full stop at the end.

    >>> is_right(Question("", "Who?", "It is Mira.", "friend"), " It is Mira")
    True
    """
    return answer.strip().removesuffix(".") == asked.answer.removesuffix(".")


def answers(tales: Tales, asked: Question, answer: str) -> bool:
    """Whether ``answer`` states what was asked, in whatever words, and nothing against it.

    "six", "There were 6 shells." and "six shells" are alike; "six or seven" and "six keys" are wrong.
    Only the words of the language's file are known, and no grammar: "not" is not heard, nor who helped
    whom; a Korean "네" is four even where it means yes, "se llama" is a llama. It is for short answers.
    """
    said, known, true = (mentions(tales, text) for text in (answer, asked.question, asked.answer))
    about = "name" if asked.about in ("friend", "helper") else asked.about
    possible = {section: true[section] | known[section] for section in true}
    if any(possible[section] and said[section] - possible[section] for section in said):
        return False
    return said[about] - known[about] == true[about] - known[about] != set()


def mentions(tales: Tales, text: str) -> dict[str, set[str]]:
    """What ``text`` names: section → keys of the world, and "name" → names, in small letters.

    The longest words win, so that nobody hears a baker in "behind the baker's oven". A form that several
    keys share ("개" counts shells and keys) says nothing.
    """
    meant: dict[str, set[tuple[str, str]]] = {}
    for section in SECTIONS:
        for key, forms in tales.grammar.language.words.get(section, {}).items():
            for form in (variant for written in forms.values() for variant in variants(written)):
                meant.setdefault(form.casefold(), set()).add((section, key))
    name = "".join(either(syllable.casefold() for syllable in row) for row in tales.grammar.syllables())
    # A particle may follow a Korean word without a space.
    heard = re.finditer(rf"(?<!\w)(?:({name})|{either(meant)})(?![^\W가-힣])", text.casefold())
    found: dict[str, set[str]] = {section: set() for section in ("name", *SECTIONS)}
    for match in heard:
        meanings = {("name", match[0])} if match[1] else meant[match[0]]
        for section, key in meanings if len(meanings) == 1 else ():
            found[section].add(key)
    return found


class Request(NamedTuple):
    """``asked`` holds the values a tale needs to follow it; ``answer`` is one that does."""

    request: str
    asked: dict[str, Value]
    answer: str


def request(tales: Tales, rng: Random) -> Request:
    """ "Tell a tale about Mira with three keys that ends sadly.", and such a tale."""
    wishes = [wish for wish in WISHES if rng.random() < 0.5]
    wanted = {"request", *(f"request {wish}" for wish in wishes)}
    sections = [name for name in tales.grammar.language.phrasings if name in wanted]  # a language's order
    if missing := sorted(wanted - set(sections)):
        raise tales.grammar.language.error(1, f"there is no [{missing[0]}] in this language; add the section")
    tale = tales.tell(rng)
    names = [
        "hero",
        *(name for wish in wishes for name in (("count", "thing") if wish == "thing" else (wish,))),
    ]
    asked = {name: tale.plot[name] for name in names}
    words = [tales.say(wording(tales, rng, section)[0], tale.plot) for section in sections]
    return Request(" ".join(words) + ".", asked, tales.tell(rng, asked).text)


def follows(tales: Tales, made: Request, answer: str) -> dict[str, bool]:
    """Of each value asked for: does the answer have it?"""
    return judge(tales, answer, made.asked).as_asked
