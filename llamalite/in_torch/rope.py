"""Rotary position embedding in PyTorch: the twin of ``in_numpy/rope.py``, names and all.

What differs: a table can be moved to a device and dtype, and autograd writes the backward pass.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llamalite.config import RopeScaling


class RopeTable(NamedTuple):
    """Cosine and sine of every angle: row = position, column = pair."""

    cos: Float[Tensor, "S half"]
    sin: Float[Tensor, "S half"]


def rope_frequencies(
    head_dim: int, theta: float = 10_000.0, scaling: RopeScaling | None = None
) -> Float[Tensor, " half"]:
    """Radians per position of each pair, fastest first: theta^(-2i/H), in float64.

    >>> rope_frequencies(4, theta=100.0).tolist()
    [1.0, 0.1]
    """
    if head_dim % 2:
        raise ValueError(f"rope: head_dim is {head_dim}, but coordinates turn in pairs; make it even")
    freqs = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64, device="cpu") / head_dim)
    return freqs if scaling is None else scale_frequencies(freqs, scaling)


def scale_frequencies(freqs: Float[Tensor, " half"], scaling: RopeScaling) -> Float[Tensor, " half"]:
    """Llama 3.1's scaling: long waves slow down by ``factor``, short waves stay, a ramp between.

    A wave is long when it turns fewer than ``low_freq_factor`` times within the original context,
    short when it turns more than ``high_freq_factor`` times (facts B3; Meta's ``apply_scaling``).
    """
    turns = scaling.original_max_seq_len * freqs / (2 * torch.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    keep = ((turns - low) / (high - low)).clip(0.0, 1.0)
    return (1 - keep) * freqs / scaling.factor + keep * freqs


def rope_table(
    head_dim: int,
    max_seq_len: int,
    theta: float = 10_000.0,
    scaling: RopeScaling | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> RopeTable:
    """Tables for positions 0 … max_seq_len - 1. Angles are float64, whatever ``dtype`` is stored:
    at position 131,071 a float32 angle is already wrong by thousandths of a radian."""
    positions = torch.arange(max_seq_len, dtype=torch.float64, device="cpu")
    angles = torch.outer(positions, rope_frequencies(head_dim, theta, scaling))
    return RopeTable(angles.cos().to(device, dtype), angles.sin().to(device, dtype))


def table_rows(table: Float[Tensor, "S half"], T: int, positions: Int[Tensor, "*P T"] | None = None):
    """The table's rows for T tokens, with an axis for the heads: (*B T 1 half).

    Without ``positions`` the tokens stand at 0 … T-1. (``positions`` beyond the table are refused
    by indexing itself: reading their maximum here would stall a GPU.)
    """
    if positions is None and len(table) < T:
        raise ValueError(
            f"rope: the table has {len(table)} positions, x needs {T}; "
            f"build it with rope_table(max_seq_len >= {T})"
        )
    rows = table[:T] if positions is None else table[positions]
    return rows[..., None, :]


def apply_rope(
    x: Float[Tensor, "*B T N H"],
    cos: Float[Tensor, "S half"],
    sin: Float[Tensor, "S half"],
    positions: Int[Tensor, "*P T"] | None = None,
) -> Float[Tensor, "*B T N H"]:
    """Rotate each pair (x[2i], x[2i+1]) by its position's angle (RoFormer eq. 34; Meta's pairing).

    Computed in the table's dtype and cast back to that of x, as Meta does with a float32 table.
    """
    cos, sin = (table_rows(t, x.shape[-3], positions) for t in (cos, sin))
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2).to(x.dtype)


def pair_order(head_dim: int, layout: str) -> list[int]:
    """Where each of Meta's coordinates 0, 1, 2, … stands within a head of another layout.

    ``interleaved`` is Meta's own order, ``half`` Hugging Face's (first coordinates, then second
    ones), ``reversed`` Meta's with the two coordinates of each pair exchanged.

    >>> pair_order(6, "half"), pair_order(6, "reversed")
    ([0, 3, 1, 4, 2, 5], [1, 0, 3, 2, 5, 4])
    """
    pairs = range(head_dim // 2)
    orders = {
        "interleaved": [j for i in pairs for j in (2 * i, 2 * i + 1)],
        "half": [j for i in pairs for j in (i, i + head_dim // 2)],
        "reversed": [j for i in pairs for j in (2 * i + 1, 2 * i)],
    }
    if layout not in orders:
        raise ValueError(f"rope: no layout {layout!r}; there are {', '.join(orders)}")
    return orders[layout]


def relayout(
    w: Float[Tensor, "NH *D"], n_heads: int, *, source: str = "interleaved", target: str = "interleaved"
) -> Float[Tensor, "NH *D"]:
    """Reorder the rows of wq (n_heads) or wk (n_kv_heads) from one layout to another.

    >>> relayout(torch.arange(8.0), n_heads=1, target="half").tolist()
    [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]
    """
    if len(w) % n_heads:
        raise ValueError(f"rope: {len(w)} rows do not divide into {n_heads} heads; wk has n_kv_heads of them")
    heads = w.reshape(n_heads, len(w) // n_heads, *w.shape[1:])
    out = torch.empty_like(heads)
    out[:, pair_order(heads.shape[1], target)] = heads[:, pair_order(heads.shape[1], source)]
    return out.reshape(w.shape)
