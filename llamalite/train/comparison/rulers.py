"""Models side by side: one unit for all tokenizers, one budget for all shapes, and a difference shared out.

What is left out: everything that a loss does not see. It marks how a text is predicted, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def bits_per_byte(nats_per_token: float, n_tokens: int, n_bytes: int) -> float:
    """The whole bill of a text, in bits, divided by its bytes: what no tokenizer can change.

    >>> round(bits_per_byte(math.log(2), 100, 400), 3)        # a bit a token, four bytes a token
    0.25
    """
    return nats_per_token * n_tokens / math.log(2) / n_bytes


def perplexity(nats_per_token: float) -> float:
    """Among how many equally likely tokens such a model would be in doubt; of *its* tokens.

    >>> round(perplexity(math.log(6)), 6)
    6.0
    """
    return math.exp(nats_per_token)


def fair_steps(budget: float, flops_per_token: float, tokens_a_step: int) -> int:
    """The whole steps that ``budget`` FLOPs buy: a dearer model gets fewer.

    >>> fair_steps(1e6, 50.0, 100), fair_steps(1e6, 100.0, 100)
    (200, 100)
    """
    return int(budget // (flops_per_token * tokens_a_step))


def shares(neither: float, first: float, second: float, both: float) -> tuple[float, float]:
    """How much of ``neither - both`` each of two changes brought: the mean over both orders of making them.

    A change that is made first and one that is made second bring different amounts wherever the two help or
    hinder each other; one order alone gives the joint part to whichever it happens to make second.

    >>> shares(10.0, 8.0, 5.0, 4.0)         # the first brings 2 or 1, the second 5 or 4
    (1.5, 4.5)
    """
    of_first = ((neither - first) + (second - both)) / 2
    return of_first, (neither - both) - of_first


def tokens_to_reach(loss: float, tokens: Sequence[float], losses: Sequence[float]) -> float:
    """Where a falling learning curve passes ``loss``: a straight line between points, both axes logarithmic.

    Infinite below the last point: what has not been measured is not known.

    >>> round(tokens_to_reach(2.0, [10, 1000], [4.0, 1.0]), 6)
    100.0
    """
    x, y = np.log(tokens), np.log(losses)
    if math.log(loss) < y[-1]:
        return math.inf
    return float(np.exp(np.interp(-math.log(loss), -y, x)))
