"""Choosing the next token: the twin of ``in_torch/sampling.py``, which has some rules more."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from llamalite.in_numpy.attention import softmax


def sample(
    logits: Float[ndarray, "*B V"],
    temperature: float = 0.6,
    top_p: float = 0.9,
    generator: np.random.Generator | None = None,
) -> Int[ndarray, "*B"]:
    """Draw one token a row. The defaults are Meta's for Llama 2 and 3 (facts B7).

    ``temperature`` 0 takes the likeliest token; 1 the model's own distribution. ``top_p`` 1 keeps
    every token.
    """
    if temperature < 0 or not 0 <= top_p <= 1:
        raise ValueError(
            f"sample: temperature {temperature} must be at least 0, top_p {top_p} between 0 and 1"
        )
    if temperature == 0:
        return np.asarray(logits.argmax(axis=-1))
    probs = softmax(logits / temperature)
    if top_p < 1:
        probs = keep_top(probs, top_p)
    rises = probs.cumsum(axis=-1)
    generator = np.random.default_rng() if generator is None else generator
    # A point between 0 and the sum: it falls on each token's step as often as the step is high.
    points = generator.random((*probs.shape[:-1], 1)) * rises[..., -1:]
    return np.asarray((rises > points).argmax(axis=-1))


def keep_top(probs: Float[ndarray, "*B V"], top_p: float) -> Float[ndarray, "*B V"]:
    """Drop a token when the likelier ones already add up to more than ``top_p``; renormalise.

    Meta's rule (facts B7), so the token that crosses the line stays, and the first always does.

    >>> keep_top(np.array([0.125, 0.5, 0.25, 0.125]), 0.5).round(4).tolist()
    [0.0, 0.6667, 0.3333, 0.0]
    """
    V = probs.shape[-1]
    out = np.zeros_like(probs)
    for row, out_row in zip(probs.reshape(-1, V), out.reshape(-1, V), strict=True):
        # What is below (1 - p) / V cannot stay, and is most of a vocabulary: sort the others alone.
        # Half of that, so that rounding never costs the first of equals.
        candidates = np.flatnonzero(row >= (1 - top_p) / (2 * V))
        order = candidates[np.argsort(-row[candidates], kind="stable")]
        ranked = row[order]
        kept = ranked[ranked.cumsum() - ranked <= top_p]
        out_row[order[: len(kept)]] = kept / kept.sum()
    return out
