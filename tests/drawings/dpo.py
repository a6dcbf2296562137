"""Every drawing of chapter ``dpo``."""

import numpy as np

from llamalite.figures import dpo

CURVE = {"chosen": [0.0, -1.0, -1.5], "rejected": [0.0, -2.0, -4.0]}
FRONTIER = (np.array([0.0, 1.0, 2.0]), np.array([2.0, 3.0, 3.5]))
RUNS = {beta: {"curve": CURVE, "kl": 1 / beta, "worth": 2 + beta} for beta in (0.5, 1.0, 2.0)}
WINS = [{"rate": 0.6 + 0.01 * k, "low": 0.55, "high": 0.66} for k in range(3)]
STAGES = {name: [{"sampled": {"win": w}, "greedy": {"win": w}} for w in WINS] for name in ("RS", "DPO")}
BETAS = [
    {"beta": beta, "nll": nll, "curve": CURVE, "sampled": {"kl": 0.5 / beta, "score": 0.7 + 0.01 * beta}}
    for beta in (0.02, 0.1, 2.0)
    for nll in (("none", "sum", "mean") if beta == 0.1 else ("none", "sum"))
]
THETAS = np.linspace(0, 1, 5)
SHARES = np.stack([1 - THETAS, THETAS / 2, THETAS / 2], axis=1)

DRAWINGS = {
    "pull": lambda: dpo.draw_pull((0.1, 1.0)),
    "displacement": lambda: dpo.draw_displacement(THETAS, SHARES, 1 - THETAS),
    "moves": lambda: dpo.draw_moves({"β = 0.1": CURVE, "β = 1": CURVE}, "a title"),
    "plane": lambda: dpo.draw_plane(
        FRONTIER, {"DPO": [(1.0, 2.5), (1.5, 2.6)], "PPO": [(2.0, 3.0)]}, "a title", "worth"
    ),
    "beta": lambda: dpo.draw_beta(RUNS, FRONTIER, 1.0),
    "noise": lambda: dpo.draw_noise({"win": {0.0: [0.6, 0.5], 0.4: [0.5]}}, "a title", {"win": "win rate"}),
    "stages": lambda: dpo.draw_stages(STAGES, {"SFT, colder": [{"win": w} for w in WINS]}),
    "betas": lambda: dpo.draw_betas(BETAS),
}
EXPLORATIONS = {
    "beta": lambda: dpo.explore_beta(RUNS, FRONTIER),
}
