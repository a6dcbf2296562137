"""``llamalite plot``: runs' folders in, a picture of how they learnt out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Plot:
    """Draw how runs have learnt: loss against tokens, and the score on held-out text.

    Where a run was trained on tales, a dotted line says how low any model could get.

    For example:
      llamalite plot runs/first
      llamalite plot runs/first runs/second --out comparison.svg
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    """Folders that `llamalite train --out` made; a run may still be going on."""
    out: Path = Path("loss.png")
    """The picture; its ending says the format: png, svg or pdf."""


FORMATS = (".png", ".svg", ".pdf")


def run(args: Plot) -> None:
    from llamalite.figures.training import draw_runs
    from llamalite.train.metrics import read_metrics
    from llamalite.train.runs import read_json

    if args.out.suffix.lower() not in FORMATS:
        raise ValueError(f"{args.out} is no picture that can be drawn; let it end in {', '.join(FORMATS)}")
    if not args.runs:
        raise ValueError("there is nothing to draw; name one run's folder at least")
    rows, floors = {}, {}
    for folder in args.runs:
        floors[str(folder)] = read_json(folder / "train.json").get("floor_bits_per_byte")
        rows[str(folder)] = read_metrics(folder / "metrics.jsonl")
        if not rows[str(folder)]:
            raise ValueError(f"{folder} has made no step yet; draw it when it has")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw_runs(rows, floors).savefig(args.out)
    for name, found in rows.items():
        print(f"{name}: {summary(found, floors[name])}")
    print(f"drawn: {args.out}")


def summary(rows: list[dict], floor: float | None) -> str:
    """
    >>> summary([{"step": 1, "tokens": 64, "loss": 2.0}], None)
    '1 steps, 64 tokens, loss 2.000'
    """
    last = rows[-1]
    said = f"{last['step']:,} steps, {last['tokens']:,} tokens, loss {last['loss']:.3f}"
    scores = [row["val_bits_per_byte"] for row in rows if "val_bits_per_byte" in row]
    said += f", held out {scores[-1]:.3f} bits/byte" if scores else ""
    return said + (f" (floor {floor:.3f})" if floor is not None else "")
