"""The museum of chapter ``parallel``."""

from mutants.mutant import Mutant

EQUAL = "tests/test_parallel.py::test_gradients_losses_and_norm_equal_one_process"

MUTANTS = [
    Mutant(
        "gradients summed instead of averaged",
        "train/parallel/gradients.py",
        "    flat /= dist.get_world_size(group)\n",
        "",
        f"{EQUAL}[2 ranks 0]",
    ),
    Mutant(
        "norm counted twice under tensor parallelism",
        "train/parallel/gradients.py",
        "        n *= math.prod(size for placement, size in sizes if placement.is_replicate())",
        "        n *= math.prod(1 for placement, size in sizes if placement.is_replicate())",
        f"{EQUAL}[2 ranks 2]",
    ),
    Mutant(
        "a ratio of waiting to working called a share",
        "train/parallel/bubbles.py",
        "    return (p - 1) / (v * m + p - 1)",
        "    return (p - 1) / (v * m)",
        "tests/test_bubbles.py::test_the_share_and_the_reports_ratio_are_two_numbers",
    ),
    Mutant(
        "a failure loses nothing",
        "train/parallel/failures.py",
        "            clock, failures = next_failure + restart, failures + 1",
        "            saved += max(0.0, next_failure - clock)\n"
        "            clock, failures = next_failure + restart, failures + 1",
        "tests/test_failures.py::test_the_formula_is_what_dice_give[0.5-0.02-0.2]",
    ),
]
