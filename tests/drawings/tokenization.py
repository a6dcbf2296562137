"""Every drawing of chapter ``tokenization``, with numbers made up for the purpose."""

import numpy as np

from llamalite.figures import tokenization
from llamalite.text.tokenization.bytes import ByteTokenizer

SIZES = (512, 1024, 32_000)
MIXED = ["<s>", "▁안녕", " $x$\t", b"\xec\x95", "<0xEC>", "🦙", "\u0301", "", "\x00", " " * 60, "가" * 99]
STEPS = tokenization.merge_steps("▁low", {"lo": 0, "▁low": 2, "low": 1}.get)
DRAWINGS = {
    "tokens": lambda: tokenization.draw_tokens([("all sorts of $ and \\frac", MIXED), ("nothing", [])]),
    "merges": lambda: tokenization.draw_merges(STEPS, {"lo": 0, "low": 1, "▁low": 2}),
    "byte merges": lambda: tokenization.draw_merges([[b"\xec", b"\x95", b"\x88"], [b"\xec\x95", b"\x88"]]),
    "compression": lambda: tokenization.draw_compression({"Korean": np.array([1, 2, np.nan])}, SIZES),
    "cost": lambda: tokenization.draw_cost(SIZES, *np.arange(15).reshape(5, 3) * 1e6),
    "bits per byte": lambda: tokenization.draw_bits_per_byte(SIZES, {"a": np.eye(3)}, 0.08),
    "digits": lambda: tokenization.draw_digits([1e5, 2e5], {"by one": np.eye(2), "by three": np.eye(2)}),
    "growth": lambda: tokenization.draw_growth({"tied": (10**9, 0, 10**10), "8B": (10**9, 10**9, 10**10)}),
}
EXPLORATIONS = {
    "tokens": lambda: tokenization.explore_tokens({"bytes": ByteTokenizer()}, ["a tale", "옛날"]),
    "merges": lambda: tokenization.explore_merges("옛날 옛날", [(236, 152), (256, 155)], 2),
}
