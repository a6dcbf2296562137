"""What the runs of a sweep read: tales one by one, or a roll call of the world's heroes; endless and new.

Each row is one text, which the model meets from its first token, so that what is known of the floor is
known of every row: ``nats`` of its exact probability. Rows are made by a seed and never shown twice.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llamalite.tales import world as w
from llamalite.tales.plot import Weighted
from llamalite.tales.telling import END, Tales
from llamalite.tales.world import SYLLABLES, World
from llamalite.text.tokenization.tokenizer import Tokenizer

NOTHING = -1  # behind the end of a row


class Texts(NamedTuple):
    """``rows[i]`` holds a text's ids behind one that only says "begin", then ``NOTHING``."""

    rows: Int[Tensor, "n T1"]
    lengths: Int[Tensor, " n"]  # tokens to predict
    nats: Float[Tensor, " n"]  # what a model that knows all would pay for the row
    facts: slice | None = None  # which of the tokens to predict are facts, where all rows have them there

    def floor(self) -> float:
        """Nats a token of these very rows."""
        return float(self.nats.sum() / self.lengths.sum())

    def first(self, tokens: int) -> Texts:
        """The rows from the beginning that hold about so many tokens, to the nearest row."""
        n = int(torch.searchsorted(self.lengths.cumsum(0), torch.tensor(tokens))) + 1
        return Texts(self.rows[:n], self.lengths[:n], self.nats[:n], self.facts)


def tale_texts(tales: Tales, tokenizer: Tokenizer, tokens: int, seed: str) -> Texts:
    """Tales until they hold ``tokens`` tokens; each behind an end of line and followed by a blank line."""
    rng, rows, nats, so_far = Random(seed), [], [], 0
    begin = len(tokenizer.encode("\n")) - 1
    while so_far < tokens:
        tale = tales.tell(rng)
        rows.append(tokenizer.encode("\n" + tale.text + END)[begin:])
        nats.append(-tale.logprob)
        so_far += len(rows[-1]) - 1
    return stacked(rows, nats)


def stacked(rows: list[list[int]], nats: list[float]) -> Texts:
    """
    >>> stacked([[0, 5, 6], [0, 7]], [1.0, 2.0]).rows.tolist()
    [[0, 5, 6], [0, 7, -1]]
    """
    lengths = [len(row) - 1 for row in rows]
    width = max(lengths) + 1
    filled = [row + [NOTHING] * (width - len(row)) for row in rows]
    ids, paid = torch.tensor(filled, dtype=torch.int16), torch.tensor(nats, dtype=torch.float64)
    return Texts(ids, torch.tensor(lengths), paid)


# --- a roll call -------------------------------------------------------------------------------------

FACTS = (w.SPECIES, w.HOMES, w.CRAFTS, w.TREATS)
ROLL_VOCAB = SYLLABLES * 3 + sum(len(options) for options in FACTS) + 1
FACT_PLACES = slice(3, 7)  # of the tokens to predict: three syllables come first


def roll_ids(world: World) -> list[list[int]]:
    """Each hero as eight ids: begin, three syllables, species, home, craft, treat. No id has two meanings.

    >>> roll_ids(World(2))[0][0], max(max(row) for row in roll_ids(World())) < ROLL_VOCAB
    (0, True)
    """
    found = []
    for hero in world.heroes:
        said = (hero.species, hero.home, hero.craft, hero.treat)
        facts = [options.index(what) for options, what in zip(FACTS, said, strict=True)]
        found.append([0, *(1 + SYLLABLES * i + number for i, number in enumerate([*hero.name, *facts]))])
    return found


def roll_call(world: World, n: int, seed: str) -> Texts:
    """``n`` heroes called up, each as often as the world tells of it: all to be learnt is who is who."""
    rng, ids, drawn = Random(seed), roll_ids(world), Weighted(range(world.n_heroes), world.popularity)
    called = [int(drawn.draw(rng, {})[0]) for _ in range(n)]
    nats = [-math.log(world.popularity[rank]) for rank in called]
    return stacked([ids[rank] for rank in called], nats)._replace(facts=FACT_PLACES)
