"""Grouped-query attention from multi-head attention: heads that were trained apart learn to share.

Ainslie et al. 2023 (arXiv:2305.13245) turn a trained model's key and value heads into fewer ones and
train on for a small part of the original steps. ``attention.py`` needs no change for it: how many
heads share is a matter of shapes. What this file leaves out: the training, which is anybody's.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import init_weight

WAYS = ("mean", "first", "random")  # from the best to the worst, says the paper's figure 4


def merge_heads(
    w: Float[Tensor, "NH D"], n_heads: int, n_groups: int, how: str = "mean"
) -> Float[Tensor, "KH D"]:
    """wk or wv with ``n_groups`` heads where there were ``n_heads``: each the mean, or the first, of its own.

    Neighbours share, because query heads j·G … j·G+G-1 will read head j (facts B5).

    >>> w = torch.tensor([[1.0], [3.0], [10.0], [30.0]])     # four heads of width one
    >>> merge_heads(w, 4, 2).flatten().tolist(), merge_heads(w, 4, 2, "first").flatten().tolist()
    ([2.0, 20.0], [1.0, 10.0])
    """
    if n_heads % n_groups:
        raise ValueError(
            f"gqa: {n_heads} heads do not fall into {n_groups} groups of one size; "
            f"choose one of {[k for k in range(1, n_heads + 1) if n_heads % k == 0]}"
        )
    groups = w.reshape(n_groups, n_heads // n_groups, -1, w.shape[1])
    if how == "mean":
        return groups.mean(dim=1).flatten(0, 1)
    if how == "first":
        return groups[:, 0].flatten(0, 1)
    raise ValueError(f"gqa: heads cannot be merged by {how!r}; choose mean or first")


def share_heads(
    state: dict[str, Tensor], cfg: LlamaConfig, n_kv_heads: int, how: str = "mean", seed: int = 0
) -> tuple[dict[str, Tensor], LlamaConfig]:
    """A Llama's weights and config with fewer key/value heads; all other weights are the same tensors.

    ``how`` is one of ``WAYS``; ``random`` forgets the old heads and draws new ones, by ``seed``.
    """
    if how not in WAYS:
        raise ValueError(f"gqa: no way {how!r} to share heads; there are {', '.join(WAYS)}")
    new = cfg.with_(n_kv_heads=n_kv_heads)
    shared = dict(state)
    for name, shape in new.param_shapes().items():
        if not name.endswith(("wk.weight", "wv.weight")):
            continue
        old = state[name]
        if how == "random":
            drawn = torch.from_numpy(init_weight(name, shape, cfg.n_layers, seed))
            shared[name] = drawn.to(old.device, old.dtype)
        else:
            shared[name] = merge_heads(old, cfg.n_kv_heads, n_kv_heads, how)
    return shared, new


def same_size(cfg: LlamaConfig, n_kv_heads: int) -> LlamaConfig:
    """Fewer key/value heads, and the parameters that this saves given to the feed-forward layers.

    So did Llama 2's authors before they compared (facts I3). Rounded to a whole width.

    >>> cfg = LlamaConfig(dim=96, n_layers=2, n_heads=8, hidden_dim=256, vocab_size=100)
    >>> same_size(cfg, 2).hidden_dim, same_size(cfg, 2).n_params == cfg.n_params
    (304, True)
    """
    saved = 2 * (cfg.n_kv_heads - n_kv_heads) * cfg.head_dim  # columns of wk and wv, each dim long
    return cfg.with_(n_kv_heads=n_kv_heads, hidden_dim=cfg.ffn_dim + round(saved / 3))
