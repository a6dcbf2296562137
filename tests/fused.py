"""Run by test_fused_decoding.py in a process of its own, where no type checker is in its way."""

import torch
from oracle import sharp_llama

from llamalite.in_torch.fused_decoding import FusedDecoder
from llamalite.in_torch.llama import build_cache


def main() -> None:
    model = sharp_llama("llama3", n_layers=1).bfloat16().double()
    tokens = torch.randint(0, model.cfg.vocab_size, (1, 40), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = model(tokens)
    fused = FusedDecoder(model)
    assert fused.weights.dtype == torch.bfloat16
    torch._dynamo.config.error_on_recompile = True  # one function for all lengths
    for _ in range(2):
        cache = build_cache(model.cfg, 1, dtype=torch.float64)
        found = [fused(tokens[:, :7], cache=cache)]
        found += [fused(tokens[:, [i]], cache=cache) for i in range(7, 40)]
        torch.testing.assert_close(torch.cat(found, dim=1), expected, rtol=0, atol=1e-11)
    print("same logits")


if __name__ == "__main__":
    main()
