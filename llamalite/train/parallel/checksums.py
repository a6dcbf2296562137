"""Silent data corruption: a bit that flips without an error message, found because copies must be equal.

Data-parallel copies of a model start alike, receive the same mean gradient and take the same step, so
their weights, and what their optimisers remember, agree to the last bit. A checksum of each, a few bytes,
is compared over the ranks; two copies that disagree say that something is wrong, three or more say where.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from llamalite.train.parallel.gradients import local


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the bytes of all tensors that lie on this rank, in the order of their names."""
    digest = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(local(t.detach()).contiguous().view(-1).view(torch.uint8).cpu().numpy().tobytes())
    return digest.hexdigest()


def compare(tensors: Mapping[str, Tensor], group: dist.ProcessGroup | None = None) -> list[int]:
    """Ranks of ``group``, copies of one another, whose tensors differ from what most have; all of them, if
    there is no majority."""
    sums: list[str] = [""] * dist.get_world_size(group)
    dist.all_gather_object(sums, checksum(tensors), group=group)
    return odd_ones(sums)


def odd_ones(sums: Sequence[str]) -> list[int]:
    """
    >>> odd_ones(["a", "b", "a"]), odd_ones(["a", "a"]), odd_ones(["a", "b"])
    ([1], [], [0, 1])
    """
    (most, votes), *_ = Counter(sums).most_common(1)
    if 2 * votes <= len(sums):
        return list(range(len(sums)))
    return [rank for rank, found in enumerate(sums) if found != most]


def flip_bit(t: Tensor, index: int, bit: int) -> None:
    """In place, as a cosmic ray would: bit 0 is the least of the mantissa, the highest is the sign.

    >>> t = torch.tensor([1.0]); flip_bit(t, 0, 31); t.item()
    -1.0
    """
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[t.element_size()]
    top = 8 * t.element_size() - 1
    flat = t.detach().view(-1).view(whole)
    flat[index] ^= torch.tensor(-(1 << top) if bit == top else 1 << bit, dtype=whole)
