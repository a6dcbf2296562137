"""The museum of chapter ``rmsnorm``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "eps outside the root",
        "in_numpy/rmsnorm.py",
        "1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)",
        "1 / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + eps)",
        "tests/test_rmsnorm.py::test_equals_torchs_own",
    ),
    Mutant(
        "gain multiplied before the cast back",
        "in_torch/rmsnorm.py",
        "return normed.to(x.dtype) * w",
        "return (normed * w).to(x.dtype)",
        "tests/test_rmsnorm.py::test_bfloat16_is_normalised_in_float32_and_gained_in_bfloat16",
    ),
]
