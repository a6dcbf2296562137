"""Every drawing of chapter ``swiglu``, with numbers made up for the purpose."""

import numpy as np

from drawings.made_up import TALE
from llamalite.figures import swiglu

RATES = [{"lr": lr, "bits_per_byte": [0.2, 0.3], "mean": 0.25, "std": 0.07} for lr in (1, 2, 3)]
FAMILY = [{"name": name, "runs": RATES} for name in ("ReLU", "SwiGLU")]
DRAWINGS = {
    "activations": lambda: swiglu.draw_activations({"ReLU": lambda z: np.maximum(z, 0)}),
    "surface": lambda: swiglu.draw_surface(-1.5, 2.0, "ReLU (ReGLU)"),
    "family": lambda: swiglu.draw_family(FAMILY, 0.1),
    "unit": lambda: swiglu.draw_unit(TALE, np.arange(len(TALE)), "One unit"),
}
EXPLORATIONS = {
    "surface": swiglu.explore_surface,
}
