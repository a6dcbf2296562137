"""The museum of chapter ``training``."""

from mutants.mutant import Mutant

TESTS = "tests/test_training.py"
MUTANTS = [
    Mutant(
        "micro-batches that each count as a whole",
        "train/training.py",
        "losses(forward, x, y, s).sum() / targets.numel()",
        "losses(forward, x, y, s).mean()",
        f"{TESTS}::test_accumulation_changes_nothing_but_rounding[2]",
    ),
    Mutant(
        "a mean of means over uneven micro-batches",
        "train/training.py",
        "losses(forward, x, y, s).sum() / targets.numel()",
        "losses(forward, x, y, s).mean() / s.accumulate",
        f"{TESTS}::test_accumulation_changes_nothing_but_rounding[4]",
    ),
    Mutant(
        "a schedule that is off by one",
        "train/schedule.py",
        "return peak * (step + 1) / warmup",
        "return peak * step / warmup",
        f"{TESTS}::test_llama_1s_schedule[0-1.5e-07]",
    ),
    Mutant(
        "decay on the norms",
        "train/training.py",
        '{"params": vectors, "weight_decay": 0.0}',
        '{"params": vectors, "weight_decay": s.weight_decay}',
        f"{TESTS}::test_only_matrices_decay",
    ),
    Mutant(
        "AdamW's epsilon left as PyTorch has it",
        "train/training.py",
        "betas=s.betas, eps=s.eps, fused=True",
        "betas=s.betas, fused=True",
        f"{TESTS}::test_an_epsilon_as_large_as_the_gradient_halves_the_step",
    ),
]
