"""What the ranks of ``test_parallel.py`` do; importable without the tests, since processes import it."""

import os
import time
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from llamalite.config import preset
from llamalite.train.batches import batch
from llamalite.train.parallel import exhibits, trials
from llamalite.train.parallel.layout import Parallel
from llamalite.train.parallel.running import train_on_ranks
from llamalite.train.training import Settings, losses

CFG = preset(
    "llama3-tiny", dim=32, n_layers=4, n_heads=4, n_kv_heads=4, vocab_size=48, hidden_dim=64, max_seq_len=16
)
HOW = Settings(steps=3, batch_size=8, seq_len=16, warmup=1, lr=1e-2, seed=3, clip=0.5, save_every=2)
TWO = (
    Parallel(data=2),
    Parallel(data=2, shard=True),
    Parallel(tensor=2),
    Parallel(pipeline=2),
    Parallel(pipeline=2, schedule="gpipe", microbatches=2),
)
FOUR = (
    Parallel(data=2, tensor=2),
    Parallel(data=2, tensor=2, shard=True),
    Parallel(data=2, pipeline=2),
    Parallel(data=2, pipeline=2, shard=True),
    Parallel(tensor=2, pipeline=2),
)


def by_torch() -> dict:
    """Step 0's gradient by PyTorch's own data parallelism, and the norm that it clips by."""
    model, table = trials.start(CFG, HOW, torch.float64)
    net, data = DistributedDataParallel(model), trials.sequence(HOW.seed, 20 * HOW.seq_len, CFG.vocab_size)
    whole = batch(data.train, 0, HOW.batch_size, HOW.seq_len, HOW.seed)
    x, y = (ids.tensor_split(dist.get_world_size())[dist.get_rank()] for ids in whole)
    losses(partial(net, table=table), x, y, HOW).mean().backward()
    found = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    return {"gradients": found, "norm": torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()}


def two() -> dict:
    """All that two ranks have to show, in one launch."""
    return {
        "trials": trials.trials(TWO, CFG, HOW),
        "by torch": by_torch(),
        "gather": exhibits.gather_errors(),
        "summed": exhibits.with_bug("average", TWO[0], CFG, HOW, torch.float64),
    }


def four(folder: str) -> dict:
    """All that four have to show, and the first half of a run."""
    found = {"trials": trials.trials(FOUR, CFG, HOW), "naps": exhibits.naps("1f1b", 4, 0.02, 0.04)}
    part_of_a_run(folder, 4, Parallel(data=2, tensor=2, shard=True), False)
    return found


def three() -> dict:
    return {"struck": exhibits.struck(CFG, SIX, 1), "asked twice": exhibits.asked_twice(CFG, SIX, 1)}


SIX = Settings(steps=1, batch_size=6, seq_len=16, warmup=1, lr=1e-2, seed=3)


def run_settings(steps: int) -> Settings:
    return Settings(steps=steps, batch_size=8, seq_len=16, warmup=0, lr=3e-3, eval_every=2, save_every=2)


def part_of_a_run(folder: str, steps: int, p: Parallel, resume: bool) -> None:
    data = trials.sequence(5, 600, CFG.vocab_size)
    train_on_ranks(Path(folder), CFG, data, run_settings(steps), p, resume)


def hang() -> None:
    if dist.get_rank() == 1:
        time.sleep(600)
    dist.barrier()


def fail() -> None:
    if dist.get_rank() == 1:
        raise ZeroDivisionError("of rank 1")
    dist.barrier()


def die() -> None:
    if dist.get_rank() == 1:
        os._exit(3)
    dist.barrier()


def who() -> int:
    return os.getpid()
