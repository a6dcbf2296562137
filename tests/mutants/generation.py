"""The museum of chapter ``generation``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "cache position off by one",
        "in_torch/llama.py",
        "torch.arange(past, past + tokens.shape[1]",
        "torch.arange(past - 1, past - 1 + tokens.shape[1]",
        "tests/test_llama.py::test_cache_equals_no_cache_in_both_halves[llama1]",
    ),
    Mutant(
        "top_k=1 that samples",
        "in_torch/sampling.py",
        "if 0 < top_k < probs.shape[-1]:",
        "if 1 < top_k < probs.shape[-1]:",
        "tests/test_sampling.py::test_top_k_of_one_is_the_likeliest_of_equals_the_first",
    ),
    Mutant(
        "left padding that shifts the positions",
        "in_torch/generation.py",
        "return (queries - pads[:, None]).clamp(min=0), mask",
        "return queries.expand(len(pads), -1), mask",
        "tests/test_generation.py::test_rows_count_their_own_positions_and_see_their_own_tokens",
    ),
    Mutant(
        "padding that is looked at",
        "in_torch/generation.py",
        "mask = (places <= queries[:, None]) & (places >= pads[:, None, None])",
        "mask = (places <= queries[:, None]) & (places >= 0 * pads[:, None, None])",
        "tests/test_generation.py::test_a_batch_of_unequal_prompts_is_each_of_them_alone[llama1-True]",
    ),
    Mutant(
        "a stop string that is cut in two is missed",
        "text/stopping.py",
        "free = len(held) - longest_beginning(held, stops)",
        "free = len(held)",
        "tests/test_stopping.py::test_a_stream_ends_where_the_finished_text_would_be_cut",
    ),
]
