"""The learning rate as a pure function of the step."""

import math


def learning_rate(step: int, peak: float, warmup: int, steps: int, floor: float = 0.1) -> float:
    """Linear warm-up over ``warmup`` steps, then a cosine from ``peak`` to ``floor * peak`` (facts A3).

    Steps count from 0. The peak stands at step ``warmup - 1``, the floor at ``steps - 1``.

    >>> [round(learning_rate(step, 1.0, 2, 5), 3) for step in range(5)]
    [0.5, 1.0, 0.775, 0.325, 0.1]
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min((step - warmup + 1) / max(steps - warmup, 1), 1.0)
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
