"""The museum of chapter ``scaling``."""

from mutants.mutant import Mutant

FIT = "train/scaling/fit.py"
LAW = "train/scaling/law.py"
SWEEP = "train/scaling/sweep.py"
ORACLE = "tests/test_scaling.py::test_the_objective_and_its_gradient_are_torchs"
MUTANTS = [
    Mutant(
        "a law fitted in linear space",
        FIT,
        "residual = top + np.log(total) - np.log(runs.losses)",
        "residual = np.exp(top) * total - runs.losses",
        ORACLE,
    ),
    Mutant(
        "E fixed by hand",
        FIT,
        "slopes = [share[0], ",
        "slopes = [0 * share[0], ",
        "tests/test_scaling.py::test_planted_constants_are_found_again",
    ),
    Mutant(
        "squares for Huber's loss",
        FIT,
        "inner = np.clip(residual, -delta, delta)",
        "inner = residual",
        "tests/test_scaling.py::test_a_run_that_failed_does_not_bend_the_law",
    ),
    Mutant(
        "the exponents of size and tokens exchanged",
        LAW,
        "return Optimum(G * work ** (self.beta / total), work ** (self.alpha / total) / G)",
        "return Optimum(G * work ** (self.alpha / total), work ** (self.beta / total) / G)",
        "tests/test_scaling.py::test_the_optimum_is_the_lowest_point_along_equal_compute",
    ),
    Mutant(
        "a run made again because seeds were forgotten",
        SWEEP,
        "return Cell(self.seed, self.dim, self.tokens, self.rate)",
        "return Cell(1, self.dim, self.tokens, self.rate)",
        "tests/test_sweep.py::test_a_run_that_has_its_line_is_never_made_again",
    ),
    Mutant(
        "what stands behind the end of a text is trained on",
        SWEEP,
        "* (targets != NOTHING)",
        "* (targets == targets)",
        "tests/test_sweep.py::test_nothing_behind_the_end_of_a_text_counts",
    ),
    Mutant(
        "the unseen counted instead of weighed",
        "train/scaling/unseen.py",
        "return float((p * total).sum())",
        "return float(total.mean())",
        "tests/test_scaling.py::test_the_unseen_mass_is_what_counting_finds[2.0]",
    ),
]
