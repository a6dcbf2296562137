"""Who does what among many ranks: the arithmetic of a layout, without a process and without torch.

Ranks are numbered like digits: the tensor part counts fastest, then the pipeline, then the data part.
That is the order of the Llama 3 report (facts F3): whoever talks most sits nearest. Left out: context
parallelism, which has its own size in the report's layouts (``Layout`` in ``published.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from llamalite.config import LlamaConfig


@dataclass(frozen=True)
class Parallel:
    """How many ranks share the work, and how. Their product is the number of processes."""

    data: int = 1
    """Copies of the model, each with its part of the batch."""
    tensor: int = 1
    """Ranks that share each matrix; must divide the heads."""
    pipeline: int = 1
    """Stages that the layers are cut into."""
    shard: bool = False
    """Let the data ranks share weights, gradients and optimiser state (FSDP2) instead of copying them."""
    schedule: Literal["1f1b", "gpipe"] = "1f1b"
    """Of a pipeline: one forward, one backward, or all forwards first."""
    microbatches: int = 0
    """Pieces in which a batch goes through a pipeline; 0: twice its stages."""

    @property
    def size(self) -> int:
        return self.data * self.tensor * self.pipeline

    @property
    def pieces(self) -> int:
        """Micro-batches of a pipeline; 1 without one."""
        return 1 if self.pipeline == 1 else self.microbatches or 2 * self.pipeline


class Place(NamedTuple):
    """Where a rank sits."""

    data: int
    pipeline: int
    tensor: int


def place_of(rank: int, p: Parallel) -> Place:
    """
    >>> [tuple(place_of(rank, Parallel(data=2, tensor=2))) for rank in range(4)]
    [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]
    """
    rest, tensor = divmod(rank, p.tensor)
    data, pipeline = divmod(rest, p.pipeline)
    return Place(data, pipeline, tensor)


def layers_of_stage(n_layers: int, stage: int, n_stages: int) -> range:
    """Consecutive layers, as even as can be; the ends, which also embed and predict, never get more.

    >>> [list(layers_of_stage(5, i, 3)) for i in range(3)]
    [[0], [1, 2], [3, 4]]
    """
    begin, end = (n_layers * i // n_stages for i in (stage, stage + 1))
    return range(begin, end)


def check_numbers(p: Parallel) -> None:
    for name in ("data", "tensor", "pipeline"):
        if getattr(p, name) < 1:
            raise ValueError(f"parallel.{name} is {getattr(p, name)}; it must be at least 1")
    if p.microbatches < 0:
        raise ValueError(f"parallel.microbatches is {p.microbatches}; it must not be negative")


def check_layout(p: Parallel, cfg: LlamaConfig, batch_size: int, seq_len: int, accumulate: int) -> None:
    """Refuse what cannot be cut evenly, with the number that would do."""
    for what, n in (
        ("n_heads", cfg.n_heads),
        ("n_kv_heads", cfg.n_kv_heads),
        ("the feed-forward width", cfg.ffn_dim),
        ("the vocabulary", cfg.vocab_size),
        ("seq-len", seq_len),
    ):
        if n % p.tensor:
            raise ValueError(
                f"parallel.tensor {p.tensor} does not divide {what}, which is {n}; change one of the two"
            )
    if p.pipeline > cfg.n_layers:
        raise ValueError(
            f"{cfg.n_layers} layers cannot be cut into {p.pipeline} stages; lower parallel.pipeline"
        )
    if cfg.tied and p.tensor * p.pipeline > 1:
        raise ValueError(
            "a head that shares the embedding's matrix cannot be cut here; use parallel.data alone"
        )
    if p.pipeline > 1 and accumulate > 1:
        raise ValueError("a pipeline cuts the batch itself; leave accumulate out, use parallel.microbatches")
    if p.schedule == "1f1b" and p.pieces < p.pipeline:
        raise ValueError(
            f"1f1b wants at least as many micro-batches as stages: {p.pipeline}, not {p.microbatches}; "
            f"raise parallel.microbatches, or take --parallel.schedule gpipe"
        )
    pieces = p.data * max(p.pieces, accumulate)
    if batch_size % pieces:
        raise ValueError(
            f"a batch of {batch_size} windows cannot be dealt evenly to {p.data} data ranks in "
            f"{max(p.pieces, accumulate)} pieces each; take a batch size that {pieces} divides"
        )
