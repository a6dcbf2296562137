"""Tales in few words, about few heroes: the world in which a model learns what it should answer.

The plot, the grammar and the judge are those of all tales; the phrasings are shorter and 24 heroes are told
of alike, so that a Llama of two hundred thousand weights learns to write them within a minute. A short tale
has about 60 tokens, a full one 125, and with those the stages of chapters 17 to 19 would not fit into two
minutes on one core. What is left out: everything that a longer tale would be read for.
"""

from llamalite.tales.language import FOLDER
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

N_HEROES = 24


def short_tales() -> Tales:
    """About 50 words a tale; ``tasks.request`` and ``judge`` work on them as on any others."""
    return Tales("en", World(N_HEROES, exponent=0.0), FOLDER / "short")
