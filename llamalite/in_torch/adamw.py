"""AdamW in PyTorch, written from its formula: the twin of ``in_numpy/adamw.py``.

What training runs is ``torch.optim.AdamW(fused=True)``, the same numbers from one kernel: chapter 09
shows both, and that they agree.
"""

from typing import NamedTuple

import torch
from torch import Tensor

Params = dict[str, Tensor]


class AdamWState(NamedTuple):
    """Steps taken, and per parameter the running means of the gradient and of its square."""

    step: int
    m: Params
    v: Params


def adamw_state(params: Params) -> AdamWState:
    return AdamWState(0, *({name: torch.zeros_like(w) for name, w in params.items()} for _ in "mv"))


@torch.no_grad()
def adamw(
    params: Params,
    grads: Params,
    state: AdamWState,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-8,
    weight_decay: float = 0.1,
) -> tuple[Params, AdamWState]:
    """One step: new parameters, new state. Matrices decay, the norms' gains do not.

    Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithm 2, with the learning rate also scaling the decay.
    """
    step = state.step + 1
    m = {name: betas[0] * state.m[name] + (1 - betas[0]) * g for name, g in grads.items()}
    v = {name: betas[1] * state.v[name] + (1 - betas[1]) * g * g for name, g in grads.items()}
    new = {}
    for name, w in params.items():
        m_hat = m[name] / (1 - betas[0] ** step)  # the means start at 0 and are too small at first
        v_hat = v[name] / (1 - betas[1] ** step)
        decay = weight_decay if w.ndim >= 2 else 0.0
        new[name] = w - lr * decay * w - lr * m_hat / (v_hat.sqrt() + eps)
    return new, AdamWState(step, m, v)
