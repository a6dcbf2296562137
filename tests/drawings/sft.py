"""Every drawing of chapter ``sft``, with numbers made up for the purpose."""

import numpy as np

from llamalite.align.chat import Message
from llamalite.figures import sft
from llamalite.text.tokenization.bytes import ByteTokenizer

TALK = [
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Hi"),
    Message("user", "Bye"),
    Message("assistant", "So long."),
]
MARKS = {"score": 0.5, "perfect": 0.1, "ended": 0.9, "length": 50.0}
STUDY = {
    "doses": [{"n": n, "sampled": MARKS, "greedy": MARKS} for n in (32, 100) for _ in range(2)],
    "ways": [{"name": name, "sampled": MARKS} for name in ("answers", "no end")],
}
DRAWINGS = {
    "mask": lambda: sft.draw_mask(["<s>", "·a"] * 40, [False, True] * 40, "a title"),
    "dialogue": lambda: sft.draw_dialogue({"llama2": ByteTokenizer()}, TALK, "llama2", 2, True),
    "rows": lambda: sft.draw_rows({"causal": np.tril(np.ones((4, 4), bool)), "none": np.zeros((4, 4), bool)}),
    "doses": lambda: sft.draw_doses(STUDY),
    "ways": lambda: sft.draw_ways(STUDY),
}
EXPLORATIONS = {
    "mask": lambda: sft.explore_mask({"llama2": ByteTokenizer()}, TALK),
}
