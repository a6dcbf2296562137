"""Every drawing of chapter ``generation``, with numbers made up for the purpose."""

import numpy as np
import torch

from llamalite.figures import generation

HALVES = np.array([0.5, 0.25, 0.125, 0.125])
DRAWINGS = {
    "choices": lambda: generation.draw_choices(
        {"a": HALVES, "b": np.eye(4)[1]}, [" a", "$", "\n", ""], "Next"
    ),
    "quality": lambda: generation.draw_quality([0.5, 1.0], {"all": [1.0, 0.5]}, {"all": [0.1, 0.3]}),
    "generation rereading": lambda: generation.draw_rereading({"again": [1, 2], "once": [1, 1]}),
    "batches": lambda: generation.draw_batches([1, 2, 4], [10.0, 19.0, 35.0], [0.1, 0.105, 0.114], 0.05),
}
EXPLORATIONS = {
    "next token": lambda: generation.explore_choice({"A": torch.arange(4.0)}, ["a", "b", "c", "d"]),
}
