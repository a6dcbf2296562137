"""Every drawing of chapter ``training``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import training

STEPS_MADE = [{"tokens": 64 * i, "loss": 3 / i, "spike": int(i == 2)} for i in range(1, 5)]
SCORED = [row | {"val_bits_per_byte": row["loss"] / 2} for row in STEPS_MADE]
SEEDS = [{"bits_per_byte": 0.3, "curve": [2.0, 1.0]}, {"bits_per_byte": None, "curve": [2.0]}]
SURFACE = {
    "settings": {"tokens": 640, "points": 2, "seq_len": 64},
    "runs": [{"batch_size": b, "lr": lr, "seeds": SEEDS[:b]} for b in (1, 2) for lr in (0.1, 0.2, 0.3)],
}
DRAWINGS = {
    "runs": lambda: training.draw_runs({"a": SCORED, "b": STEPS_MADE}, {"a": 0.1, "b": None}),
    "schedules": lambda: training.draw_schedules({"a": np.ones(9), "b": np.arange(9)}, "Two schedules"),
    "paths": lambda: training.draw_paths(lambda x, y: x**2 + y**2, {"a": np.eye(2)}, "A path"),
    "stuck": lambda: training.draw_stuck({"float32": np.arange(3)}, "A weight"),
    "loss surface": lambda: training.draw_surface(SURFACE, 1, 0.2),
}
EXPLORATIONS = {
    "loss surface": lambda: training.explore_surface(SURFACE),
}
