"""Tales in few words, about few heroes: the world in which a model learns what it should answer.

The plot, the grammar and the judge are those of all tales; the phrasings are shorter and 24 heroes are told
of alike, so that a Llama of a hundred thousand weights can write one within seconds of training, and can
be preferred for it. A full tale has about 130 tokens, and none of the stages of chapters 17 to 19 would
fit into two minutes on one core. What is left out: everything that a longer tale would be read for.
"""

from llamalite.tales.language import FOLDER
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

N_HEROES = 24


def short_tales() -> Tales:
    """About 45 words a tale; ``tasks.request`` and ``judge`` work on them as on any others."""
    return Tales("en", World(N_HEROES, exponent=0.0), FOLDER / "short")
