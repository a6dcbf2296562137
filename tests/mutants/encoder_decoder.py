"""The museum of chapter ``encoder_decoder``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "cross-attention reads the decoder's own keys",
        "in_torch/encoder_decoder.py",
        "self.cross_attention(self.cross_norm(h), k, v, read_mask)",
        "self.cross_attention(self.cross_norm(h), *self.cross_attention.keys_values(self.cross_norm(h)), "
        "read_mask[..., :1].expand(-1, -1, h.shape[1]))",
        "tests/test_encoder_decoder.py::"
        "test_the_answer_depends_on_all_of_the_source_and_on_nothing_of_its_own_future",
    ),
    Mutant(
        "a decoder without its mask",
        "in_torch/encoder_decoder.py",
        "table, positions, None, cache, int(i))",
        "table, positions, torch.ones(tokens.shape[1], past + tokens.shape[1]).bool(), cache, int(i))",
        "tests/test_encoder_decoder.py::"
        "test_the_answer_depends_on_all_of_the_source_and_on_nothing_of_its_own_future",
    ),
]
