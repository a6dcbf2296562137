"""Bytes that each scheme makes a rank send, by formula: in a ring, which wastes nothing.

A whole of ``size`` bytes goes round ``n`` ranks. In an all-gather each rank passes on n-1 of the n parts;
a reduce-scatter is the same with additions; an all-reduce is one after the other. ``wire.traffic``
measures the same thing.
"""

from llamalite.config import LlamaConfig


def all_gather(n: int, size: float) -> float:
    """
    >>> all_gather(4, 100)
    75.0
    """
    return (n - 1) / n * size


def reduce_scatter(n: int, size: float, as_all_reduce: bool = False) -> float:
    """``as_all_reduce``: add up everything everywhere and keep a part, as gloo does; twice the bytes."""
    return (2 if as_all_reduce else 1) * (n - 1) / n * size


def all_reduce(n: int, size: float) -> float:
    """
    >>> all_reduce(2, 100), all_reduce(1000, 100)
    (100.0, 199.8)
    """
    return 2 * (n - 1) / n * size


def data_parallel(n: int, gradients: float) -> float:
    """A step's gradients, averaged once."""
    return all_reduce(n, gradients)


def fully_sharded(n: int, weights: float, gradients: float, as_all_reduce: bool = False) -> float:
    """Weights gathered for the forward pass and again for the backward pass, gradients dealt out."""
    return 2 * all_gather(n, weights) + reduce_scatter(n, gradients, as_all_reduce)


def tensor_parallel(n: int, cfg: LlamaConfig, tokens: int, width: int, as_all_reduce: bool = False) -> float:
    """With sequence parallelism; ``width`` is the bytes of a number.

    Forward, a layer gathers its positions twice and deals them out twice; the embedding deals out, the head
    gathers, and the logits are gathered. Backward, each of these (but for the logits) turns into its
    opposite. The gains of the norms, applied to some positions on each rank, add up their gradients.
    """
    hidden = tokens * cfg.dim * width
    pairs = 2 * (2 * cfg.n_layers + 1)  # of a gathering and a dealing out, both ways
    each = all_gather(n, hidden) + reduce_scatter(n, hidden, as_all_reduce)
    logits = all_gather(n, tokens * cfg.vocab_size * width)
    gains = all_reduce(n, cfg.param_counts()["norms"] * width)
    return pairs * each + logits + gains


def pipeline(stage: int, n_stages: int, tokens: int, dim: int, width: int) -> float:
    """Hidden states to the next stage, their gradients to the one before; the ends have one neighbour."""
    neighbours = (stage > 0) + (stage < n_stages - 1)
    return float(neighbours * tokens * dim * width)
