"""Every drawing of chapter ``comparison``, with numbers made up for the purpose."""

from llamalite.figures import comparison
from llamalite.train.comparison.published import LLAMA_2_PAPER, LLAMA_3_CARD


def row(name, *scores, **more):
    runs = [{"bits_per_byte": score} for score in scores]
    return {"name": name, "mean": sum(scores) / len(scores), "runs": runs} | more


GROUPS = {"one": [row("a", 0.2, 0.3), row("b", 0.1, 0.2)], "two": [row("c", 0.4, 0.3)]}
TOKENS = [
    row(f"{shape} on {n}", 1 / n + 0.1, shape=shape, train_tokens=1000 * n, tokens_of=f"Llama {i}")
    for shape in ("Llama 1", "Llama 3")
    for i, n in enumerate((1, 3, 9), start=1)
]
DRAWINGS = {
    "compute": lambda: comparison.draw_compute([LLAMA_2_PAPER, LLAMA_3_CARD], "MMLU"),
    "changes": lambda: comparison.draw_changes(GROUPS),
    "tokens": lambda: comparison.draw_tokens(TOKENS, 0.07),
    "rulers": lambda: comparison.draw_rulers({"a": (1.4, 0.2), "b": (1.6, 0.1)}),
    "shares": lambda: comparison.draw_shares(
        {"one way": {"x": 0.4, "y": 0.6}, "other": {"x": 0.2, "y": 0.8}}
    ),
    "benchmark": lambda: comparison.draw_benchmark("HumanEval", "llama2-13b"),
    "benchmark without the model": lambda: comparison.draw_benchmark("DROP", "llama1-7b"),
}
EXPLORATIONS = {
    "benchmarks": lambda: comparison.explore_benchmarks(["ARC-c", "MMLU"], ["llama2-70b", "llama3-8b"]),
}
