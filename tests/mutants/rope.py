"""The museum of chapter ``rope``."""

from mutants.mutant import LOGITS, Mutant

MUTANTS = [
    Mutant(
        "query and key rows left in Hugging Face's layout",
        "in_torch/rope.py",
        '"half": [j for i in pairs for j in (i, i + head_dim // 2)]',
        '"half": list(range(head_dim))',
        f"{LOGITS}[llama1]",
    ),
    Mutant(
        "RoPE scaling off",
        "in_torch/rope.py",
        "return freqs if scaling is None else scale_frequencies(freqs, scaling)",
        "return freqs",
        f"{LOGITS}[llama3.1]",
    ),
    Mutant(
        "scaling factor 8 hard-coded",
        "in_torch/rope.py",
        "return (1 - keep) * freqs / scaling.factor + keep * freqs",
        "return (1 - keep) * freqs / 8 + keep * freqs",
        f"{LOGITS}[llama3.2]",
    ),
]
