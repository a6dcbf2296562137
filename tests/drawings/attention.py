"""Every drawing of chapter ``attention``, with numbers made up for the purpose."""

import numpy as np

from drawings.made_up import TALE
from llamalite.figures import attention

LOOKS = np.tri(60) / np.arange(1, 61)[:, None] * np.ones((2, 3, 1, 1))
DRAWINGS = {
    "weights": lambda: attention.draw_weights(LOOKS[0, 0, :3, :3], ["a", "$", "c"], "One head"),
    "heads": lambda: attention.draw_heads(LOOKS),
    "look": lambda: attention.draw_look(LOOKS[0], TALE, 50, "From here"),
    "costs": lambda: attention.draw_costs([128, 256], {"a": np.array([1, 4.0])}, np.array([1e6, 4e6])),
}
EXPLORATIONS = {
    "heads": lambda: attention.explore_heads(LOOKS, TALE, 3),
}
