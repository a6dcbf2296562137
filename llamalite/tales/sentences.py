"""Tasks of one sentence: to say it in another language, and to tag what it names.

A whole tale is long for a model that is trained in seconds; a sentence is short, and its truth as exact.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from llamalite.tales.grammar import Phrase, Slot, Telling, spoken
from llamalite.tales.tasks import LABELS, Entity, Tagged
from llamalite.tales.telling import Tale, Tales


class SentencePair(NamedTuple):
    """What one sentence says in another language, and every other way to say it there."""

    source: str
    target: str
    accepted: frozenset[str]


def sentence_pair(source: Tales, target: Tales, rng: Random) -> SentencePair:
    """What one step of a tale says, in two languages.

    Only pairs where the source names all that the target says: from "She was a baker" alone nobody could
    know the name that a Korean sentence begins with.
    """
    theirs = {telling.step.name: telling.phrases for telling in target.grammar.tellings}
    while True:
        tale, telling, phrase = one_step(source, rng)
        fitting = [p for p in theirs[telling.step.name] if named(p) <= named(phrase)]
        if fitting:
            accepted = [target.say(p, tale.plot) for p in fitting]
            return SentencePair(source.say(phrase, tale.plot), rng.choice(accepted), frozenset(accepted))


def one_step(tales: Tales, rng: Random) -> tuple[Tale, Telling, Phrase]:
    """A tale, one of the steps it tells, and the phrase it uses there."""
    tale = tales.tell(rng)
    telling = rng.choice([t for t in tales.grammar.tellings if t.step.name in tale.told])
    return tale, telling, telling.phrases[tale.told[telling.step.name]]


def named(phrase: Phrase) -> set[str]:
    """What a phrase says of the plot; a pronoun names nobody, and a counting word nothing new."""
    return {part.name.partition(".")[0] for part in phrase.parts if isinstance(part, Slot)} - {"gender"}


def tagged_sentence(tales: Tales, rng: Random) -> Tagged:
    """A sentence and every entity in it, of the kinds that ``tasks.tagging`` knows."""
    tale, _, phrase = one_step(tales, rng)
    text, entities = "", []
    for part, words in spoken(phrase, tale.plot):
        if isinstance(part, Slot) and part.name in LABELS:
            entities.append(Entity(len(text), len(text) + len(words), LABELS[part.name]))
        text += words
    return Tagged(text, tuple(entities))
