"""Every drawing of chapter ``llama3``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import llama3

GRID = np.array([[1.0, 0.5], [0.0, 0.25]])
RUNS = [
    {"theta": 1e4, "ways": [{"how": how, "before": GRID, "after": GRID} for how in llama3.NAMES]}
    for _ in range(2)
]
ROWS = [
    {
        "name": name,
        "mean": 0.2,
        "n_params": 1000,
        "cache_bytes_per_token": 512,
        "bytes_per_token": 4.0,
        "train_flops_per_token": 1e6,
        "train_tokens": 1e5,
        "runs": [{"bits_per_byte": 0.2, "cpu_seconds": 9.0}],
    }
    for name in ("Llama 2", "Llama 3")
]
WAVES = {how: np.array([1.0, 0.1, 0.001]) / (1 + i) for i, how in enumerate(llama3.NAMES)}
DRAWINGS = {
    "masks": lambda: llama3.draw_masks({"a": np.tri(3), "b": np.eye(3)}, ["x", "y", "z"]),
    "stretched": lambda: llama3.draw_stretched(WAVES, 128, 8.0),
    "recall": lambda: llama3.draw_recall(llama3.mean_found(RUNS, 1e4), [128, 256], [0.0, 1.0], "needles"),
    "by position": lambda: llama3.draw_by_position({"a": [1.0, 2.0], "b": [2.0, 1.0]}, 16, 16, "loss"),
    "switches": lambda: llama3.draw_switches(ROWS, 0.1),
}
EXPLORATIONS = {
    "switches": lambda: llama3.explore_switches(ROWS),
    "reading": lambda: llama3.explore_reading(["llama3.1-8b", "llama2-7b"], [2048, 8192]),
}
