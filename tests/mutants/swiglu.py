"""The museum of chapter ``swiglu``."""

from mutants.mutant import LOGITS, Mutant

MUTANTS = [
    Mutant(
        "gate and up swapped",
        "in_torch/swiglu.py",
        "return self.w_down(F.silu(self.w_gate(x)) * self.w_up(x))",
        "return self.w_down(F.silu(self.w_up(x)) * self.w_gate(x))",
        f"{LOGITS}[llama1]",
    ),
]
