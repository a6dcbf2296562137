"""Telling tales: text with its exact probability, and the way back from the text to the choices.

    tales = Tales("en")
    tale = tales.tell(Random(0))
    tale.text, tale.logprob, tale.plot

A text has exactly one derivation, so its probability is the product of those of its choices, and the
entropy of the text is the entropy of the choices: the floor that no language model can get under.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import NamedTuple

from llamalite.tales import parsing
from llamalite.tales.grammar import Grammar, Phrase, Slot, spoken
from llamalite.tales.language import FOLDER, read_language
from llamalite.tales.plot import Plot, Value
from llamalite.tales.world import OBSTACLES, Hero, World

NOTHING: Mapping[str, Value] = {}
END = "\n\n"  # what stands after each tale in a file of them


class Span(NamedTuple):
    """``text[start:end]`` says ``name``: "hero", "count", "friend_species", …"""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class Tale:
    """A text and all that made it. ``logprob`` is the natural logarithm of its probability."""

    text: str
    logprob: float
    plot: Plot
    told: dict[str, int]  # step → number of its phrasing, from 0
    spans: tuple[Span, ...]
    language: str

    @property
    def labels(self) -> dict[str, str]:
        """What the tale is about: its mood and its topic, where its plot has them."""
        found = {"mood": str(self.plot["mood"])} if "mood" in self.plot else {}
        return found | ({"topic": OBSTACLES[str(self.plot["obstacle"])]} if "obstacle" in self.plot else {})


class Tales:
    """The tales of one world in one language."""

    def __init__(self, language: str = "en", world: World | None = None, folder: Path = FOLDER):
        self.language = language
        self.grammar = Grammar(world or World(), read_language(language, folder))
        self.world = self.grammar.world

    def tell(self, rng: Random, fixed: Mapping[str, Value] = NOTHING) -> Tale:
        """Draw a plot and the words for it; what is ``fixed`` is not drawn.

        The logprob is that of the text, as if nothing had been fixed.
        """
        plot: Plot = {}
        told: dict[str, int] = {}
        logprob = 0.0
        for step, draws, _, phrasing in self.grammar.tellings:
            if step.probability < 1:
                is_told = rng.random() < step.probability
                logprob += math.log(step.probability if is_told else 1 - step.probability)
                if not is_told:
                    continue
            for name, drawn in draws:
                if name in fixed:
                    plot[name], log = fixed[name], drawn.logprob(fixed[name], plot)
                else:
                    plot[name], log = drawn.draw(rng, plot)
                logprob += log
            told[step.name], log = phrasing.draw(rng, plot)
            logprob += log
        return self.render(plot, told, logprob)

    def retell(self, tale: Tale, rng: Random) -> Tale:
        """The plot and the steps of ``tale``, from another language of this world, in new words."""
        if missing := set(tale.told) - {telling.step.name for telling in self.grammar.tellings}:
            raise ValueError(
                f"a tale in {tale.language!r} cannot be retold in {self.language!r}, whose plot has no "
                f"{min(missing)}; retell tales in languages of tales, sums in languages of sums"
            )
        told: dict[str, int] = {}
        for telling in self.grammar.tellings:
            if telling.step.name in tale.told:
                told[telling.step.name] = int(telling.phrasing.draw(rng, tale.plot)[0])
        return self.render(tale.plot, told, parsing.logprob(self.grammar, tale.plot, told))

    def render(self, plot: Plot, told: dict[str, int], logprob: float) -> Tale:
        """Say ``plot`` in the phrasings ``told``."""
        pieces: list[str] = []
        spans: list[Span] = []
        at = 0
        for telling in self.grammar.tellings:
            if telling.step.name not in told:
                continue
            if pieces:
                pieces.append(self.grammar.joiner)
                at += len(self.grammar.joiner)
            for part, text in spoken(telling.phrases[told[telling.step.name]], plot):
                if isinstance(part, Slot):
                    spans.append(Span(at, at + len(text), part.name))
                pieces.append(text)
                at += len(text)
        return Tale("".join(pieces), logprob, plot, told, tuple(spans), self.language)

    def parse(self, text: str) -> Tale:
        """The tale that ``text`` is. Raises ``NotATale``, with ``.position`` and ``.reason``, if none."""
        plot, told = parsing.check(self.grammar, text)
        return self.render(plot, told, parsing.logprob(self.grammar, plot, told))

    def say(self, phrase: Phrase, plot: Plot) -> str:
        return "".join(text for _, text in spoken(phrase, plot))

    def hero(self, tale: Tale) -> Hero:
        return self.world.heroes[int(tale.plot["hero"])]

    def name(self, hero: int) -> str:
        """How the hero of that rank is called in this language."""
        return self.grammar.names[hero]

    @cached_property
    def entropy(self) -> float:
        """Of one tale, in nats; in closed form, by the chain rule over the choices."""
        total = 0.0
        for step, draws, _, phrasing in self.grammar.tellings:
            p = step.probability
            total += p * math.fsum([*(drawn.entropy() for _, drawn in draws), phrasing.entropy()])
            total -= math.fsum(q * math.log(q) for q in (p, 1 - p) if q)
        return total
