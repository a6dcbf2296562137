"""The museum of chapter ``llama3``."""

from mutants.mutant import Mutant

TOGETHER = "tests/test_llama3.py::test_logits_and_every_gradient_equal_the_documents_one_by_one[llama3]"
MUTANTS = [
    Mutant(
        "attention leaks across packed documents",
        "in_torch/llama3.py",
        "return same & causal_mask(",
        "return (same | True) & causal_mask(",
        TOGETHER,
    ),
    Mutant(
        "a document's first token still belongs to the one before",
        "in_torch/llama3.py",
        "document = begins.cumsum(-1)",
        "document = begins.cumsum(-1) - begins.long()",
        TOGETHER,
    ),
    Mutant(
        "positions do not restart",
        "in_torch/llama3.py",
        "return places - (places * begins).cummax(-1).values",
        "return places.expand(begins.shape).clone()",
        "tests/test_llama3.py::test_positions_and_mask_are_those_that_a_reader_would_count",
    ),
    Mutant(
        "bands counted on the new context instead of the old",
        "in_torch/llama3.py",
        "rope_scaling=RopeScaling(factor, 1.0, 4.0, original)",
        "rope_scaling=RopeScaling(factor, 1.0, 4.0, round(factor * original))",
        "tests/test_llama3.py::test_who_divides_which_wave",
    ),
    Mutant(
        "theta raised by the factor alone",
        "in_torch/llama3.py",
        "cfg.rope_theta * factor ** (head_dim / (head_dim - 2))",
        "cfg.rope_theta * factor",
        "tests/test_llama3.py::test_every_way_to_stretch_has_the_frequencies_of_hugging_face[8.0]",
    ),
]
