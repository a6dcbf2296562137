"""Language models before the transformer, in PyTorch: the twin of ``in_numpy/language_model.py``."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

Params = dict[str, Tensor]

# --- counting ----------------------------------------------------------------------------------------


def windows(
    tokens: Int[Tensor, " T"], length: int, before: int
) -> tuple[Int[Tensor, "T length"], Int[Tensor, " T"]]:
    """For each token, the ``length`` tokens before it, and itself. ``before`` stands before the first."""
    both = F.pad(tokens, (length, 0), value=before).unfold(0, length + 1, 1)
    return both[:, :-1], both[:, -1]


def count_bigrams(tokens: Int[Tensor, " T"], vocab_size: int) -> Int[Tensor, "V V"]:
    """Row a, column b: how often b came right after a."""
    pairs = tokens[:-1] * vocab_size + tokens[1:]
    return torch.bincount(pairs, minlength=vocab_size**2).view(vocab_size, vocab_size)


class Level(NamedTuple):
    """What came after the contexts of one length, as in the NumPy half."""

    contexts: Tensor
    grams: Tensor
    counts: Tensor
    totals: Tensor
    kinds: Tensor


class NGrams(NamedTuple):
    """Counts for contexts of 0, 1, 2, … tokens."""

    vocab_size: int
    levels: tuple[Level, ...]


def count_ngrams(contexts: Int[Tensor, "T C"], targets: Int[Tensor, " T"], vocab_size: int) -> NGrams:
    """Count what came after every context of 0 to C tokens; only what was seen takes memory."""
    levels = []
    number = torch.zeros_like(targets)
    for k in range(contexts.shape[1] + 1):
        longer = number * vocab_size + contexts[:, -k] if k else number
        known, number = torch.unique(longer, return_inverse=True)
        grams, counts = torch.unique(number * vocab_size + targets, return_counts=True)
        totals, kinds = torch.bincount(number), torch.bincount(grams // vocab_size)
        levels.append(Level(known, grams, counts, totals, kinds))
    return NGrams(vocab_size, tuple(levels))


def find(keys: Int[Tensor, " K"], wanted: Int[Tensor, "*B"]) -> Int[Tensor, "*B"]:
    """The place of each wanted number in the sorted ``keys``; -1 where it is missing."""
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, place, -1)


def interpolate(
    counts: Int[Tensor, "*B"],
    totals: Int[Tensor, "*B"],
    kinds: Int[Tensor, "*B"],
    shorter: Float[Tensor, "*B"],
    discount: float = 0.75,
) -> Float[Tensor, "*B"]:
    """Take ``discount`` from every count that is not 0, and hand out what that yields as ``shorter`` says."""
    kept = (counts - discount).clamp(min=0.0).to(shorter.dtype)
    return torch.where(totals > 0, (kept + discount * kinds * shorter) / totals.clamp(min=1), shorter)


def ngram_probs(
    ngrams: NGrams, contexts: Int[Tensor, "*B C"], tokens: Int[Tensor, "*B"], discount: float = 0.75
) -> Float[Tensor, "*B"]:
    """p(token | context), one by one, in float64. A narrower context asks a shorter n-gram model."""
    V, number = ngrams.vocab_size, torch.zeros_like(tokens)
    probs = torch.full(tokens.shape, 1 / V, dtype=torch.float64)
    for k, level in enumerate(ngrams.levels[: contexts.shape[-1] + 1]):
        number = find(level.contexts, number * V + contexts[..., -k]) if k else number
        gram = find(level.grams, number * V + tokens)
        counts = level.counts[gram].where(gram >= 0, 0)
        totals, kinds = (table[number].where(number >= 0, 0) for table in (level.totals, level.kinds))
        probs = interpolate(counts, totals, kinds, probs, discount)
    return probs


# --- measuring ---------------------------------------------------------------------------------------


def masked_mean(loss: Float[Tensor, "*B"], mask: Bool[Tensor, "*B"]) -> Float[Tensor, ""]:
    """The mean over the tokens where ``mask`` is True; padding has no say in it."""
    if not mask.any():
        raise ValueError("masked_mean: the mask is False everywhere, so there is nothing to average")
    return loss.where(mask, 0).sum() / mask.sum()


def perplexity(loss: Float[Tensor, "*B"]) -> float:
    """e to the mean loss (nats): among how many equally likely tokens the model is in doubt."""
    return loss.mean().exp().item()


def bits_per_byte(loss: Float[Tensor, "*B"], n_bytes: int) -> float:
    """Total surprise in bits over the bytes of the text: the same question under every tokenizer."""
    return loss.sum().item() / math.log(2) / n_bytes


# --- a neural network --------------------------------------------------------------------------------


def init_neural_lm(vocab_size: int, context: int, dim: int, hidden_dim: int, seed: int = 0) -> Params:
    """Random weights as in the NumPy half, though other numbers: each library has its own generator."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"hidden.weight": (hidden_dim, context * dim), "output.weight": (vocab_size, hidden_dim)}
    params = {"tok_embeddings.weight": torch.randn(vocab_size, dim, generator=generator)}
    return params | {n: torch.randn(s, generator=generator) / math.sqrt(s[1]) for n, s in shapes.items()}


def neural_lm(params: Params, contexts: Int[Tensor, "*B C"]) -> Float[Tensor, "*B V"]:
    """Logits of the next token: C embeddings side by side, a hidden layer, an output layer."""
    x = F.embedding(contexts, params["tok_embeddings.weight"]).flatten(-2)  # (*B C·D)
    return F.linear(torch.tanh(F.linear(x, params["hidden.weight"])), params["output.weight"])


class NeuralLM(nn.Module):
    def __init__(self, vocab_size: int, context: int, dim: int, hidden_dim: int):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab_size, dim)
        self.hidden = nn.Linear(context * dim, hidden_dim, bias=False)
        self.output = nn.Linear(hidden_dim, vocab_size, bias=False)

    def forward(self, contexts: Int[Tensor, "*B C"]) -> Float[Tensor, "*B V"]:
        return neural_lm(dict(self.named_parameters()), contexts)
