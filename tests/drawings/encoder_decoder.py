"""Every drawing of chapter ``encoder_decoder``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import encoder_decoder

MOVES = {
    "one": encoder_decoder.Influence(np.eye(3), ["a", "$", "c"], encoder_decoder.readable("리 본 x").split())
}
DRAWINGS = {
    "masks": lambda: encoder_decoder.draw_masks({"a": np.eye(3) > 0, "b": np.ones((2, 3)) > 0}),
    "influence": lambda: encoder_decoder.draw_influence(MOVES["one"], 1, "What moves what"),
    "learning": lambda: encoder_decoder.draw_learning({"a": np.geomspace(7, 1, 30).tolist()}),
    "rereading": lambda: encoder_decoder.draw_rereading([1, 2], {"again": [3, 9], "once": [3, 6]}),
}
EXPLORATIONS = {
    "influence": lambda: encoder_decoder.explore_influence(MOVES),
}
