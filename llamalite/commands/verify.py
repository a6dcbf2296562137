"""``llamalite verify``: is this folder a Llama, and do others read it as we do?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from torch import Tensor

    from llamalite.in_torch.weights.folders import Weights

T = 48  # tokens in a row that are compared


@dataclass(frozen=True)
class Verify:
    """Check a folder of weights: complete, finite, and read by transformers as it is read here.

    What the config of Meta's format means is decided here, before transformers sees it; whether a base or a
    scaling is the one that these weights were trained with, nothing here can tell.

    Logits are compared at the beginning, across the edge of the context that RoPE was made for, at the far
    end, and for tokens spread over all of it: only long distances show a wrong scaling. For example:
      llamalite verify Llama3.2-1B
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Folder in Meta's format or in Hugging Face's."""


class NotEqual(Exception):
    """The model was read, and something about it is wrong."""

    exit_code = 1


def run(args: Verify) -> None:
    from llamalite.in_torch.weights.conversion import open_weights

    weights = open_weights(args.folder)
    cfg = weights.cfg
    print(f"{weights.format}: {cfg.n_params:,} parameters, every weight there and of its shape")
    check_finite(weights, args.folder)
    print("every number finite")
    try:
        import transformers
    except ImportError:
        print("logits not compared: `pip install transformers`, and verify again")
        return
    wrong = False
    print(f"{'positions':>20}  largest difference of logits, beside transformers {transformers.__version__}")
    for positions, error in differences(weights, args.folder):
        first, last = int(positions[0]), int(positions[-1])
        verdict = "equal" if error < tolerance(last) else "NOT EQUAL"
        wrong |= verdict != "equal"
        print(f"{f'{first:,}–{last:,}':>20}  {error:.1e} of the largest: {verdict}")
    if wrong:
        raise NotEqual(
            f"{args.folder} is read differently by transformers; do not trust either before you know why"
        )


def tolerance(position: int) -> float:
    """How far float32 logits may be apart, relative to the largest: RoPE's angles are as large as the
    position, and so rounded to a part of it, by transformers in float32. Wrong weights are off at 0 already.
    A rule of thumb: how far an angle moves a logit is the weights' affair.
    """
    return 1e-4 + position * 2**-24


def check_finite(weights: Weights, folder: Path) -> None:
    for name in weights.cfg.param_shapes():
        if not bool(weights.read(name).isfinite().all()):
            raise NotEqual(f"{folder}: {name} holds nan or inf; fetch its file again")


def differences(weights: Weights, folder: Path) -> Iterator[tuple[Tensor, float]]:
    """Positions of random tokens, and how far the logits are apart, relative to the largest."""
    import torch

    from llamalite.in_torch.llama import build_table
    from llamalite.in_torch.weights.conversion import convert, fill

    cfg = weights.cfg
    ours = fill(weights, "cpu", torch.float32)
    table = build_table(cfg, max(cfg.max_seq_len, 2 * T))
    with TemporaryDirectory() as temporary:
        if weights.format != "hugging-face":
            folder = Path(temporary) / "same"
            convert(weights, folder, "hugging-face")
        theirs = load_theirs(folder)
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(0, cfg.vocab_size, (1, T), generator=generator)
        edge = cfg.rope_scaling.original_max_seq_len if cfg.rope_scaling else cfg.max_seq_len // 2
        starts = sorted({0, max(edge - T // 2, 0), max(cfg.max_seq_len - T, 0)})
        rows = [torch.arange(start, start + T) for start in starts]
        rows.append(torch.linspace(0, max(cfg.max_seq_len, 2 * T) - 1, T).long())
        for positions in rows:
            with torch.no_grad():
                a = ours(tokens, table, positions)
                # With a mask, or gaps between positions would pass for the ends of documents.
                mask = torch.ones_like(tokens)
                b = theirs(tokens, attention_mask=mask, position_ids=positions[None]).logits
            yield positions, relative(a, b)


def load_theirs(folder: Path) -> Any:
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())
