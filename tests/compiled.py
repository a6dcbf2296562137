"""Run by test_llama.py in a process of its own, where no type checker stands between torch and the model.

python tests/compiled.py inductor
"""

import sys

import torch
from oracle import shape, sharp_weights

from llamalite.in_torch.llama import Llama, build_table


def main(backend: str) -> None:
    cfg = shape("llama3.1", n_layers=1)
    model = Llama(cfg).double()
    model.load_state_dict({name: torch.tensor(w) for name, w in sharp_weights(cfg).items()})
    tokens = torch.randint(0, cfg.vocab_size, (2, 16), generator=torch.Generator().manual_seed(1))
    table = build_table(cfg, 16, torch.float64)
    dlogits = torch.randn(2, 16, cfg.vocab_size, generator=torch.Generator().manual_seed(2)).double()
    results = []
    for forward in (model, torch.compile(model, backend=backend, fullgraph=True)):
        model.zero_grad()
        logits = forward(tokens, table)
        logits.backward(dlogits)
        results.append((logits.detach(), *(p.grad.clone() for p in model.parameters())))
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=0, atol=1e-10 * eager.abs().max().item())
    print("same logits, same gradients")


if __name__ == "__main__":
    main(sys.argv[1])
