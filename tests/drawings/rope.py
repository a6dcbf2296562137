"""Every drawing of chapter ``rope``, with numbers made up for the purpose."""

from drawings.made_up import LOSSES
from llamalite.config import RopeScaling
from llamalite.figures import rope

DRAWINGS = {
    "clock hands": rope.draw_clock_hands,
    "wavelengths": rope.draw_wavelengths,
    "no scaling": lambda: rope.draw_wavelengths(64, (100.0,), None, 2048),
    "small theta": lambda: rope.draw_wavelengths(128, (1e4, 1e3), RopeScaling(32.0), 131_072),
    "score by distance": rope.draw_score_by_distance,
    "float32 cost": rope.draw_float32_cost,
    "layouts": rope.draw_layouts,
    "loss by position": lambda: rope.draw_loss_by_position(LOSSES),
}
EXPLORATIONS = {name: getattr(rope, name) for name in dir(rope) if name.startswith("explore_")}
