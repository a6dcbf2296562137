"""``llamalite scale``: a budget in, a table of small runs out, and the law that they follow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scale:
    """Train small Llamas of several sizes on several amounts of tales, and fit a scaling law to them.

    Every finished run is a line of OUT/results.csv. Ctrl-C gives up the run at hand; the same command
    goes on with what is missing, and a run that has its line is never made again.

    For example:
      llamalite scale --budget 1e12 --out runs/scale            (about two minutes on one core)
      llamalite scale --budget 2e13 --widths 8 16 32 64 128 --points 6 --out runs/larger
    """

    out: Path
    """Folder of the sweep: results.csv, and how its runs are made."""
    budget: float = 1e12
    """FLOPs to spend on all runs together, six for each parameter and token."""
    widths: tuple[int, ...] = (8, 16, 32, 48, 64)
    """Sizes of the models: how many numbers stand for a token."""
    points: int = 5
    """Amounts of text for each size, each twice the one before; the budget says how long the longest is."""
    seeds: tuple[int, ...] = (1,)
    """Every size and amount once for each: other first weights, other tales."""
    rates: tuple[float, ...] = (1.0,)
    """Factors of the learning rate to try; of each size and amount the best counts."""
    n_layers: int = 2
    """Layers of every model."""
    language: str = "en"
    """Language of the tales."""
    threads: int = 1
    """CPU threads; more than one slows models of this size down."""


LEAST = 2_000  # tokens of the shortest run: about fifteen tales


def run(args: Scale) -> None:
    """Plan, say what it will be, make what is missing, then fit."""
    import torch

    from llamalite.tales.telling import Tales
    from llamalite.text.corpus import DATA
    from llamalite.text.tokenization.tokenizer import load_tokenizer
    from llamalite.train.scaling.sweep import Plan, Shape, sweep
    from llamalite.train.scaling.texts import tale_texts

    tales = Tales(args.language)
    tokenizer = load_tokenizer(DATA / "tokenizers" / ("tales-en" if args.language == "en" else "tales"))
    shape = Shape(tokenizer.vocab_size, n_layers=args.n_layers)
    sizes = [shape.config(width).n_params for width in args.widths]
    plan = Plan(args.widths, amounts(args, sizes), args.seeds, args.rates)
    torch.set_num_threads(args.threads)
    print(
        f"{len(plan.cells())} runs: {min(sizes):,} to {max(sizes):,} parameters, {plan.tokens[0]:,} to "
        f"{plan.tokens[-1]:,} tokens, {plan.flops(shape):.2g} FLOPs in all"
    )
    rows = sweep(plan, shape, lambda tokens, seed: tale_texts(tales, tokenizer, tokens, seed), args.out)
    print(table(rows))
    print(verdict(rows, args.budget))
    print(f"done: {args.out / 'results.csv'}")


def amounts(args: Scale, sizes: list[int]) -> tuple[int, ...]:
    """Doublings of tokens whose runs together cost the budget.

    >>> amounts(Scale(Path("x"), budget=6 * 100 * 7 * 4000, points=3), [100])
    (4000, 8000, 16000)
    """
    if args.points < 1 or not (sizes and args.seeds and args.rates):
        raise ValueError("there is nothing to run; give one width, point, seed and rate at least")
    doublings = 2**args.points - 1
    each = 6 * sum(sizes) * len(args.seeds) * len(args.rates)
    least = int(args.budget / (each * doublings))
    if least < LEAST:
        raise ValueError(
            f"a budget of {args.budget:.2g} FLOPs buys shortest runs of {least:,} tokens, and {LEAST:,} are "
            f"the least that tells anything; give {each * doublings * LEAST:.2g}, or fewer --widths"
        )
    return tuple(least * 2**k for k in range(args.points))


def table(rows) -> str:
    """Losses: a line for each size, a column for each amount of text; the best rate, the mean of seeds."""
    from llamalite.train.scaling.sweep import best

    losses = best(rows)
    tokens = sorted({d for _, d in losses})
    lines = ["parameters" + "".join(f"{f'{d:,} tokens':>20}" for d in tokens)]
    for n in sorted({n for n, _ in losses}):
        lines.append(f"{n:10,}" + "".join(f"{losses[n, d]:20.4f}" for d in tokens))
    return "\n".join(lines)


def verdict(rows, budget: float) -> str:
    from llamalite.train.scaling.fit import fit
    from llamalite.train.scaling.sweep import as_runs

    floor = rows[0].floor
    if len(rows) < 6:
        return f"no law from fewer than six runs; the floor of these tales is {floor:.4f} nats a token"
    law, _ = fit(as_runs(rows))
    more = law.optimum(10 * budget)
    return (
        f"L = {law.E:.3f} + {law.A:.3g} / N^{law.alpha:.3f} + {law.B:.3g} / D^{law.beta:.3f}; "
        f"the floor of these tales is {floor:.4f} nats a token\n"
        f"with ten times the budget in one run this law would take {more.n_params:,.0f} parameters "
        f"and {more.tokens:,.0f} tokens"
    )
