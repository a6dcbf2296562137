"""Every drawing of chapter ``scaling``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import scaling
from llamalite.train.scaling.fit import Runs
from llamalite.train.scaling.isoflop import profile
from llamalite.train.scaling.law import PUBLISHED, Law

LAW = Law(0.21, 80.0, 900.0, 0.55, 0.6)
N, D = (part.ravel() for part in np.meshgrid(np.geomspace(5e3, 3e5, 5), 2.0 ** np.arange(15, 21)))
RUNS = Runs(N, D, LAW.loss(N, D))
ROLL = {"exponent": 2.0, "calls": [1, 2], "measured": [2.0, 1.0], "never": [1.0, 0.5], "often": [1.5, 1.0]}
DRAWINGS = {
    "runs": lambda: scaling.draw_runs(RUNS, 0.2, LAW),
    "runs alone": lambda: scaling.draw_runs(RUNS, 0.2),
    "residuals": lambda: scaling.draw_residuals(RUNS, {"one": LAW, "other": LAW._replace(E=0.0)}),
    "profiles": lambda: scaling.draw_profiles([profile(RUNS, 2e10), profile(RUNS, 4e10)], "Equal compute"),
    "unseen": lambda: scaling.draw_unseen([ROLL | {"times": 3}, ROLL | {"times": 4}]),
    "long": lambda: scaling.draw_long(RUNS, 0.2, 1e5, N[0]),
    "advice": lambda: scaling.draw_advice(PUBLISHED, {"a model": (1e22, 30.0)}),
    "intervals": lambda: scaling.draw_intervals({"E": np.arange(99.0), "alpha": np.arange(50.0)}, {"E": 3.0}),
}
EXPLORATIONS = {
    "bill": lambda: scaling.explore_bill(8e9, 15e12),
    "budget": lambda: scaling.explore_budget(PUBLISHED["epoch"], {"a model": (1e10, 1e13)}),
}
