"""Every drawing of chapter ``rmsnorm``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import rmsnorm

GRADIENTS = {2: {"pre": np.array([2, 1]), "post": np.array([1, 2]), "none": np.array([np.nan, 1])}}
CELL = {"depth": 2, "lr": 0.1}
MAPS = [
    {"name": name, "runs": [CELL | {"losses": losses}]} for name, losses in (("a", [1, 3]), ("b", [None, 1]))
]
DRAWINGS = {
    "points": lambda: rmsnorm.draw_points(np.eye(2), {"RMSNorm": 2 * np.eye(2), "LayerNorm": -np.eye(2)}),
    "stream": lambda: rmsnorm.draw_stream({"pre": np.ones(4), "none": np.array([1, 9e9, np.inf, np.nan])}),
    "gradients": lambda: rmsnorm.draw_gradients(GRADIENTS[2], "Two blocks"),
    "trainability": lambda: rmsnorm.draw_trainability(MAPS, "Depth against learning rate"),
    "gains": lambda: rmsnorm.draw_gains({"layers.0.ffn_norm": np.ones(5), "norm": np.arange(5)}, "Gains"),
}
EXPLORATIONS = {
    "depth": lambda: rmsnorm.explore_depth(GRADIENTS | {4: GRADIENTS[2]}),
}
