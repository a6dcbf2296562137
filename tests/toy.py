"""A model whose answers are known, for everything that must work for any model."""

import torch
from torch import nn

from llamalite.train.training import Data, Settings


class Toy(nn.Module):
    """A bigram table with a gain: the next token's logits depend on this token alone."""

    def __init__(self, vocab: int = 8, seed: int = 0):
        super().__init__()
        self.table = nn.Parameter(torch.randn(vocab, vocab, generator=torch.Generator().manual_seed(seed)))
        self.gain = nn.Parameter(torch.ones(vocab))

    def forward(self, tokens):
        return self.table[tokens] * self.gain


def cycle(n: int = 200, vocab: int = 8) -> Data:
    """0 1 2 … 7 0 1 …: fully predictable, one byte a token."""
    ids = torch.arange(n) % vocab
    return Data(ids, ids[:51], held_out_bytes=50)


def quick(**changes) -> Settings:
    defaults = {
        "steps": 20,
        "batch_size": 6,
        "seq_len": 5,
        "lr": 0.1,
        "warmup": 2,
        "eval_every": 5,
        "save_every": 5,
    }
    return Settings(**{**defaults, **changes})
