"""Every drawing of chapter ``rlhf``."""

import numpy as np

from llamalite.figures import rlhf

STRENGTHS = ("significantly better", "better", "slightly better", "negligibly better")
CURVE = {"reward": [0.0, 1.0, 1.4], "true": [0.6, 0.7, 0.5], "kl": [0.0, 3.0, 9.0]}
REWARDS = [
    {"margins": margins, "seed": seed, "accuracy": 0.7,
     "by_strength": {name: [0.9 - 0.1 * i, 40] for i, name in enumerate(STRENGTHS)},
     "calibration": [[0.55, 0.5, 20], [0.75, 0.7, 20], [0.95, 0.9, 20]]}
    for margins, seed in (("", 1), ("small", 1), ("large", 1), ("", 2))
]  # fmt: skip
BEST = [
    {"n": n, "seed": seed, "reward": float(n), "true": 0.6 + 0.1 * n, "by_truth": 0.6 + 0.2 * n}
    for n in (1, 2, 4)
    for seed in (1, 2)
]
P = np.array([0.5, 0.3, 0.19, 0.01])
LEARNED, TRUE = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0, -3.0])
WAY = (np.array([0.0, 1.0]), np.array([0.0, 2.0]))

DRAWINGS = {
    "margins": lambda: rlhf.draw_margins({"alike": 0.0, "better": 1.0}),
    "rewards": lambda: rlhf.draw_rewards(REWARDS),
    "frontier": lambda: rlhf.draw_frontier(
        {"optimum": WAY, "one point": (WAY[0][:1], WAY[1][:1])}, "a title"
    ),
    "best of n": lambda: rlhf.draw_best_of_n(BEST),
    "estimators": lambda: rlhf.draw_estimators([0.1, 1.0], {"k1": np.ones((2, 2)), "k2": np.ones((2, 2))}),
    "clip": lambda: rlhf.draw_clip(0.2),
    "credit": lambda: rlhf.draw_credit(["so", "it", "ends"], P[:3], {"λ = 1": P[:3], "λ = 0": -P[:3]}),
    "hacking": lambda: rlhf.draw_hacking([(0.0, CURVE), (0.5, CURVE), (0.0, CURVE)]),
    "ways": lambda: rlhf.draw_ways({"best of n": (P, P, P), "PPO": (P, LEARNED, TRUE)}, "a title", "truth"),
    "price": lambda: rlhf.draw_price(P, LEARNED, TRUE, 0.5),
}
EXPLORATIONS = {
    "price": lambda: rlhf.explore_price(P, LEARNED, TRUE),
}
