"""How fast the NumPy half decodes and trains, beside the usual way, PyTorch, and what the machine allows.

    python tools/bench_llama.py                       # stories-15m on one thread, then on two
    python tools/bench_llama.py --threads 1 --rounds 16 --what decode
    python tools/bench_llama.py --what train --keep   # memory that is freed stays with the process
    python tools/bench_llama.py --model llama3-tiny   # another preset

Random weights in float32. All ways do the same work in turn, a little at a time, so that a busy machine
slows all alike; before that they must come to the same logits and losses. Decoding is one sequence, one
token a step, in stretches of 31 steps that go from position 8 to the end of the context.

The usual way is ``tools/usual_llama.py``, which says what that is, with two variations that one meets.

What the machine allows: a decoding step cannot be faster than reading all weights once, measured with a
dot product of one half of them with the other; training not faster than its matrix products (6 FLOPs a
parameter and token, and attention), at the speed of one product of two large
matrices. ``--keep``: Linux's malloc gives large arrays back when they are freed, and each new one is made
of fresh pages; this has it keep them, for all ways alike.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy import ndarray
from study_budget import processor
from usual_llama import UsualLlama

from llamalite.config import LlamaConfig, preset
from llamalite.in_numpy import llama as ours
from llamalite.in_numpy.adamw import adamw, adamw_state
from llamalite.in_numpy.cross_entropy import cross_entropy, cross_entropy_backward
from llamalite.in_torch import llama as theirs
from llamalite.in_torch.cross_entropy import cross_entropy as torch_cross_entropy
from llamalite.train.training import Settings, build_adamw

Way = Callable[..., object]
OURS, PROMPT, STRETCH, LR = "ours", 8, 31, 1e-4


# --- decoding: (tokens, start) -> logits of the last token -------------------------------------------------


class Ours:
    def __init__(self, params: ours.Params, cfg: LlamaConfig):
        self.model, self.cache = ours.as_model(params, cfg), ours.build_cache(cfg, 1, dtype=np.float32)

    def __call__(self, tokens: ndarray, start: int) -> ndarray:
        self.cache.length = start
        return self.model(tokens, cache=self.cache)[:, -1:]


class OursWithoutCache:
    """Reads everything again for each token; the first call, with all tokens, says what there is to read."""

    def __init__(self, params: ours.Params, cfg: LlamaConfig):
        self.model, self.context = ours.as_model(params, cfg), np.zeros((1, 0), dtype=int)

    def __call__(self, tokens: ndarray, start: int) -> ndarray:
        self.context = self.context if start else tokens
        return self.model(self.context[:, : start + tokens.shape[1]])[:, -1:]


class Torch:
    def __init__(self, params: ours.Params, cfg: LlamaConfig):
        self.model, self.cache = torch_model(params, cfg), theirs.build_cache(cfg, 1)
        self.table = theirs.build_table(cfg)

    @torch.inference_mode()
    def __call__(self, tokens: ndarray, start: int) -> ndarray:
        self.cache.length = start
        return self.model(torch.from_numpy(tokens), self.table, cache=self.cache)[:, -1:].numpy()


class Reading:
    """No model: every weight that a step multiplies by is read once."""

    def __init__(self, params: ours.Params, cfg: LlamaConfig):
        used = [w.ravel() for name, w in params.items() if cfg.tied or "tok_embeddings" not in name]
        weights = np.concatenate(used)
        self.halves = np.split(weights[: len(weights) // 2 * 2], 2)
        self.n_bytes = weights.nbytes

    def __call__(self, tokens: ndarray, start: int) -> ndarray:
        return np.dot(*self.halves)


def torch_model(params: ours.Params, cfg: LlamaConfig) -> theirs.Llama:
    model = theirs.Llama(cfg)
    model.load_state_dict({name: torch.tensor(w) for name, w in params.items()})
    return model


def race_to_decode(cfg: LlamaConfig, rounds: int) -> Iterator[str]:
    params = ours.init_weights(cfg, dtype=np.float32)
    models = {
        OURS: Ours(params, cfg),
        "ours, no cache": OursWithoutCache(params, cfg),
        "the usual way": UsualLlama(params, cfg),
        "usual, weights turned over": UsualLlama(params, cfg, turned=True),
        "usual, float64 cache (llama3.np)": UsualLlama(params, cfg, cache_dtype=np.float64),
        "PyTorch eager": Torch(params, cfg),
    }
    tokens = np.random.default_rng(0).integers(0, cfg.vocab_size, (1, cfg.max_seq_len))
    some = slice(PROMPT, PROMPT + 1)
    # Reading all fills the caches: the steps that are timed write the same numbers in the same places.
    agree({name: [model(tokens, 0), model(tokens[:, some], PROMPT)] for name, model in models.items()})
    reading = Reading(params, cfg)
    models["limit: weights read once"] = reading
    starts = range(PROMPT, cfg.max_seq_len - STRETCH + 1, STRETCH)
    found: dict[str, list[float]] = {name: [] for name in models}
    for i in range(rounds):
        start = starts[i % len(starts)]
        for name in ordered(models, i):
            n = 1 if name == "ours, no cache" else STRETCH  # the others' time for one such step is enough
            first = start + (STRETCH - n) // 2
            found[name].append(seconds(stretch, models[name], tokens, first, n) / n)
    yield from rows(f"decode, {reading.n_bytes / 1e6:.1f} MB a token", found, 1)


def stretch(model: Way, tokens: ndarray, first: int, n: int) -> None:
    for at in range(first, first + n):
        model(tokens[:, at : at + 1], at)


# --- training: each way makes a step and says the loss -----------------------------------------------------


class OurTraining:
    def __init__(self, params: ours.Params, cfg: LlamaConfig):
        self.params, self.cfg, self.state = params, cfg, adamw_state(params)
        self.table = ours.build_table(cfg, dtype=np.float32)

    def __call__(self, tokens: ndarray, targets: ndarray) -> float:
        logits, saved = ours.llama(self.params, self.cfg, tokens, self.table)
        losses, saved_loss = cross_entropy(logits, targets)
        del logits
        dloss = np.full_like(losses, 1 / losses.size)
        grads = ours.llama_backward(cross_entropy_backward(dloss, saved_loss), saved)
        self.params, self.state = adamw(self.params, grads, self.state, LR)
        return float(losses.mean())


class TorchTraining:
    def __init__(self, params: ours.Params, cfg: LlamaConfig):
        self.model, self.table = torch_model(params, cfg), theirs.build_table(cfg)
        self.optimizer = build_adamw(self.model, Settings(lr=LR))

    def __call__(self, tokens: ndarray, targets: ndarray) -> float:
        logits = self.model(torch.from_numpy(tokens), self.table)
        loss = torch_cross_entropy(logits, torch.from_numpy(targets)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Products:
    """No model: as many FLOPs as a training step, in products of one size."""

    def __init__(self, cfg: LlamaConfig):
        self.cfg, self.a = cfg, np.ones((1024, 1024), dtype=np.float32)
        self.out = np.empty_like(self.a)

    def __call__(self, tokens: ndarray, targets: ndarray) -> None:
        flops = tokens.size * self.cfg.train_flops_per_token(tokens.shape[1])
        for _ in range(round(flops / (2 * 1024**3))):
            np.matmul(self.a, self.a, out=self.out)


def race_to_train(cfg: LlamaConfig, rounds: int, batch: int, length: int) -> Iterator[str]:
    params = ours.init_weights(cfg, dtype=np.float32)
    models = {OURS: OurTraining(params, cfg), "PyTorch eager": TorchTraining(params, cfg)}
    tokens = np.random.default_rng(0).integers(0, cfg.vocab_size, (batch, length + 1))
    batches = tokens[:, :-1].copy(), tokens[:, 1:].copy()
    agree({name: [np.array([model(*batches) for _ in range(2)])] for name, model in models.items()})
    models["limit: products alone"] = Products(cfg)
    found: dict[str, list[float]] = {name: [] for name in models}
    for i in range(rounds):
        for name in ordered(models, i):
            found[name].append(seconds(models[name], *batches))
    yield from rows(f"train, {batch} x {length}", found, batch * length)


# --- the race ----------------------------------------------------------------------------------------------


def agree(answers: dict[str, list[ndarray]]) -> None:
    """A race is fair between those that arrive at the same place."""
    for name, answer in answers.items():
        for one, our in zip(answer, answers[OURS], strict=True):
            if not np.allclose(one, our, rtol=0, atol=1e-4):
                worst = np.abs(one - our).max()
                raise SystemExit(f"bench_llama: {name} is {worst:.2g} from ours; nothing to compare")


def ordered(names: Iterable[str], i: int) -> list[str]:
    """There and back: nobody always comes after the same other."""
    return list(names)[:: -1 if i % 2 else 1]


def seconds(way: Way, *args: object) -> float:
    start = time.perf_counter()
    way(*args)
    return time.perf_counter() - start


def rows(what: str, found: dict[str, list[float]], n_tokens: int) -> Iterator[str]:
    for name, times in found.items():
        median = statistics.median(times) / n_tokens
        # Round by round, as a load that comes and goes is the same for both.
        low, middle, high = statistics.quantiles(
            (b / a for a, b in zip(found[OURS], times, strict=True)), n=4
        )
        speed = f"{1 / median:,.1f} | {1000 * median:.2f} | {middle:.2f} ({low:.2f} to {high:.2f})"
        yield f"| {what} | {name} | {torch.get_num_threads()} | {speed} |"


def again_with(threads: int, argv: Sequence[str]) -> int:
    """BLAS reads its number of threads once, when it is loaded: a process for each."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    if "--keep" in argv:
        environment |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
    command = [sys.executable, __file__, *argv, "--threads", str(threads), "--inside"]
    return subprocess.run(command, env=environment).returncode


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--what", choices=("decode", "train", "both"), default="both")
    parser.add_argument("--model", default="stories-15m", help="a preset (default: stories-15m)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="one table part for each")
    parser.add_argument("--rounds", type=int, default=16, help="the medians of so many (default: 16)")
    parser.add_argument("--batch", type=int, default=8, help="sequences a training step (default: 8)")
    parser.add_argument("--length", type=int, default=128, help="tokens of each (default: 128)")
    parser.add_argument("--keep", action="store_true", help="freed memory stays with the process (glibc)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if not args.inside:
        print(f"{processor()}, {os.cpu_count()} cores; {args.model}, float32; {datetime.date.today()}")
        print(f"NumPy {np.__version__}, PyTorch {torch.__version__}\n")
        print("| | way | threads | tokens/s | ms a token | ours is × as fast (quartiles) |")
        print("|---|---|---|---|---|---|", flush=True)
        return max(again_with(threads, argv) for threads in args.threads)
    cfg = preset(args.model)
    if args.what != "train":
        print("\n".join(race_to_decode(cfg, args.rounds)), flush=True)
    if args.what != "decode":
        print("\n".join(race_to_train(cfg, args.rounds, args.batch, args.length)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
