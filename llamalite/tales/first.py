"""First tales: a small seeded grammar of children's stories, for training before the real world exists.

Every tale introduces one object near its start and needs that same object at its end, so a model that
forgets what it read can be caught. All words are our own.

    python -m llamalite.tales.first --bytes 600000 --seed 0 --out data/tales-en.txt

Left out: exact probabilities of each continuation (the Tales world that replaces this file has them).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple


class Hero(NamedTuple):
    name: str
    species: str
    he: str  # "he" or "she"
    home: str
    friend: str  # the name of another hero


class Thing(NamedTuple):
    """An object, what goes wrong that only it can mend, and how it does."""

    name: str
    trouble: str
    rescue: str


HEROES = {
    hero.name: hero
    for hero in (
        Hero("Ruby", "fox", "she", "in a den under the old oak", "Otto"),
        Hero("Otto", "owl", "he", "at the top of the windmill", "Ruby"),
        Hero("Mina", "mouse", "she", "behind the baker's oven", "Bruno"),
        Hero("Bruno", "bear", "he", "in a cave by the waterfall", "Mina"),
        Hero("Pip", "hedgehog", "he", "among the roots of the apple tree", "Tilda"),
        Hero("Tilda", "tortoise", "she", "beside the garden pond", "Pip"),
        Hero("Olive", "otter", "she", "on the bank of the river", "Hugo"),
        Hero("Hugo", "heron", "he", "among the tall reeds", "Olive"),
        Hero("Sam", "squirrel", "he", "in a hollow pine", "Ivy"),
        Hero("Ivy", "rabbit", "she", "at the edge of the meadow", "Sam"),
        Hero("Lumi", "llama", "she", "on the green hill", "Enzo"),
        Hero("Enzo", "elephant", "he", "near the village well", "Lumi"),
    )
}

THINGS = (
    Thing("lantern", "night fell early, and {F} could not see the way home",
          "{He} lit the lantern, and the whole path shone like gold"),
    Thing("rope", "{F} slipped and fell into a deep hole",
          "{He} tied the rope to a tree and pulled {F} out, step by step"),
    Thing("umbrella", "it began to rain, and {F} was shivering under a leaf",
          "{He} opened the umbrella, and there was room for two"),
    Thing("blanket", "a cold wind blew, and {F} could not stop sneezing",
          "{He} wrapped the blanket around {F} until {F_his} nose was warm again"),
    Thing("bell", "a thick fog came down, and {F} was lost in it",
          "{He} rang the bell again and again, and {F} followed the sound"),
    Thing("ladder", "{F} was stuck on a high roof and did not dare to jump",
          "{He} leaned the ladder against the wall, and {F} climbed down"),
    Thing("basket", "{F} dropped a hundred ripe plums, and they rolled everywhere",
          "{He} picked up every plum and carried them all home in the basket"),
    Thing("key", "the garden gate fell shut, and {F} was locked inside",
          "{He} turned the key in the lock, and the gate swung open"),
    Thing("boat", "the bridge broke, and {F} was left on the other side of the river",
          "{He} rowed the boat across the water and brought {F} back"),
    Thing("drum", "the fiddle broke at the feast, and {F} was too sad to dance",
          "{He} played the drum, and soon all their feet were moving"),
    Thing("mirror", "{F} lost a silver button in a dark corner",
          "{He} used the mirror to throw sunlight into the corner, and there it was"),
    Thing("whistle", "a flock of geese ran off with the lunch that {F} had made",
          "{He} blew the whistle so loudly that the geese dropped everything"),
)  # fmt: skip

COLOURS = ("red", "blue", "green", "yellow", "orange", "ivory", "silver", "purple")
TEMPERS = ("kind", "clever", "curious", "brave", "patient", "gentle", "eager", "cheerful")
PLACES = ("by the brook", "at the crossroads", "behind the barn", "on the beach", "in the long grass")
TIMES = ("One morning", "One sunny day", "On the first day of spring", "After breakfast", "On a quiet Sunday")

OPENINGS = (
    "Once upon a time there was {a_temper} {species} called {H}, who lived {home}.",
    "{H} was {a_temper} {species} who lived {home}.",
    "There once lived {a_temper} {species} {home}, and everyone called {him} {H}.",
)
FINDINGS = (
    "{time} {he} found {a_colour} {thing} {place}.",
    "{time} {H} came upon {a_colour} {thing} {place}, and it belonged to nobody.",
    "{time} {his} grandmother gave {him} {a_colour} {thing}.",
)
KEEPINGS = (
    '"I wonder what this is good for," said {H}, and took it along.',
    "{H} did not need it yet, but {he} took it along all the same.",
    '"You never know," thought {H}, and {he} kept it.',
    "{H} was so happy that {he} sang all the way.",
)
MEETINGS = (
    "Then {he} went to visit {his} best friend, {F} the {f_species}, who lived {f_home}.",
    "In the afternoon {H} met {his} friend {F} the {f_species}, and they played together.",
    "{F} the {f_species} was waiting for {him}, and they set out on a long walk.",
)
PAUSES = (
    "They shared a warm bun with honey and talked about the clouds.",
    "They counted the swallows, and there were {count} of them.",
    "{F} told a funny story, and {H} laughed until {his} sides hurt.",
)
TROUBLES = ("But suddenly {trouble}.", "All went well until {trouble}.", "Before long {trouble}.")
CRIES = ('"Oh dear, what shall we do?" cried {F}.', '"Do not be afraid, I have an idea," said {H}.')
RESCUES = (
    "Then {H} remembered the {colour} {thing}. {rescue}.",
    "Luckily, {H} still had the {thing}. {rescue}.",
)
ENDINGS = (
    '"Thank you, {H}," said {F}, and gave {him} a big hug.',
    "From that day on, {H} never went anywhere without the {thing}.",
    "That evening they tied a ribbon to the {thing} and drank hot cocoa.",
    'And {F} said, "A friend with {a_thing} is the best friend of all."',
)
OPTIONAL = (KEEPINGS, PAUSES, CRIES)  # at most one of these is told


def with_article(word: str) -> str:
    """Good for the words of this file; English at large (an hour, a unicorn) needs more.

    >>> with_article("owl"), with_article("fox")
    ('an owl', 'a fox')
    """
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def tale(rng: Random) -> str:
    """One tale of seven or eight short sentences, on one line."""
    hero, thing = rng.choice(list(HEROES.values())), rng.choice(THINGS)
    friend, colour, temper = HEROES[hero.friend], rng.choice(COLOURS), rng.choice(TEMPERS)
    his, him = ("his", "him") if hero.he == "he" else ("her", "her")
    words = {
        "H": hero.name, "species": hero.species, "home": hero.home, "he": hero.he, "his": his, "him": him,
        "F": friend.name, "f_species": friend.species, "f_home": friend.home,
        "He": hero.he.capitalize(), "F_his": "his" if friend.he == "he" else "her",
        "thing": thing.name, "a_thing": with_article(thing.name),
        "colour": colour, "a_colour": with_article(colour), "a_temper": with_article(temper),
        "time": rng.choice(TIMES), "place": rng.choice(PLACES),
        "count": rng.choice(("three", "seven", "nine")),
    }  # fmt: skip
    words |= {"trouble": thing.trouble.format(**words), "rescue": thing.rescue.format(**words)}
    extra = rng.choice((None, *OPTIONAL))
    parts = (OPENINGS, FINDINGS, KEEPINGS, MEETINGS, PAUSES, TROUBLES, CRIES, RESCUES, ENDINGS)
    told = [rng.choice(part) for part in parts if part is extra or part not in OPTIONAL]
    return " ".join(told).format(**words)


def tales(n_bytes: int, seed: int) -> Iterator[str]:
    """Tales, each followed by a blank line, as many as fit into ``n_bytes`` bytes of ASCII."""
    rng, left = Random(seed), n_bytes
    while len(text := tale(rng) + "\n\n") <= left:
        left -= len(text)
        yield text


def main() -> None:
    parser = argparse.ArgumentParser(description="Write tales; the same seed writes the same file.")
    parser.add_argument(
        "--bytes", type=int, default=600_000, help="largest size of the file (default 600000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="which tales (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    args = parser.parse_args()
    args.out.write_bytes("".join(tales(args.bytes, args.seed)).encode("ascii"))


if __name__ == "__main__":
    main()
