"""The museum of chapter ``gqa``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "repeat for repeat_interleave",
        "in_numpy/attention.py",
        "x.reshape(*B, T, n_kv_heads, N // n_kv_heads, H), -4, -2)",
        "x.reshape(*B, T, N // n_kv_heads, n_kv_heads, H).swapaxes(-2, -3), -4, -2)",
        "tests/test_attention.py::test_both_halves_equal_the_loops[3-gqa]",
    ),
    Mutant(
        "heads merged that are no neighbours",
        "in_torch/gqa.py",
        "groups = w.reshape(n_groups, n_heads // n_groups, -1, w.shape[1])",
        "groups = w.reshape(n_heads // n_groups, n_groups, -1, w.shape[1]).transpose(0, 1)",
        "tests/test_gqa.py::test_neighbours_share[2]",
    ),
]
