"""The oracle: what is right and what is wrong with a text that means to be a tale.

``parse`` stops at the first fault; a judge hears the whole text, skips what nobody can have said, and
counts. It is exact where an annotator would have an opinion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from llamalite.tales.grammar import FACTS, Slot
from llamalite.tales.parsing import Word, contradictions, every_word, hear, mismatch, understand
from llamalite.tales.plot import Plot, Value
from llamalite.tales.telling import Tales

FACT_SLOTS = {*FACTS, "friend", *(f"friend_{fact}" for fact in FACTS)}


class Judgement(NamedTuple):
    """Counts and verdicts; ``score`` puts them into one number."""

    grammatical: float  # share of the characters that are sentences of the grammar, in an order it allows
    good_until: int  # the characters before the first fault of any kind
    reason: str  # what that fault is; "" if there is none
    facts_right: int  # of the heroes: species, home, craft, treat, friend
    facts_stated: int
    kept: dict[str, bool]  # for each thing said twice or more, such as "count": always the same?
    plot: Plot  # what the text says, where it says it
    as_asked: dict[str, bool]  # for each value asked for

    @property
    def object_kept(self) -> bool:
        """What the tale began with is there at its end."""
        return self.mood is not None and self.kept.get("thing", False)

    @property
    def count_kept(self) -> bool:
        return self.mood is not None and self.kept.get("count", False)

    @property
    def mood(self) -> Value | None:
        return self.plot.get("mood")

    @property
    def perfect(self) -> bool:
        return not self.reason and all(self.as_asked.values())

    @property
    def score(self) -> float:
        """From 0 to 1: the mean of grammar, facts, what is kept, an ending, and each wish granted."""
        facts = self.facts_right / self.facts_stated if self.facts_stated else 0.0
        verdicts = [self.object_kept, self.count_kept, "mood" in self.plot, *self.as_asked.values()]
        marks = [self.grammatical, facts, *map(float, verdicts)]
        return sum(marks) / len(marks)


def judge(tales: Tales, text: str, asked: Mapping[str, Value] | None = None) -> Judgement:
    """Mark one tale. ``asked`` are values it should have: ``{"hero": 17, "mood": "sad"}``."""
    text = text.strip()
    sentences, problem = hear(tales.grammar, text, skip=True)
    plot = understand(sentences)
    wrong = list(contradictions(tales.grammar, sentences, plot, text))
    wrong_at = {word.start for word, _ in wrong}
    faults = [(word.start, mismatch(word, expected)) for word, expected in wrong] + [problem] * bool(problem)
    good_until, reason = min(faults, default=(len(text), ""))
    facts = [word for word in every_word(sentences) if isinstance(word.part, Slot)]
    facts = [word for word in facts if word.part.name in FACT_SLOTS and "hero" in plot]
    heard = sum(sentence.end - sentence.start for sentence in sentences)
    gaps = len(tales.grammar.joiner) * max(0, len(sentences) - 1)
    return Judgement(
        grammatical=min(1.0, (heard + gaps) / len(text)) if text else 0.0,
        good_until=good_until,
        reason=reason,
        facts_right=sum(word.start not in wrong_at for word in facts),
        facts_stated=len(facts),
        kept=dict(agreement(list(every_word(sentences)), wrong_at)),
        plot=plot,
        as_asked={name: plot.get(name) == value for name, value in (asked or {}).items()},
    )


def agreement(words: list[Word], wrong_at: set[int]) -> Iterator[tuple[str, bool]]:
    """Each value that is said more than once: is it the same every time?"""
    said: dict[str, list[Word]] = {}
    for word in words:
        if isinstance(word.part, Slot) and word.part.name == word.part.field:
            said.setdefault(word.part.field, []).append(word)
    for name, mentions in said.items():
        if len(mentions) > 1:
            yield name, not any(word.start in wrong_at for word in mentions)
