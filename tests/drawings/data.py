"""Every drawing of chapter ``data``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import data
from llamalite.text.data.funnel import Funnel

STUDY = {
    "stages": [
        {"name": name, "runs": [{"fresh": 0.8}, {"fresh": 0.9}], "scores": {"fresh": {"mean": 0.85}}}
        for name in ("raw", "rules", "quality", "the truth")
    ],
    "mixes": [
        {"shares": {"en": 1 - share, "code": share}, "runs": [{"en": 0.8 + share, "code": 3 - share}]}
        for share in (0.0, 0.5)
    ],
}
SCORES = np.array([0.1, 0.9, 0.7, 0.2])
FAULTY = np.array([False, True, True, False])
DRAWINGS = {
    "mixes": lambda: data.draw_mixes({"A": {"web": 0.95, "code": 0.05}, "B": {}}),
    "epochs": lambda: data.draw_epochs({"web": (0.9, 1.1), "books": (0.1, 2.2)}),
    "funnel": lambda: data.draw_funnel(Funnel(9, 5, 90, 50, {"copy": 3, "rule: symbols": 1}, {})),
    "estimates": lambda: data.draw_estimates(np.array([0.1, 0.8]), np.array([0.2, 0.7]), 128),
    "curves": lambda: data.draw_curves([4, 8], 128, {8: ([0.5, 0.9], [0.1, 1.0])}),
    "eaten": lambda: data.draw_eaten({"symbols": {"en": 0.0, "ko": 1.0}, "braces": {"en": 0.001, "ko": 0.2}}),
    "scores": lambda: data.draw_scores({"rules": (1.0, 0.5), "copies": (0.9, 1.0)}),
    "stages": lambda: data.draw_stages(STUDY),
    "shares": lambda: data.draw_shares(STUDY, "code"),
    "threshold": lambda: data.draw_threshold("copies", SCORES, FAULTY, 0.5),
}
EXPLORATIONS = {
    "threshold": lambda: data.explore_threshold({"copies": (SCORES, FAULTY)}),
}
