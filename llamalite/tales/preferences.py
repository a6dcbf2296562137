"""Two answers to a request, and which is better by how much: by an oracle, not by taste.

Answers are true tales with damages of known kinds. The oracle is ``judge``; how clearly it prefers one
answer is graded in Llama 2's four strengths (section 3.2.1), with thresholds of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from llamalite.tales.grammar import by_gender
from llamalite.tales.judging import judge
from llamalite.tales.parsing import hear
from llamalite.tales.plot import Value
from llamalite.tales.tasks import request
from llamalite.tales.telling import Tale, Tales
from llamalite.tales.world import SPECIES, THINGS, pick

# The least difference of scores → strength, strongest first.
STRENGTHS = (
    (0.3, "significantly better"),
    (0.15, "better"),
    (0.05, "slightly better"),
    (0.0, "negligibly better"),
)

# What a reward model has to keep between two answers of that strength (Llama 2, Table 27).
MARGINS = {
    "small": dict(zip((words for _, words in STRENGTHS), (1, 2 / 3, 1 / 3, 0), strict=True)),
    "large": dict(zip((words for _, words in STRENGTHS), (3, 2, 1, 0), strict=True)),
}


class Preference(NamedTuple):
    """``damages`` are those of chosen and of rejected; scores are the oracle's, whatever was labelled."""

    prompt: str
    chosen: str
    rejected: str
    chosen_score: float
    rejected_score: float
    strength: str
    damages: tuple[tuple[str, ...], tuple[str, ...]]


Damage = Callable[[Tales, Tale, Random], str]


def replace_last(tales: Tales, tale: Tale, name: str, words: str) -> str:
    """The last span of that name says something else."""
    span = [span for span in tale.spans if span.name == name][-1]
    return tale.text[: span.start] + words + tale.text[span.end :]


def wrong_object(tales: Tales, tale: Tale, rng: Random) -> str:
    """What comes home is not what was carried."""
    other = pick(rng, [thing for thing in THINGS if thing != tale.plot["thing"]])
    return replace_last(tales, tale, "thing", tales.grammar.language.words["thing"][other]["word"])


def wrong_friend(tales: Tales, tale: Tale, rng: Random) -> str:
    """Somebody helps who is not the friend."""
    friend = tales.hero(tale).friend
    stranger = pick(rng, [rank for rank in range(tales.world.n_heroes) if rank != friend])
    return tale.text.replace(tales.name(friend), tales.name(stranger))


def wrong_fact(tales: Tales, tale: Tale, rng: Random) -> str:
    """The hero is of another species."""
    span = next(span for span in tale.spans if span.name == "species")
    hero = tales.hero(tale)
    she = (hero.she, tales.world.heroes[hero.friend].she)
    words = tales.grammar.language.words["species"]
    here = tale.text[span.start : span.end]
    form = next(form for form, text in words[hero.species].items() if by_gender(text, *she) == here)
    said = {species: by_gender(words[species][form], *she) for species in SPECIES}
    return tale.text[: span.start] + pick(rng, sorted(set(said.values()) - {here})) + tale.text[span.end :]


def other_mood(tales: Tales, tale: Tale, rng: Random) -> str:
    """A good tale with another ending than was asked for."""
    others = [mood for mood in tales.grammar.language.words["mood"] if mood != tale.plot["mood"]]
    return tales.render({**tale.plot, "mood": pick(rng, others)}, tale.told, 0.0).text


def other_hero(tales: Tales, tale: Tale, rng: Random) -> str:
    """A good tale about somebody else."""
    others = [rank for rank in range(min(64, tales.world.n_heroes)) if rank != tale.plot["hero"]]
    return tales.render({**tale.plot, "hero": pick(rng, others)}, tale.told, 0.0).text


def broken_grammar(tales: Tales, tale: Tale, rng: Random) -> str:
    """The words of one sentence turned round."""
    heard = pick(rng, hear(tales.grammar, tale.text).sentences)
    words = tale.text[heard.start : heard.end].split(" ")
    return tale.text[: heard.start] + " ".join(reversed(words)) + tale.text[heard.end :]


def cut_off(tales: Tales, tale: Tale, rng: Random) -> str:
    """No ending."""
    return tale.text[: hear(tales.grammar, tale.text).sentences[-2].end]


def repeated(tales: Tales, tale: Tale, rng: Random) -> str:
    """One sentence is told twice."""
    heard = pick(rng, hear(tales.grammar, tale.text).sentences)
    again = tale.text[heard.start : heard.end]
    return tale.text[: heard.end] + tales.grammar.joiner + again + tale.text[heard.end :]


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (
        wrong_object, wrong_friend, wrong_fact, other_mood, other_hero, broken_grammar, cut_off, repeated
    )
}  # fmt: skip


def preference(tales: Tales, rng: Random, noise: float = 0.0) -> Preference:
    """A request and two answers, the better one chosen; with probability ``noise``, wrongly labelled."""
    made = request(tales, rng)
    while True:
        answers = [damaged(tales, made.asked, rng) for _ in range(2)]
        scores = [judge(tales, text, made.asked).score for text, _ in answers]
        if scores[0] != scores[1]:
            break
    best = int(scores[1] > scores[0]) ^ (rng.random() < noise)
    return Preference(
        made.request, answers[best][0], answers[1 - best][0], scores[best], scores[1 - best],
        strength(abs(scores[0] - scores[1])), (answers[best][1], answers[1 - best][1]),
    )  # fmt: skip


def damaged(tales: Tales, asked: dict[str, Value], rng: Random) -> tuple[str, tuple[str, ...]]:
    """An answer with no damage, or with one, alike in probability."""
    tale = tales.tell(rng, asked)
    if rng.random() < 0.5:
        return tale.text, ()
    # Where no mood was asked for, another one is as good.
    name = pick(rng, [name for name in DAMAGES if name != "other_mood" or "mood" in asked])
    return DAMAGES[name](tales, tale, rng), (name,)


def strength(difference: float) -> str:
    """
    >>> strength(0.2), strength(0.01)
    ('better', 'negligibly better')
    """
    return next(words for least, words in STRENGTHS if difference >= least)
