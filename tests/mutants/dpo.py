"""The museum of chapter ``dpo``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "the direction of beta",
        "align/dpo.py",
        "return beta * ((chosen",
        "return 1 / beta * ((chosen",
        "tests/test_dpo.py::test_the_loss_by_hand",
    ),
    Mutant(
        "chosen and rejected exchanged",
        "align/dpo.py",
        "((chosen - chosen_reference) - (rejected - rejected_reference))",
        "((rejected - rejected_reference) - (chosen - chosen_reference))",
        "tests/test_dpo.py::test_dpo_finds_the_optimum_of_the_bandit_without_seeing_a_reward",
    ),
    Mutant(
        "means of log-probabilities for sums",
        "align/dpo.py",
        ".clamp(min=1) if average else total",
        ".clamp(min=1)",
        "tests/test_dpo.py::test_sums_means_and_the_end_left_out",
    ),
    Mutant(
        "the reference is asked in train mode",
        "align/dpo.py",
        "forward = forward_of(model.eval())",
        "forward = forward_of(model.train())",
        "tests/test_dpo.py::test_the_reference_is_asked_in_eval_mode",
    ),
]
