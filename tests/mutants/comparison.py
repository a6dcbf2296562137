"""The museum of chapter ``comparison``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "perplexities compared across tokenizers: bits a token, called bits a byte",
        "train/comparison/rulers.py",
        "/ math.log(2) / n_bytes",
        "/ math.log(2) / n_tokens",
        "tests/test_comparison.py::"
        "test_whoever_says_that_all_bytes_are_alike_pays_eight_bits_under_every_tokenizer",
    ),
    Mutant(
        "equal steps, called equal compute",
        "train/comparison/rulers.py",
        "budget // (flops_per_token * tokens_a_step)",
        "budget // (2000.0 * tokens_a_step)",
        "tests/test_comparison.py::test_equal_compute_is_not_equal_steps",
    ),
    Mutant(
        "rows with different shots side by side",
        "train/comparison/benchmarks.py",
        "if a.setting != b.setting or (",
        "if (",
        "tests/test_comparison.py::test_each_obstacle_alone_is_enough[setting]",
    ),
    Mutant(
        "the same benchmark out of two programs",
        "train/comparison/benchmarks.py",
        "if a.harness != b.harness:",
        "if False:",
        "tests/test_comparison.py::test_one_model_has_two_scores_and_they_may_not_be_compared",
    ),
    Mutant(
        "one order of the changes taken for the truth",
        "train/comparison/rulers.py",
        "of_first = ((neither - first) + (second - both)) / 2",
        "of_first = neither - first",
        "tests/test_comparison.py::test_changes_that_do_not_meddle_get_what_each_brings_alone",
    ),
    Mutant(
        "an interval that forgets how many were asked",
        "train/comparison/benchmarks.py",
        "(share * (1 - share) / questions) ** 0.5",
        "(share * (1 - share)) ** 0.5",
        "tests/test_comparison.py::test_human_eval_has_164_questions_or_nearly",
    ),
]
