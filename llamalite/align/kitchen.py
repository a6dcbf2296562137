"""A kitchen in which chapters 18 and 19 learn from preferences in seconds: a cook, soups, and their worth.

The tales need minutes for what this world shows in seconds, and here as there it is known what is right.
What it leaves out: prompts, for there is only one; and whatever a soup has besides vegetables and salt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from llamalite.align.rlhf.reward import Pair
from llamalite.align.rlhf.rollouts import as_examples
from llamalite.align.sft import fine_tune
from llamalite.align.tuning import Tuning
from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, init_weights

WORDS = ["a", "soup", "please:", "leek", "carrot", "bean", "onion", "salt", "serve"]
ASK, VEGETABLES, SALT, SERVE = [0, 1, 2], [3, 4, 5, 6], 7, 8
LONGEST = 16  # words of a soup

Soup = list[int]


def worth(soup: Sequence[int]) -> float:
    """Half a point for each kind of vegetable, one for each pinch of salt; and with a fourth, nothing.

    >>> worth([3, 3, 4, SALT, SERVE]), worth([SALT] * 4)
    (2.0, 0.0)
    """
    salt = list(soup).count(SALT)
    return 0.0 if salt > 3 else 0.5 * len(set(VEGETABLES) & set(soup)) + salt


def recipe(rng: Generator) -> Soup:
    """What others cook, who never take more than two pinches."""
    size, salt = rng.integers(5, 10), rng.choice(3, p=[0.5, 0.35, 0.15])
    soup = np.r_[rng.choice(VEGETABLES, size - salt, p=[0.4, 0.3, 0.2, 0.1]), np.full(salt, SALT)]
    return [int(i) for i in rng.permutation(soup)] + [SERVE]


def told(soup: Sequence[int]) -> str:
    """
    >>> told([3, SALT, SERVE])
    'leek salt serve'
    """
    return " ".join(WORDS[i] for i in soup)


def apprentice(recipes: Sequence[Soup]) -> Llama:
    """A cook who has learnt from these recipes: 25 thousand parameters, a few seconds."""
    cfg = LlamaConfig(
        dim=32, n_layers=2, n_heads=4, n_kv_heads=2, multiple_of=16, vocab_size=len(WORDS), max_seq_len=24
    )
    cook = init_weights(Llama(cfg), seed=0)
    fine_tune(cook, as_examples([ASK] * len(recipes), recipes), Tuning(120, batch_size=64, lr=3e-3))
    return cook


def compared(soups: Sequence[Soup], rng: Generator) -> list[Pair]:
    """Neighbours are tasted; the better is preferred as often as Bradley and Terry say, by its worth."""
    made, found = as_examples([ASK] * len(soups), soups), []
    for a, b in zip(made[::2], made[1::2], strict=True):
        first_is_better = rng.random() < 1 / (1 + math.exp(worth(b.ids) - worth(a.ids)))
        found.append(Pair(a, b) if first_is_better else Pair(b, a))
    return found
