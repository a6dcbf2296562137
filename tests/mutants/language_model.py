"""The museum of chapter ``language_model``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "a step that is not told costs nothing",
        "tales/parsing.py",
        "total += math.log(step.probability if step.name in told else 1 - step.probability)",
        "total += math.log(step.probability) if step.name in told else 0",
        "tests/test_telling.py::test_the_probabilities_of_all_choices_sum_to_one",
    ),
    Mutant(
        "the judge forgets how many there were",
        "tales/judging.py",
        "yield name, not any(word.start in wrong_at for word in mentions)",
        "yield name, True",
        "tests/test_judging.py::test_what_is_not_kept_is_seen[count-others1]",
    ),
    Mutant(
        "loss averaged over padding",
        "in_numpy/language_model.py",
        "np.where(mask, loss, 0).sum() / mask.sum()",
        "np.where(mask, loss, 0).mean()",
        "tests/test_language_model.py::test_padding_has_no_say",
    ),
]
