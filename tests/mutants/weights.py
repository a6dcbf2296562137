"""The museum of chapter ``weights``."""

from mutants.mutant import LOGITS, Mutant

MUTANTS = [
    Mutant(
        "keys permuted with n_heads",
        "in_torch/weights/names.py",
        "return cfg.n_kv_heads if name.endswith",
        "return cfg.n_heads if name.endswith",
        f"{LOGITS}[llama3]",
    ),
    Mutant(
        "Llama 3's embedding split as Llama 2's",
        "in_torch/weights/meta.py",
        "embedding_axis = 1 if cfg.rope_theta == OLD_THETA else 0",
        "embedding_axis = 1",
        "tests/test_conversion.py::test_the_embedding_is_split_by_width_until_llama_2_and_by_words_from_llama_3[llama3-0]",
    ),
    Mutant(
        "a file's rows of wq and wk taken as they are",
        "in_torch/weights/hugging_face.py",
        'relayout(found, heads, source="half")',
        "found",
        "tests/test_conversion.py::test_many_files_with_an_index",
    ),
]
