"""Beam search: write several answers at once and keep the likeliest.

It knows any function that maps the beginnings of answers to the log-probabilities of what follows. Every
step reads all beginnings anew: a cache would have to be reordered with them, which is left out here.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Step = Callable[[Int[Tensor, "W T"]], Float[Tensor, "W V"]]


@torch.no_grad()
def beam_search(
    step: Step, begin: int, end: int, width: int, max_len: int, length_power: float = 0.0
) -> list[int]:
    """The likeliest answer found, without ``begin`` and ``end``; ``width`` 1 is greedy.

    ``step`` maps beginnings (W, T), whose first token is ``begin``, to log-probabilities (W, V). Answers
    compete by log-probability over length to the ``length_power`` (0: whole answers as they are, which
    favours short ones; Wu et al. 2016, arXiv:1609.08144, use a similar penalty).
    """
    if width < 1 or max_len < 1:
        raise ValueError(f"beam_search: width is {width} and max_len {max_len}; both must be at least 1")
    beams, scores = torch.tensor([[begin]]), torch.zeros(1)
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, max_len + 1):
        totals = scores[:, None] + step(beams)
        best, places = totals.flatten().topk(min(width, totals.numel()))
        rows, tokens = places // totals.shape[1], places % totals.shape[1]
        beams = torch.cat([beams[rows], tokens[:, None]], dim=1)
        for score, beam in zip(best[tokens == end].tolist(), beams[tokens == end].tolist(), strict=True):
            finished.append((score / length**length_power, beam[1:-1]))
        beams, scores = beams[tokens != end], best[tokens != end]
        if not len(beams) or (length_power == 0 and finished and max(finished)[0] >= scores.max()):
            break  # without a bonus for length nothing unfinished can still overtake
    open_ones = [
        (s / max_len**length_power, b[1:]) for s, b in zip(scores.tolist(), beams.tolist(), strict=True)
    ]
    return max(finished or open_ones)[1]
