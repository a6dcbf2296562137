"""The museum of chapter ``attention``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "mask after softmax",
        "in_numpy/attention.py",
        "scores = np.where(mask[..., None, None, :, :], scores, -np.inf)\n    weights = softmax(scores)",
        "weights = np.where(mask[..., None, None, :, :], softmax(scores), 0.0)\n"
        "    else:\n        weights = softmax(scores)",
        "tests/test_attention.py::test_a_later_key_never_changes_an_earlier_query",
    ),
    Mutant(
        "softmax over the wrong axis",
        "in_numpy/attention.py",
        "return weights / weights.sum(axis=-1, keepdims=True)",
        "return weights / weights.sum(axis=-2, keepdims=True)",
        "tests/test_attention.py::test_without_a_mask_everyone_is_seen",
    ),
    Mutant(
        "heads merged without a transpose",
        "in_torch/attention.py",
        "return out.transpose(-3, -2)",
        "return out.reshape(*out.shape[:-3], T, N, -1)",
        "tests/test_llama.py::test_same_logits_and_every_gradient_by_name[llama2-gqa]",
    ),
]
