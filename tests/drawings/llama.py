"""Every drawing of chapter ``llama``, with numbers made up for the purpose."""

import numpy as np

from llamalite.config import preset
from llamalite.figures import llama

DRAWINGS = {
    "training": lambda: llama.draw_training(np.geomspace(7, 1, 60).tolist(), 0.5),
    "apart": lambda: llama.draw_apart({"float64": np.array([0, 1e-15]), "float32": np.full(2, 1e-6)}, 1e-9),
    "start": lambda: llama.draw_start({"divided": np.ones(5), "wrong": np.ones(5), "not": np.arange(5)}),
    "parameters": lambda: llama.draw_parameters(preset("llama3.2-1b"), "llama3.2-1b", 8192),
}
EXPLORATIONS = {
    "parameters": llama.explore_parameters,
}
