"""Every drawing of chapter ``rlhf``, with a record of the form that ``tools/study_align_parts.py`` writes."""

import numpy as np

from llamalite.figures import rlhf

STRENGTHS = ("significantly better", "better", "slightly better", "negligibly better")
CURVE = {
    "reward": [0.0, 0.5, 1.0, 1.2, 1.4],
    "judge": [0.6, 0.7, 0.7, 0.65, 0.5],
    "kl": [0.0, 1.0, 3.0, 6.0, 9.0],
}
STUDY = {
    "rewards": [
        {"margins": margins, "seed": seed, "accuracy": 0.7,
         "by_strength": {name: [0.9 - 0.1 * i, 40] for i, name in enumerate(STRENGTHS)},
         "calibration": [[0.55, 0.5, 20], [0.75, 0.7, 20], [0.95, 0.9, 20]]}
        for margins, seed in (("", 1), ("small", 1), ("large", 1), ("", 2))
    ],
    "best_of_n": [
        {"n": n, "seed": seed, "kl": np.log(n) - (n - 1) / n, "reward": np.log(n),
         "judge": 0.6 + 0.1 * np.log(n), "by_judge": 0.6 + 0.2 * np.log(n)}
        for n in (1, 2, 4) for seed in (1, 2)
    ],
    "ppo": [{"kl_price": price, "seed": seed, "curve": CURVE} for price, seed in ((0, 1), (0.5, 1), (0, 2))],
}  # fmt: skip
TABLE = {
    "settings": {"ppo_kl": 0.1},
    "rows": [
        {"name": name, "labels": labels, "seed": 1, "curve": CURVE}
        for name, labels in (("SFT", ""), ("PPO", "reward model"), ("PPO", "judge"))
    ],
}
P = np.array([0.5, 0.3, 0.19, 0.01])
LEARNED, TRUE = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0, -3.0])
WAY = (np.array([0.0, 1.0]), np.array([0.0, 2.0]))

DRAWINGS = {
    "margins": lambda: rlhf.draw_margins({"alike": 0.0, "better": 1.0}),
    "rewards": lambda: rlhf.draw_rewards(STUDY),
    "frontier": lambda: rlhf.draw_frontier(
        {"optimum": WAY, "one point": (WAY[0][:1], WAY[1][:1])}, "a title"
    ),
    "best of n": lambda: rlhf.draw_best_of_n(STUDY),
    "estimators": lambda: rlhf.draw_estimators([0.1, 1.0], {"k1": np.ones((2, 2)), "k2": np.ones((2, 2))}),
    "clip": lambda: rlhf.draw_clip(0.2),
    "credit": lambda: rlhf.draw_credit(["so", "it", "ends"], P[:3], {"λ = 1": P[:3], "λ = 0": -P[:3]}),
    "hacking": lambda: rlhf.draw_hacking(STUDY, TABLE),
    "ways": lambda: rlhf.draw_ways(rlhf.ways_of_study(STUDY, TABLE), "a title", "truth"),
    "price": lambda: rlhf.draw_price(P, LEARNED, TRUE, 0.5),
}
EXPLORATIONS = {
    "price": lambda: rlhf.explore_price(P, LEARNED, TRUE),
}
