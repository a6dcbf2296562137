"""Who lives in the world of the tales, how often each is told of, and what is always true of them.

The world speaks no language: a species is the key ``"fox"``, a name is three syllable numbers. How they
are said is in ``data/tales/<language>.txt``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import NamedTuple, TypeVar

SPECIES = (
    "fox", "owl", "mouse", "bear", "hedgehog", "tortoise", "otter", "heron",
    "squirrel", "rabbit", "llama", "elephant", "badger", "frog", "cat", "goat",
)  # fmt: skip
HOMES = (
    "oak", "windmill", "oven", "waterfall", "orchard", "pond", "river", "reeds",
    "meadow", "hill", "well", "barn", "cliff", "lane", "attic", "beach",
)  # fmt: skip
CRAFTS = (
    "baker", "weaver", "potter", "gardener", "painter", "tailor", "carpenter", "beekeeper",
    "fiddler", "clockmaker", "fisher", "miller", "shoemaker", "teacher", "printer", "glassblower",
)  # fmt: skip
TREATS = (
    "plum cake", "honey buns", "pear tart", "nut bread", "berry soup", "cheese pie", "apple rings",
    "oat biscuits",
    "carrot cake", "mint tea", "cherry jam", "pancakes", "roast chestnuts", "rice pudding", "ginger snaps",
    "mushroom stew",
)  # fmt: skip
THINGS = (
    "shells", "buttons", "candles", "feathers", "bells", "apples", "keys", "ribbons",
    "stones", "roses", "books", "spoons", "acorns", "marbles", "letters", "drums",
)  # fmt: skip
COUNTS = tuple(range(2, 10))
PLACES = (
    "sea", "lighthouse", "mill", "castle", "market", "island",
    "mountain", "harbour", "palace garden", "school", "fair", "tower",
)  # fmt: skip
TIMES = ("morning", "sunday", "spring", "breakfast", "autumn", "birthday", "afternoon", "new moon")
WEATHERS = ("sun", "rain", "wind", "mist", "frost", "birds")
MOODS = ("happy", "sad", "proud", "sleepy")

# What can stand in the way → the topic of a tale in which it does.
OBSTACLES = {
    "river": "water", "flood": "water", "bridge": "water",
    "storm": "weather", "snow": "weather", "fog": "weather",
    "night": "dark", "cave": "dark", "forest": "dark",
    "goose": "guard", "gate": "guard", "troll": "guard",
}  # fmt: skip

SYLLABLES = 16  # to choose from at each of the three places of a name
MOST_HEROES = SYLLABLES**3


T = TypeVar("T")


class Hero(NamedTuple):
    """What never changes from tale to tale. ``name`` holds the numbers of three syllables."""

    name: tuple[int, int, int]
    she: bool
    species: str
    home: str
    craft: str
    treat: str
    friend: int  # the rank of another hero, whose friend this one is


class World:
    """``n_heroes`` heroes; the one of rank r (from 0) is told of in proportion to (r + 1) ** -exponent.

    Zipf's law, as of words in books. Friends are neighbours in rank, so whoever is told of often has a
    friend who is. The seed decides every fact; the same three numbers make the same world everywhere,
    since ``Random.random`` is the one method that Python promises never to change.
    """

    def __init__(self, n_heroes: int = 4096, exponent: float = 2.0, seed: int = 0):
        if not 2 <= n_heroes <= MOST_HEROES or n_heroes % 2:
            raise ValueError(
                f"n_heroes is {n_heroes}; everybody has one friend, and there are {MOST_HEROES} names: "
                f"take an even number from 2 to {MOST_HEROES}"
            )
        if not 0 <= exponent <= 20:
            raise ValueError(
                f"exponent is {exponent}; take 0 (all alike) to 20 (hardly anyone but the first)"
            )
        self.n_heroes, self.exponent, self.seed = n_heroes, exponent, seed
        rng = Random(seed)
        slots = sorted(range(MOST_HEROES), key=lambda slot: rng.random())
        self.heroes = [make_hero(rank, slots[rank], rng) for rank in range(n_heroes)]

    @cached_property
    def popularity(self) -> list[float]:
        """The probability of each hero; they sum to one."""
        weights = [(rank + 1) ** -self.exponent for rank in range(self.n_heroes)]
        total = sum(weights)
        return [weight / total for weight in weights]

    @cached_property
    def cumulative(self) -> list[float]:
        return list(accumulate(self.popularity))


def make_hero(rank: int, slot: int, rng: Random) -> Hero:
    name = (slot // SYLLABLES**2, slot // SYLLABLES % SYLLABLES, slot % SYLLABLES)
    she = rng.random() < 0.5
    facts = [pick(rng, options) for options in (SPECIES, HOMES, CRAFTS, TREATS)]
    return Hero(name, she, *facts, friend=rank ^ 1)


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of them, all alike. By ``random`` alone, which Python promises never to change."""
    return options[int(rng.random() * len(options))]
