"""A world and a language become a grammar: every step's phrasings, cut into fixed text and slots.

A template such as ``{Time} {she|he} found {count} {thing}`` holds, in braces,
    a slot, ``{place}`` or ``{place.at}`` for another form; ``{Place}`` with a capital letter;
    words by the hero's gender, ``{she|he}``, or the friend's, ``{friend: she|he}``;
and, in round brackets, a Korean particle by the sound before it, ``(은/는)``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from llamalite.tales.language import Language
from llamalite.tales.plot import STEPS, Distribution, Plot, Step, Value, Weighted, distributions
from llamalite.tales.world import World

JOINERS = {"of a paragraph": " ", "lines of a block": "\n    "}  # what stands between two sentences
FACTS = ("species", "home", "craft", "treat")
NUMBERS = ("a", "b", "total")  # said as they are written
PART = re.compile(r"\{([^{}]*)\}|\(([가-힣]*)/([가-힣]*)\)")
GENDER = re.compile(r"\{(?:(\w+): *)?([^{}|]*)\|([^{}]*)\}")


class Slot(NamedTuple):
    """A place in a sentence that a value of the plot fills.

    name     what it holds: "hero", "friend_species", "count", "gender"
    field    the value of the plot that decides it
    say      plot → the words
    meaning  words → value, where the words alone decide the value of ``field``; else None
    pattern  regular expression of all that could stand here
    """

    name: str
    field: str
    say: Callable[[Plot], str]
    meaning: dict[str, Value] | None
    pattern: str


class Particle(NamedTuple):
    """Korean: one form after a final consonant, another after a vowel.

    >>> Particle("은", "는").after("린"), Particle("은", "는").after("로")
    ('은', '는')
    """

    after_consonant: str
    after_vowel: str

    def after(self, text: str) -> str:
        """``text`` ends in the syllable that decides; 으로 alone counts ㄹ as a vowel."""
        final = (ord(text[-1]) - 0xAC00) % 28 if text and "가" <= text[-1] <= "힣" else 0
        vowel = final == 0 or (final == 8 and self.after_consonant == "으로")
        return self.after_vowel if vowel else self.after_consonant


Part = str | Slot | Particle


class Phrase(NamedTuple):
    """One way to tell a step."""

    parts: tuple[Part, ...]
    pattern: re.Pattern[str]  # one group for every part that is not fixed text


class Telling(NamedTuple):
    """One step of the plot, with all it needs to be drawn, told and recognised."""

    step: Step
    draws: tuple[tuple[str, Distribution], ...]
    phrases: tuple[Phrase, ...]
    phrasing: Weighted  # which of them


class Grammar:
    """``tellings`` in the order of the plot; ``joiner`` stands between two of them."""

    def __init__(self, world: World, language: Language):
        self.world, self.language = world, language
        self.joiner = JOINERS[language.header.get("sentences", "of a paragraph")]
        self.names = [self.name(hero.name) for hero in world.heroes]
        self.drawn = drawn = distributions(world)
        self.tellings = tuple(
            Telling(
                step,
                tuple((name, drawn[name]) for name in step.draws),
                tuple(self.phrase(p.template, p.line, step) for p in phrasings),
                Weighted(range(len(phrasings)), [p.weight for p in phrasings]),
            )
            for step in STEPS[language.header["plot"]]
            for phrasings in [self.phrasings(step)]
        )

    def phrasings(self, step: Step) -> list:
        found = self.language.phrasings.get(step.name)
        if not found:
            raise self.language.error(1, f"no phrasing for [{step.name}]; add the section")
        return found

    def name(self, syllables: tuple[int, ...]) -> str:
        return "".join(row[i] for row, i in zip(self.syllables(), syllables, strict=True))

    def syllables(self) -> list[list[str]]:
        rows = self.language.words.get("syllables", {})
        try:
            return [rows[place]["word"].split() for place in ("first", "second", "third")]
        except KeyError as error:
            raise self.language.error(1, f"[syllables] needs a line {error}") from None

    def wordings(self, section: str) -> list[tuple[Phrase, ...]]:
        """The phrasings of a section that is no step of the plot, cut at `` => `` (question => answer)."""
        found = self.language.phrasings.get(section)
        if not found:
            raise self.language.error(1, f"there is no [{section}] in this language; add the section")
        nothing = Step(section, 1.0)
        return [tuple(self.phrase(t, p.line, nothing) for t in p.template.split(" => ")) for p in found]

    # --- templates ---------------------------------------------------------------------------------

    def phrase(self, template: str, line: int, step: Step) -> Phrase:
        """Cut a template into parts, and make sure that the words will tell what was drawn."""
        parts: list[Part] = []
        end = 0
        for match in PART.finditer(template):
            parts += [template[end : match.start()]] if match.start() > end else []
            inside, with_final, without = match.groups()
            if inside is None:
                parts.append(Particle(with_final, without))
            else:
                parts.append(self.gender(match[0]) if "|" in inside else self.slot(inside, line))
            end = match.end()
        parts += [template[end:]] if end < len(template) else []
        told = {part.field for part in parts if isinstance(part, Slot) and part.meaning is not None}
        if missing := set(step.draws) - told:
            what = ", ".join(f"{{{name}}}" for name in sorted(missing))
            raise self.language.error(line, f"a phrasing of [{step.name}] must say {what}")
        return Phrase(tuple(parts), re.compile("".join(map(pattern, parts))))

    def gender(self, written: str) -> Slot:
        """``{she|he}``: the first for a heroine, the second for a hero."""
        table = self.for_heroes(written)
        return Slot("gender", "hero", lambda plot: table[plot["hero"]], None, either(table))

    def for_heroes(self, text: str) -> list[str]:
        """``text`` as it is said of each hero."""
        if "{" not in text:
            return [text] * self.world.n_heroes
        said = {who: by_gender(text, *who) for who in product((True, False), repeat=2)}
        heroes = self.world.heroes
        return [said[hero.she, heroes[hero.friend].she] for hero in heroes]

    def friend(self, hero: int) -> int:
        return self.world.heroes[hero].friend

    def slot(self, written: str, line: int) -> Slot:
        name, _, form = written.partition(".")
        capital, name, form = name[:1].isupper(), name[:1].lower() + name[1:], form or "word"
        if name in NUMBERS:
            return Slot(name, name, lambda plot: str(plot[name]), {}, r"\d+")
        if name in ("hero", "friend"):
            return self.name_slot(name, form)
        base = name.removeprefix("friend_")
        section = self.forms(base, form, line)
        say = capitalised if capital else str
        if base in FACTS:
            return self.fact_slot(name, base, {key: say(text) for key, text in section.items()})
        return self.value_slot(name, form, {key: say(text) for key, text in section.items()}, line)

    def forms(self, section: str, form: str, line: int) -> dict[str, str]:
        """key → words of one form; the world's keys must all be there."""
        words = self.language.words.get(section)
        if not words or any(form not in forms for forms in words.values()):
            raise self.language.error(
                line, f"no {form!r} for {{{section}}}; see the sections [{section} | …]"
            )
        return {key: forms[form] for key, forms in words.items()}

    def name_slot(self, name: str, form: str) -> Slot:
        table = [text.lower() for text in self.names] if form == "lower" else list(self.names)
        rows = [[s.lower() if form == "lower" else s for s in row] for row in self.syllables()]
        pattern = "".join(either(row) for row in rows)
        if name == "friend":
            table = [table[self.friend(hero)] for hero in range(len(table))]
            return Slot(name, "hero", lambda plot: table[plot["hero"]], None, pattern)
        meaning = {text: hero for hero, text in enumerate(table)}
        return Slot(name, "hero", lambda plot: table[plot["hero"]], meaning, pattern)

    def fact_slot(self, name: str, fact: str, words: dict[str, str]) -> Slot:
        keys = [getattr(hero, fact) for hero in self.world.heroes]
        if missing := sorted(set(keys) - set(words)):
            raise self.language.error(self.language.lines[fact], f"[{fact}] has no {missing[0]!r}")
        said = {key: self.for_heroes(text) for key, text in words.items()}
        table = [said[key][hero] for hero, key in enumerate(keys)]
        if name.startswith("friend_"):
            table = [table[self.friend(hero)] for hero in range(len(table))]
        every = [variant for text in words.values() for variant in variants(text)]
        return Slot(name, "hero", lambda plot: table[plot["hero"]], None, either(every))

    def value_slot(self, name: str, form: str, words: dict[str, str], line: int) -> Slot:
        """A value of the plot. Where two values share a form, that form does not say which it is."""
        drawn = self.drawn.get(name)
        if not isinstance(drawn, Weighted):
            raise self.language.error(line, f"there is nothing called {{{name}}} in this plot")
        keys = {str(option): option for option in drawn.options}
        if missing := [key for key in keys if key not in words]:
            raise self.language.error(self.language.lines.get(name, 1), f"[{name}] has no {missing[0]!r}")
        said_of: dict[str, set[Value]] = {}
        for key, value in keys.items():
            for variant in variants(words[key]):
                said_of.setdefault(variant, set()).add(value)
        unique = all(len(values) == 1 for values in said_of.values())  # "개" counts shells and keys
        meaning = {text: min(values) for text, values in said_of.items()} if unique else None
        name, field = (name if unique else f"{name}.{form}"), name
        if not any("{" in text for text in words.values()):
            table = {value: words[key] for key, value in keys.items()}
            return Slot(name, field, lambda plot: table[plot[field]], meaning, either(said_of))
        said = {value: self.for_heroes(words[key]) for key, value in keys.items()}
        return Slot(name, field, lambda plot: said[plot[field]][plot["hero"]], meaning, either(said_of))


