"""Every drawing of chapter ``weights``, with numbers made up for the purpose."""

from llamalite.figures import weights

DRAWINGS = {
    "rows": lambda: weights.draw_rows(8),
    "wrong loads": lambda: weights.draw_loss_by_position(
        {"right": [3.0, 1.0], "wrong": [3.0, 2.0]}, window=2
    ),
    "errors": lambda: weights.draw_errors(
        [1, 100], {"right": [0.0, 1e-6], "wrong": [0.1, 0.3]}, [1e-4, 1e-3]
    ),
    "cuts": lambda: weights.draw_cuts("llama2-70b"),
    "cuts in files of one's own": lambda: weights.draw_cuts("llama3.2-1b", 4),
}
EXPLORATIONS = {
    "cuts of a file": lambda: weights.explore_cuts(["llama2-13b"]),
}
