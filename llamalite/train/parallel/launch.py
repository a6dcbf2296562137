"""Real processes for a notebook or a test: started, awaited with a time limit, and gone afterwards.

torchrun is for work that lasts. This is for a few seconds of it: a helper process that has PyTorch in
memory already copies itself once a rank (Python's ``forkserver``), which takes a fraction of a second
instead of an import. Whatever happens, no rank outlives the call: a time limit, a rank that raises, and
the death of the caller all end the others.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

PRELOADED = ["llamalite.train.parallel.exhibits"]


class RankFailed(RuntimeError):
    """What a rank raised, with its own traceback in the message."""

    exit_code = 1


def launch(work: Callable[..., Any], ranks: int, *args: Any, timeout: float = 120) -> list[Any]:
    """``work(*args)`` in each of ``ranks`` processes that form one gloo group; their results, by rank.

    ``work`` must be importable (a function of a module, not of a notebook), and what goes in and out must
    pickle. Raises ``RankFailed`` when one fails and ``TimeoutError`` after ``timeout`` seconds.
    """
    kind = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(kind)
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        ours, processes = [], []
        try:
            for rank in range(ranks):
                here, there = context.Pipe()
                ours.append(here)
                where = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": ranks}
                where["LLAMALITE_STORE"] = os.path.join(folder, "store")
                processes.append(context.Process(target=serve, args=(there, where, work, args), daemon=True))
                processes[-1].start()
                there.close()
            return collect(ours, time.monotonic() + timeout)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
            for connection in ours:
                connection.close()


def in_turn(calls: Sequence[tuple[Callable[..., Any], tuple]]) -> list[Any]:
    """Several pieces of work, one after the other, for a single launch: starting processes is what costs."""
    return [work(*args) for work, args in calls]


def collect(connections: list[Connection], deadline: float) -> list[Any]:
    """The ranks' results in order; the first failure ends the wait."""
    results: dict[int, Any] = {}
    while len(results) < len(connections):
        open_ones = [c for i, c in enumerate(connections) if i not in results]
        ready = wait(open_ones, timeout=max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"{len(open_ones)} ranks had not answered in time; all were ended")
        for connection in ready:
            rank = connections.index(connection)
            try:
                fine, value = connection.recv()
            except EOFError:
                raise RankFailed(f"rank {rank} died without a word") from None
            if not fine:
                raise RankFailed(f"rank {rank} failed:\n{value}")
            results[rank] = value
    return [results[rank] for rank in range(len(connections))]


def serve(connection: Connection, where: dict[str, Any], work: Callable[..., Any], args: tuple) -> None:
    """The life of a rank: join, work, answer, and go without waiting for what Python tidies up."""
    os.environ.update({name: str(value) for name, value in where.items()})
    threading.Thread(target=die_with, args=(connection,), daemon=True).start()
    try:
        import torch

        from llamalite.train.parallel.ranks import on_ranks

        torch.set_num_threads(1)
        answer = (True, on_ranks(work, *args))
    except BaseException:
        answer = (False, traceback.format_exc())
    connection.send(answer)
    threading.Event().wait()  # until the caller has read it, and ends us


def die_with(connection: Connection) -> None:
    """The caller never sends: the only thing to read is the end of the caller."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
