"""Language models before the transformer: counts of what follows what, and a first neural network.

Every model here answers one question: given the last tokens, how likely is each next one? A *window*
is such a context and the token that came after it, so all of them are trained and judged on
``windows(tokens, …)``. Left out: models whose context has no fixed length, which is the rest of the book.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from llamalite.in_numpy.linear import linear, linear_backward

Params = dict[str, ndarray]

# --- counting ----------------------------------------------------------------------------------------


def windows(
    tokens: Int[ndarray, " T"], length: int, before: int
) -> tuple[Int[ndarray, "T length"], Int[ndarray, " T"]]:
    """For each token, the ``length`` tokens before it, and itself. ``before`` stands before the first.

    >>> [a.tolist() for a in windows(np.array([5, 6, 7]), 2, before=0)]
    [[[0, 0], [0, 5], [5, 6]], [5, 6, 7]]
    """
    padded = np.concatenate([np.full(length, before, dtype=tokens.dtype), tokens])
    both = np.lib.stride_tricks.sliding_window_view(padded, length + 1)
    return both[:, :-1], both[:, -1]


def count_bigrams(tokens: Int[ndarray, " T"], vocab_size: int) -> Int[ndarray, "V V"]:
    """Row a, column b: how often b came right after a.

    >>> count_bigrams(np.array([0, 1, 0, 1, 1]), 2).tolist()
    [[0, 2], [1, 1]]
    """
    pairs = tokens[:-1] * vocab_size + tokens[1:]  # a pair is one number, as 42 is four tens and two
    return np.bincount(pairs, minlength=vocab_size**2).reshape(vocab_size, vocab_size)


class Level(NamedTuple):
    """What came after the contexts of one length. Contexts and n-grams are numbered in sorted order.

    contexts  which there are: number of the context one token shorter × V + the token before that
    grams     which there are: number of the context × V + the token that came
    counts    how often each of ``grams`` came
    totals    how often each of ``contexts`` came
    kinds     how many different tokens came after each of ``contexts``
    """

    contexts: ndarray
    grams: ndarray
    counts: ndarray
    totals: ndarray
    kinds: ndarray


class NGrams(NamedTuple):
    """Counts for contexts of 0, 1, 2, … tokens."""

    vocab_size: int
    levels: tuple[Level, ...]


def count_ngrams(contexts: Int[ndarray, "T C"], targets: Int[ndarray, " T"], vocab_size: int) -> NGrams:
    """Count what came after every context of 0 to C tokens; only what was seen takes memory."""
    levels = []
    number = np.zeros(len(targets), dtype=np.int64)  # of each context; there is one empty context
    for k in range(contexts.shape[1] + 1):
        longer = number * vocab_size + contexts[:, -k] if k else number
        known, number = np.unique(longer, return_inverse=True)
        grams, counts = np.unique(number * vocab_size + targets, return_counts=True)
        levels.append(Level(known, grams, counts, np.bincount(number), np.bincount(grams // vocab_size)))
    return NGrams(vocab_size, tuple(levels))


def find(keys: Int[ndarray, " K"], wanted: Int[ndarray, "*B"]) -> Int[ndarray, "*B"]:
    """The place of each wanted number in the sorted ``keys``; -1 where it is missing.

    >>> find(np.array([2, 5, 9]), np.array([5, 6])).tolist()
    [1, -1]
    """
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def interpolate(
    counts: Int[ndarray, "*B"],
    totals: Int[ndarray, "*B"],
    kinds: Int[ndarray, "*B"],
    shorter: Float[ndarray, "*B"],
    discount: float = 0.75,
) -> Float[ndarray, "*B"]:
    """Take ``discount`` from every count that is not 0, and hand out what that yields as ``shorter`` says.

    ``totals`` is 0 for a context that never came: then ``shorter``, the model of a context one token
    shorter, has the only say. Nothing is lost or added, so the probabilities sum to one if those of
    ``shorter`` do (absolute discounting; Ney, Essen and Kneser 1994).
    """
    kept = np.maximum(counts - discount, 0.0)
    return np.where(totals > 0, (kept + discount * kinds * shorter) / np.maximum(totals, 1), shorter)


def ngram_probs(
    ngrams: NGrams, contexts: Int[ndarray, "*B C"], tokens: Int[ndarray, "*B"], discount: float = 0.75
) -> Float[ndarray, "*B"]:
    """p(token | context), one by one. A narrower context, down to none, asks a shorter n-gram model."""
    V, number = ngrams.vocab_size, np.zeros(tokens.shape, dtype=np.int64)
    probs = np.full(tokens.shape, 1 / V)
    for k, level in enumerate(ngrams.levels[: contexts.shape[-1] + 1]):
        number = find(level.contexts, number * V + contexts[..., -k]) if k else number
        gram = find(level.grams, number * V + tokens)
        counts = np.where(gram < 0, 0, level.counts[gram])
        totals, kinds = (np.where(number < 0, 0, table[number]) for table in (level.totals, level.kinds))
        probs = interpolate(counts, totals, kinds, probs, discount)
    return probs


# --- measuring ---------------------------------------------------------------------------------------


def masked_mean(loss: Float[ndarray, "*B"], mask: Bool[ndarray, "*B"]) -> tuple[float, tuple]:
    """The mean over the tokens where ``mask`` is True; padding has no say in it.

    >>> masked_mean(np.array([[1.0, 3.0], [8.0, 99.0]]), np.array([[True, True], [True, False]]))[0]
    4.0
    """
    if not mask.any():
        raise ValueError("masked_mean: the mask is False everywhere, so there is nothing to average")
    return float(np.where(mask, loss, 0).sum() / mask.sum()), (mask, loss.dtype)


def masked_mean_backward(dmean: float, saved: tuple) -> Float[ndarray, "*B"]:
    """Each token that counts gets an equal share of the gradient, padding none."""
    mask, dtype = saved
    return (dmean * mask / mask.sum()).astype(dtype)


def perplexity(loss: Float[ndarray, "*B"]) -> float:
    """e to the mean loss (nats): among how many equally likely tokens the model is in doubt.

    >>> round(perplexity(np.log(np.array([6.0, 6.0]))), 6)    # a die
    6.0
    """
    return float(np.exp(loss.mean()))


def bits_per_byte(loss: Float[ndarray, "*B"], n_bytes: int) -> float:
    """Total surprise in bits over the bytes of the text: the same question under every tokenizer.

    >>> bits_per_byte(np.log(np.array([256.0**3, 256.0])), n_bytes=4)    # every byte alike
    8.0
    """
    return float(loss.sum()) / math.log(2) / n_bytes


# --- a neural network --------------------------------------------------------------------------------


def init_neural_lm(vocab_size: int, context: int, dim: int, hidden_dim: int, seed: int = 0) -> Params:
    """Random weights, each matrix (out, in) with standard deviation in^-1/2, embeddings with 1."""
    rng = np.random.default_rng(seed)
    shapes = {"hidden.weight": (hidden_dim, context * dim), "output.weight": (vocab_size, hidden_dim)}
    params = {"tok_embeddings.weight": rng.standard_normal((vocab_size, dim))}
    return params | {name: rng.standard_normal(s) / math.sqrt(s[1]) for name, s in shapes.items()}


def neural_lm(params: Params, contexts: Int[ndarray, "*B C"]) -> tuple[Float[ndarray, "*B V"], tuple]:
    """Logits of the next token: C embeddings side by side, a hidden layer, an output layer.

    After Bengio et al. 2003, without their biases and direct connections.
    """
    x = params["tok_embeddings.weight"][contexts]  # (*B C D)
    x = x.reshape(*contexts.shape[:-1], -1)  # (*B C·D)
    hidden, saved_hidden = linear(x, params["hidden.weight"])  # (*B F)
    active = np.tanh(hidden)
    logits, saved_output = linear(active, params["output.weight"])  # (*B V)
    return logits, (contexts, params, active, saved_hidden, saved_output)


def neural_lm_backward(dlogits: Float[ndarray, "*B V"], saved: tuple) -> Params:
    """The gradient of every parameter, by name. tanh'(z) = 1 - tanh(z)²."""
    contexts, params, active, saved_hidden, saved_output = saved
    dactive, doutput = linear_backward(dlogits, saved_output)
    dx, dhidden = linear_backward(dactive * (1 - active * active), saved_hidden)
    dembedding = np.zeros_like(params["tok_embeddings.weight"])
    np.add.at(dembedding, contexts, dx.reshape(*contexts.shape, -1))  # a token met twice collects twice
    return {"tok_embeddings.weight": dembedding, "hidden.weight": dhidden, "output.weight": doutput}
