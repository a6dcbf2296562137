"""Hearing a tale: which sentences of the grammar a text is made of, and where it first goes wrong.

Two kinds of wrong are told apart. A text can leave the *grammar* (no phrasing fits), or stay in it and
say what cannot be: a fox called a bear, seven shells that were three.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from llamalite.tales.grammar import Grammar, Part, Particle, Phrase, Slot, Telling, pattern
from llamalite.tales.plot import Plot


class NotATale(ValueError):
    """A text that the grammar cannot have told; ``position`` counts characters from 0."""

    def __init__(self, position: int, reason: str):
        super().__init__(f"at character {position}: {reason}")
        self.position, self.reason = position, reason


class Problem(NamedTuple):
    position: int
    reason: str


class Word(NamedTuple):
    """What was heard where a part of a phrasing is not fixed text."""

    part: Slot | Particle
    text: str
    start: int


class Sentence(NamedTuple):
    """One step of the plot as it was heard."""

    step: int  # its place in the plot
    phrasing: int
    start: int
    end: int
    words: tuple[Word, ...]


class Heard(NamedTuple):
    sentences: list[Sentence]
    problem: Problem | None  # the first place that no phrasing fits


def hear(grammar: Grammar, text: str, skip: bool = False) -> Heard:
    """Take ``text`` apart, step by step; with ``skip``, go on after a sentence that nobody can have said."""
    sentences: list[Sentence] = []
    problem, position, step, lost = None, 0, 0, False
    while position < len(text):
        reachable = within_reach(grammar, step, everything=lost)
        found = next_sentence(grammar, text, position, reachable)
        if found:
            sentences.append(found)
            step, lost = found.step + 1, False
            position = found.end + len(grammar.joiner) if found.end < len(text) else found.end
            continue
        problem = problem or explain(grammar, text, position, reachable)
        position = after_sentence(grammar, text, position)
        lost = True
        if not skip:
            return Heard(sentences, problem)
    if problem is None and (needed := unmet(grammar, step)):
        problem = Problem(len(text), f"the tale stops before its {needed}")
    return Heard(sentences, problem)


def within_reach(grammar: Grammar, step: int, everything: bool) -> range:
    """The steps that may come next: up to the first that must be told."""
    last = len(grammar.tellings)
    for i in range(step, last):
        if grammar.tellings[i].step.probability == 1 and not everything:
            return range(step, i + 1)
    return range(step, last)


def unmet(grammar: Grammar, step: int) -> str:
    return next((t.step.name for t in grammar.tellings[step:] if t.step.probability == 1), "")


def next_sentence(grammar: Grammar, text: str, position: int, steps: range) -> Sentence | None:
    """The longest phrasing that fits here and ends where a sentence may end."""
    best = None
    for step in steps:
        for number, phrase in enumerate(grammar.tellings[step].phrases):
            match = phrase.pattern.match(text, position)
            if not match or not (match.end() == len(text) or text.startswith(grammar.joiner, match.end())):
                continue
            if best is None or match.end() > best.end:
                best = Sentence(step, number, position, match.end(), words_of(phrase, match))
    return best


def words_of(phrase: Phrase, match: re.Match[str]) -> tuple[Word, ...]:
    blanks = (part for part in phrase.parts if not isinstance(part, str))
    return tuple(Word(part, match[i], match.start(i)) for i, part in enumerate(blanks, start=1))


def after_sentence(grammar: Grammar, text: str, position: int) -> int:
    """Where the next sentence may begin."""
    stop = r"[.!?]['\"”“]? " if grammar.joiner == " " else re.escape(grammar.joiner)
    found = re.compile(stop).search(text, position)
    return found.end() if found else len(text)


def explain(grammar: Grammar, text: str, position: int, steps: range) -> Problem:
    """The phrasing that fits furthest says what was expected where it stopped."""
    if not steps:
        return Problem(position, "the tale was over here")
    furthest, expected = position, set()
    for step in steps:
        for phrase in grammar.tellings[step].phrases:
            reached, wanted = walk(phrase.parts, text, position)
            if reached > furthest:
                furthest, expected = reached, set()
            if reached == furthest:
                expected.add(wanted)
    if furthest == position:
        return Problem(position, f"no {grammar.tellings[steps[-1]].step.name} begins like this")
    return Problem(furthest, f"expected {' or '.join(sorted(expected))}")


def walk(parts: tuple[Part, ...], text: str, position: int) -> tuple[int, str]:
    """How far the parts fit, and what the first that does not would have been."""
    for part in parts:
        if isinstance(part, str):
            same = common_prefix(part, text[position : position + len(part)])
            if same < len(part):
                return position + same, repr(part[same:])
            position += same
            continue
        found = re.compile(pattern(part)).match(text, position)
        if not found:
            return position, f"a {part.name.replace('_', ' of the ')}" if isinstance(
                part, Slot
            ) else "a particle"
        position = found.end()
    return position, "the end of the sentence"


def common_prefix(a: str, b: str) -> int:
    """
    >>> common_prefix("The fox", "The owl")
    4
    """
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


# --- meaning -----------------------------------------------------------------------------------------


def understand(sentences: list[Sentence]) -> Plot:
    """The values that the words decide; the first mention counts."""
    plot: Plot = {}
    for word in every_word(sentences):
        if isinstance(word.part, Slot) and word.part.meaning is not None and word.part.field not in plot:
            value = int(word.text) if not word.part.meaning else word.part.meaning.get(word.text)
            if value is not None:
                plot[word.part.field] = value
    return plot


def every_word(sentences: list[Sentence]) -> Iterator[Word]:
    for sentence in sentences:
        yield from sentence.words


def contradictions(
    grammar: Grammar, sentences: list[Sentence], plot: Plot, text: str
) -> Iterator[tuple[Word, str]]:
    """Every word that says what cannot be, with what it would have to be."""
    for word in every_word(sentences):
        if isinstance(word.part, Particle):
            expected = word.part.after(text[: word.start])
        elif word.part.field not in plot or (needs_hero(word.part) and "hero" not in plot):
            if word.part.name == "hero":
                yield word, "somebody of this world"
            continue
        else:
            expected = word.part.say(plot)
        if word.text != expected:
            yield word, expected


def mismatch(word: Word, expected: str) -> str:
    name = word.part.name.replace("_", " of the ") if isinstance(word.part, Slot) else "particle"
    return f"the {name} is {word.text!r}; it has to be {expected!r}"


def needs_hero(slot: Slot) -> bool:
    return slot.field == "hero" or slot.meaning != {}


def logprob(grammar: Grammar, plot: Plot, told: dict[str, int]) -> float:
    """Natural logarithm of the probability of these choices; -inf if they cannot be made."""
    total = 0.0
    for telling in grammar.tellings:
        step = telling.step
        if step.probability < 1:
            total += math.log(step.probability if step.name in told else 1 - step.probability)
        if step.name in told:
            total += sum(drawn.logprob(plot[name], plot) for name, drawn in telling.draws)
            total += telling.phrasing.logs[told[step.name]]
    return total


def impossible(telling: Telling, plot: Plot) -> Iterator[str]:
    """The values of a step that could not be drawn, such as a total that is not the sum."""
    for name, drawn in telling.draws:
        if drawn.logprob(plot[name], plot) == -math.inf:
            yield name


def check(grammar: Grammar, text: str) -> tuple[Plot, dict[str, int]]:
    """The choices that made ``text``, or NotATale at the first thing wrong with it."""
    sentences, problem = hear(grammar, text)
    if problem:
        raise NotATale(*problem)
    plot = understand(sentences)
    for word, expected in contradictions(grammar, sentences, plot, text):
        raise NotATale(word.start, mismatch(word, expected))
    told = {grammar.tellings[s.step].step.name: s.phrasing for s in sentences}
    for sentence in sentences:
        for name in impossible(grammar.tellings[sentence.step], plot):
            where = next(w for w in sentence.words if isinstance(w.part, Slot) and w.part.field == name)
            raise NotATale(where.start, f"the {name} cannot be {where.text!r} here")
    return plot, told
