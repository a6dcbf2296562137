"""Every drawing of chapter ``language_model``, with numbers made up for the purpose."""

import numpy as np

from drawings.made_up import LOSSES, TALE
from llamalite.figures import language_model

CURVES = {"long": np.geomspace(4, 0.2, 5), "short": np.geomspace(2, 0.3, 2)}
NATS = {"first": 2.1, "again": 0.5}
DRAWINGS = {
    "bigrams": lambda: language_model.draw_bigrams(np.eye(3), ["a", "b", "c"]),
    "context lengths": lambda: language_model.draw_context_lengths(CURVES, 0.08, chosen=2),
    "surprise": lambda: language_model.draw_surprise(TALE, np.linspace(0, 5, len(TALE))),
    "scores": lambda: language_model.draw_scores({"bigram": 0.6, "Llama": 0.1}, 0.08),
    "mentions": lambda: language_model.draw_mentions({"a": NATS, "b": NATS}, {"first": 2.0, "again": 0.0}),
    "reported": lambda: language_model.draw_reported({"right": 3 - LOSSES["right"]}, 0.2, every=10),
}
EXPLORATIONS = {
    "context length": lambda: language_model.explore_context_length(
        CURVES, 0.08, TALE, np.ones((2, len(TALE)))
    ),
}
