"""What races in ``bench_torch.py``: each way to train or to write, as a function of a unit's number.

Everybody begins with the same weights. Theirs are used as their documentation or any tutorial uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from llamalite.config import preset
from llamalite.in_torch.llama import Llama, build_cache, build_table, init_weights
from llamalite.train.batches import batch

OURS = "ours"
LR, PROMPT = 1e-4, 8


class Race(NamedTuple):
    what: str  # train or decode
    model: str  # a preset
    batch: int  # texts
    length: int  # tokens of each


def tokens_of(race: Race) -> torch.Tensor:
    """What everybody trains on: ids drawn at random."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(preset(race.model).vocab_size, (100_000,), generator=generator)


def drawn(
    ids: torch.Tensor, race: Race, unit: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of a step, as ours draws them."""
    x, y = batch(ids, unit, race.batch, race.length)
    return x.to(device), y.to(device)


def our_training(race: Race, device: torch.device, dtype: torch.dtype, compiled: bool) -> Callable:
    """A step of ``llamalite train``, with what the command sets up round it."""
    from llamalite.train.device import keep_memory
    from llamalite.train.training import Data, Settings, build_adamw, train_step

    keep_memory()
    model = our_model(race).to(device)
    table = build_table(model.cfg, race.length, device=device)
    forward = partial(torch.compile(model) if compiled else model, table=table)
    s = Settings(batch_size=race.batch, seq_len=race.length, lr=LR, warmup=0, device=device, dtype=dtype)
    optimizer = build_adamw(model, s)

    ids = tokens_of(race)
    data = Data(ids, ids, 1)
    return lambda unit: train_step(forward, optimizer, data, unit, s).loss


def their_training(model: nn.Module, race: Race, device: torch.device, half: bool, **adamw: Any) -> Callable:
    """A step as in any tutorial."""
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.1, **adamw)
    ids = tokens_of(race)  # once: nobody's step is timed with the drawing of all

    def step(unit: int) -> float:
        x, y = drawn(ids, race, unit, device)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            out = model(x)
            logits = getattr(out, "logits", out)
            loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def our_model(race: Race) -> Llama:
    return init_weights(Llama(preset(race.model)), seed=1)


def hugging_face(ours: Llama) -> Any:
    import transformers

    from llamalite.in_torch.weights.configs import to_hugging_face_config
    from llamalite.in_torch.weights.names import to_hugging_face

    transformers.utils.logging.set_verbosity_error()
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**to_hugging_face_config(ours.cfg, "float32"))
    )
    theirs.load_state_dict(to_hugging_face(ours.state_dict(), ours.cfg), strict=False)
    return theirs


def usual(race: Race) -> nn.Module:
    from usual_torch_llama import UsualLlama, usual_names

    ours = our_model(race)
    theirs = UsualLlama(ours.cfg)
    state = {usual_names(name): w for name, w in ours.state_dict().items()}
    theirs.load_state_dict(state, strict=not ours.cfg.tied)
    return theirs


def published(race: Race) -> Llama:
    """A model whose weights are bfloat16 numbers in float32, as whoever loads a published Llama has it."""
    model = our_model(race).eval()
    return model.bfloat16().float()


def our_decoding(race: Race, way: Callable[[Llama], Callable]) -> Callable:
    from llamalite.in_torch.generation import generate

    model = published(race)
    cfg, forward = model.cfg, way(model)
    cache = build_cache(cfg, 1)
    return lambda unit: list(
        generate(forward, prompt(unit), race.length, max_seq_len=cfg.max_seq_len, cache=cache, temperature=0)
    )


def their_decoding(race: Race) -> Callable:
    model = hugging_face(published(race)).eval()

    def write(unit: int) -> list[int]:
        ids = torch.tensor([prompt(unit)])
        how = {"max_new_tokens": race.length, "min_new_tokens": race.length, "do_sample": False}
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **how)
        return out[0, len(prompt(unit)) :].tolist()

    return write


def reading(race: Race, dtype: torch.dtype) -> Callable:
    from llamalite.in_torch.decoding import in_one_stretch

    n_bytes = preset(race.model).n_params * dtype.itemsize
    weights = in_one_stretch([torch.ones(n_bytes // 4)])  # summed as float32 whatever they are: it is reading

    def read(unit: int) -> None:
        for _ in range(race.length):
            weights.sum()

    return read


def prompt(unit: int) -> list[int]:
    return torch.randint(3, 500, (PROMPT,), generator=torch.Generator().manual_seed(unit)).tolist()


def build(way: str, race: Race, device: torch.device) -> Callable:
    """The worker called ``way``; on a GPU everybody computes in bfloat16, on a CPU only ours."""
    gpu = device.type == "cuda"
    if race.what == "decode":
        from llamalite.in_torch.decoding import Decoder
        from llamalite.in_torch.fused_decoding import FusedDecoder

        return {
            OURS: lambda: our_decoding(race, FusedDecoder),
            "ours, weights in float32": lambda: our_decoding(
                race, partial(FusedDecoder, dtype=torch.float32)
            ),
            "ours, not compiled": lambda: our_decoding(race, Decoder),
            "ours, the model itself": lambda: our_decoding(
                race, lambda model: partial(model, table=build_table(model.cfg))
            ),
            "Hugging Face": lambda: their_decoding(race),
            "limit: weights read once": lambda: reading(race, torch.bfloat16),
            "limit: float32 weights read once": lambda: reading(race, torch.float32),
        }[way]()
    return {
        OURS: lambda: our_training(race, device, torch.bfloat16, compiled=gpu),
        "ours, eager": lambda: our_training(race, device, torch.bfloat16, compiled=False),
        "ours, float32": lambda: our_training(race, device, torch.float32, compiled=False),
        "Hugging Face": lambda: their_training(hugging_face(our_model(race)), race, device, gpu, fused=True),
        "as usually written": lambda: their_training(usual(race), race, device, gpu),
    }[way]()