def by_gender(text: str, she: bool, friend_she: bool) -> str:
    """
    >>> by_gender("{she|he} and {friend: her|his} hat", True, False)
    'she and his hat'
    """
    return GENDER.sub(
        lambda found: (found[2] if (friend_she if found[1] == "friend" else she) else found[3]).strip(), text
    )


def capitalised(text: str) -> str:
    """
    >>> capitalised("on a Sunday"), capitalised("{una|un} zorro")
    ('On a Sunday', '{Una|Un} zorro')
    """
    if found := GENDER.match(text):
        who, she, he = found.groups()
        prefix = f"{who}: " if who else ""
        return f"{{{prefix}{capitalised(she)}|{capitalised(he)}}}{text[found.end() :]}"
    return text[:1].upper() + text[1:]


def spoken(phrase: Phrase, plot: Plot) -> Iterator[tuple[Part, str]]:
    """Each part with its words."""
    text = ""
    for part in phrase.parts:
        if isinstance(part, str):
            text = part
        else:
            text = part.say(plot) if isinstance(part, Slot) else part.after(text)
        yield part, text


def pattern(part: Part) -> str:
    if isinstance(part, str):
        return re.escape(part)
    if isinstance(part, Particle):
        return f"({re.escape(part.after_consonant)}|{re.escape(part.after_vowel)})"
    return f"({part.pattern})"


def either(words) -> str:
    """A pattern of any of these words, the longest first.

    >>> either(["two", "twenty"])
    '(?:twenty|two)'
    """
    return f"(?:{'|'.join(sorted(map(re.escape, set(words)), key=lambda word: (-len(word), word)))})"


def variants(text: str) -> Iterator[str]:
    """All that ``text`` can become by gender.

    >>> list(variants("{contenta|contento}"))
    ['contenta', 'contento']
    """
    spots = [match.groups()[1:] for match in GENDER.finditer(text)]
    fixed = GENDER.split(text)[:: 1 + GENDER.groups]
    for choice in product(*spots):
        yield "".join(a + b.strip() for a, b in zip(fixed, [*choice, ""], strict=True))


def step_logprob(step: Step, told: bool) -> float:
    """Whether a step is told at all.

    >>> step_logprob(Step("opening", 1.0), True)
    0.0
    """
    probability = step.probability if told else 1 - step.probability
    return math.log(probability) if probability else -math.inf
