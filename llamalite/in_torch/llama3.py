"""What Llama 3 added, as far as it is code: documents that do not see each other, and longer contexts.

The model needed no change: a vocabulary, shared heads and theta are numbers in its config, and a document
mask is an argument that it already takes. What this file leaves out: the training, which is anybody's,
and block-sparse kernels, which skip what the mask forbids (PyTorch's FlexAttention, on GPUs only).
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llamalite.config import LlamaConfig, RopeScaling
from llamalite.in_torch.attention import causal_mask

# --- documents in one row ----------------------------------------------------------------------------


class Documents(NamedTuple):
    """What a Llama must be told so that each document of a row is read as if it were alone."""

    positions: Int[Tensor, "*B T"]
    mask: Bool[Tensor, "*B T T"]


def document_positions(begins: Bool[Tensor, "*B T"]) -> Int[Tensor, "*B T"]:
    """Positions that restart at 0 where a document begins; a row may start in the middle of one.

    >>> document_positions(torch.tensor([0, 0, 1, 0, 0, 1]).bool()).tolist()
    [0, 1, 0, 1, 2, 0]
    """
    places = torch.arange(begins.shape[-1], device=begins.device)
    return places - (places * begins).cummax(-1).values


def document_mask(begins: Bool[Tensor, "*B T"]) -> Bool[Tensor, "*B T T"]:
    """True where a query may look: back, and within its own document (Llama 3, section 3.2).

    >>> document_mask(torch.tensor([0, 0, 1, 0]).bool()).int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    """
    document = begins.cumsum(-1)
    same = document[..., :, None] == document[..., None, :]
    return same & causal_mask(begins.shape[-1], begins.shape[-1], begins.device)


def documents(begins: Bool[Tensor, "*B T"]) -> Documents:
    """Positions and mask of packed rows: ``model(tokens, table, *documents(begins))``."""
    return Documents(document_positions(begins), document_mask(begins))


def after_blank_lines(tokens: Int[Tensor, "*B T"], newline: int) -> Bool[Tensor, "*B T"]:
    """Where documents begin in a text that parts them by a blank line: at the second of two newlines,
    as ``train.batches.document_starts`` has it.

    >>> after_blank_lines(torch.tensor([7, 1, 1, 8, 1]), newline=1).int().tolist()
    [0, 0, 1, 0, 0]
    """
    begins = torch.zeros_like(tokens, dtype=torch.bool)
    begins[..., 1:] = (tokens[..., 1:] == newline) & (tokens[..., :-1] == newline)
    return begins


# --- longer contexts ---------------------------------------------------------------------------------

WAYS = ("none", "interpolation", "ntk", "bands")


def stretched(cfg: LlamaConfig, factor: float, how: str) -> LlamaConfig:
    """A config that reads ``factor`` times as many positions; no weight changes.

    ``none`` hopes for the best. ``interpolation`` divides every frequency, so that all angles stay within
    those of the old context (Chen et al. 2023). ``ntk`` raises theta until the slowest wave is divided
    by ``factor``; the fastest stays. ``bands`` is Llama 3.1's rule (facts B3): long waves are divided,
    short ones stay. Interpolation is the same rule with every wave called long.
    """
    original, head_dim = cfg.max_seq_len, cfg.head_dim
    if how not in WAYS:
        raise ValueError(f"llama3: no way {how!r} to stretch a context; there are {', '.join(WAYS)}")
    if cfg.rope_scaling is not None:
        raise ValueError("llama3: this config is stretched already; start from the one it was made from")
    longer = cfg.with_(max_seq_len=round(original * factor))
    if how == "interpolation":
        return longer.with_(rope_scaling=RopeScaling(factor, original, 2 * original, original))
    if how == "ntk":
        return longer.with_(rope_theta=cfg.rope_theta * factor ** (head_dim / (head_dim - 2)))
    if how == "bands":
        return longer.with_(rope_scaling=RopeScaling(factor, 1.0, 4.0, original))
    return longer


def loss_by_position(
    losses: Float[Tensor, "B T"], positions: Int[Tensor, "B T"], counts: Bool[Tensor, "B T"] | None = None
) -> Float[Tensor, " P"]:
    """The mean loss of the tokens predicted at each position 0, 1, 2, …; NaN where there is none.

    >>> loss_by_position(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[0, 1, 0]])).tolist()
    [2.5, 2.0]
    """
    weights = torch.ones_like(losses) if counts is None else counts.to(losses.dtype)
    n = int(positions.max()) + 1
    sums, hits = (
        torch.zeros(n, dtype=losses.dtype).index_add(0, positions.flatten(), part.flatten())
        for part in (losses * weights, weights)
    )
    return sums / hits


# --- what it takes -----------------------------------------------------------------------------------


class Memory(NamedTuple):
    """Bytes. ``logits`` are those of every position, as training and scoring need them."""

    weights: int
    cache: int
    logits: int


def memory(cfg: LlamaConfig, context: int, texts: int = 1, bytes_per_number: int = 2) -> Memory:
    """What reading ``texts`` of ``context`` tokens holds; logits are float32 whatever the weights (facts B5).

    >>> [f"{part / 2**30:.1f}" for part in memory(LlamaConfig(), context=2048)]
    ['12.6', '1.0', '0.2']
    """
    cache = cfg.kv_cache_bytes_per_token(bytes_per_number) * context * texts
    return Memory(bytes_per_number * cfg.n_params, cache, 4 * cfg.vocab_size * context * texts)


# --- a task that needs distance ----------------------------------------------------------------------

N_KEYS = N_VALUES = 16
N_NOISE = 32
RECALL_VOCABULARY = N_KEYS + N_VALUES + N_NOISE
N_PAIRS = 8


def recall(
    rng: np.random.Generator, batch: int, seq_len: int, n_asked: int = N_PAIRS, depth: float | None = None
) -> Int[Tensor, "B T"]:
    """Eight pairs of a key and its value, strewn in noise; then keys again, each before its value.

    With ``depth`` (0: first, 1: last of the noise) one pair stands there, and only it is asked: the needle.
    The last 2 · ``n_asked`` tokens are the questions; what is to be learnt is each second one of them.
    """
    noise_len = seq_len - 2 * n_asked
    slots = noise_len // 2
    if slots < N_PAIRS:
        raise ValueError(f"recall: {seq_len} tokens cannot hold {N_PAIRS} pairs and {n_asked} questions")
    rows = np.arange(batch)[:, None]
    tokens = N_KEYS + N_VALUES + rng.integers(N_NOISE, size=(batch, seq_len))
    keys = rng.permuted(np.tile(np.arange(N_KEYS), (batch, 1)), axis=1)[:, :N_PAIRS]
    values = N_KEYS + rng.integers(N_VALUES, size=(batch, N_PAIRS))
    at = rng.permuted(np.tile(np.arange(slots), (batch, 1)), axis=1)[:, :N_PAIRS]
    if depth is not None:
        needle = round(depth * (slots - 1))
        at = np.where(at == needle, at[:, :1], at)  # who stood there changes places
        at[:, 0] = needle
    tokens[rows, 2 * at], tokens[rows, 2 * at + 1] = keys, values
    asked = rng.permuted(np.tile(np.arange(N_PAIRS), (batch, 1)), axis=1)[:, :n_asked]
    asked = asked if depth is None else np.zeros_like(asked)
    tokens[:, noise_len::2], tokens[:, noise_len + 1 :: 2] = keys[rows, asked], values[rows, asked]
    return torch.from_numpy(tokens)
