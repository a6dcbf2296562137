"""Settings for longer runs, by name: ``llamalite train --recipe NAME``. What is said beside it wins.

Learning rate, warm-up, steps and context of both are those that llama2.c's models of these shapes were
trained with, as far as they are known (facts A6); batch sizes are ours. Times are computed, not measured:
FLOPs over a share of the device's peak. Neither recipe has been run yet by us: there was no GPU.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, NamedTuple


class Recipe(NamedTuple):
    settings: dict[str, Any]  # of ``Train``
    published_loss: float  # nats a token on TinyStories with Meta's 32,000 pieces (llama2.c; facts A6)


COMMON = {"lr": 5e-4, "warmup": 1000, "steps": 100_000, "eval_every": 2000, "save_every": 2000}
RECIPES = {
    "stories-15m": Recipe(
        COMMON | {"preset": "stories-15m", "vocab_size": 4096, "seq_len": 256, "batch_size": 128}, 1.072
    ),
    "stories-110m": Recipe(
        COMMON | {"preset": "stories-110m", "vocab_size": 4096, "seq_len": 1024, "batch_size": 128}
        | {"accumulate": 4}, 0.760
    ),
}  # fmt: skip


def find_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}"
        raise ValueError(f"there is no recipe {name!r}; {hint}")
    return RECIPES[name]


def filled(args: Any) -> Any:
    """The settings of the recipe that ``args`` name, for the folder that they name."""
    return type(args)(out=Path(args.out), recipe=args.recipe, **find_recipe(args.recipe).settings)


def expected(name: str, flops: float, peak: float | None) -> str:
    """What to expect of a recipe whose whole training is so many FLOPs.

    >>> expected("stories-15m", 3.6e17, 989e12).splitlines()[1]
    'about 20 minutes at 30% of this device (computed, not measured)'
    """
    loss = find_recipe(name).published_loss
    said = (
        f"{name}: {flops:.1e} FLOPs; a model of this shape reached {loss} nats a token on TinyStories with "
        f"Meta's tokenizer (llama2.c); other texts and tokenizers end elsewhere"
    )
    if peak is None:
        return f"{said}\nthis device's peak is not known, so neither is the time; on a laptop it is weeks"
    minutes = flops / (0.3 * peak) / 60
    return f"{said}\nabout {minutes:.0f} minutes at 30% of this device (computed, not measured)"
