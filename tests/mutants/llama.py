"""The museum of chapter ``llama``."""

from mutants.mutant import LOGITS, Mutant

MUTANTS = [
    Mutant(
        "w_up divided at the start in place of w_down",
        "in_torch/llama.py",
        'name.endswith(("wo.weight", "w_down.weight"))',
        'name.endswith(("wo.weight", "w_up.weight"))',
        "tests/test_llama.py::"
        "test_initial_weights_are_the_same_numbers_in_both_halves_and_from_the_meta_device",
    ),
    Mutant(
        "final norm forgotten",
        "in_torch/llama.py",
        "        x = self.norm(x)\n",
        "",
        f"{LOGITS}[llama1]",
    ),
    Mutant(
        "a gradient that forgets repetitions",
        "in_numpy/llama.py",
        "np.add.at(dhead, tokens, dx)",
        "dhead[tokens] += dx",
        "tests/test_llama.py::test_same_logits_and_every_gradient_by_name[llama1]",
    ),
]
