"""Joining and leaving a group of processes, without the crashes and hangs that wait on both ways.

gloo between CPUs and NCCL between GPUs, with the same code. A rank is one process; torchrun starts
them and says who is who through the environment (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``).
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from llamalite.train.interruption import Interrupted
from llamalite.train.parallel.layout import Parallel, check_numbers

PATIENCE = timedelta(seconds=300)  # for a rank that does not answer, before all of them give up
Result = TypeVar("Result")


def on_ranks(work: Callable[..., Result], *args: Any, device: str = "cpu", patience=PATIENCE) -> Result:
    """Join the group, call ``work(*args)``, leave the group; ``work`` returns nothing that lives on ranks.

    All that holds the group (wrapped models, meshes) must be local to ``work``: a gloo thread that still
    holds a tensor while Python shuts down aborts the process. The barrier lets every thread let go. After
    an exception on this rank there is no farewell: the others may wait for something else, and would hang.
    """
    join(device, patience)
    try:
        result = work(*args)
    except Interrupted:  # all ranks stop after the same step
        leave()
        raise
    leave()
    return result


def leave() -> None:
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()


def join(device: str = "cpu", patience: timedelta = PATIENCE) -> None:
    if device not in ("cpu", "cuda"):
        raise ValueError(f"ranks cannot talk from {device} to {device}; train with --device cpu")
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if os.environ.get("LOCAL_WORLD_SIZE") == str(size):  # one machine: do not ask what its name resolves to
        loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
        if loopback:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    quiet()
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=open_store(patience), rank=rank, world_size=size, timeout=patience)


def quiet() -> None:
    """PyTorch warns, once a rank, of an in-place change of logits that nobody makes, and of a gathering in
    two steps where nothing hurries."""
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
    logging.getLogger("torch.distributed.tensor._redistribute").setLevel(logging.ERROR)


def open_store(patience: timedelta) -> dist.Store:
    """Where ranks find each other's addresses.

    torchrun keeps one store through all restarts. A fast rank would read there the address that a dead one
    left behind, so each life of the group looks under a name of its own.
    """
    if "LLAMALITE_STORE" in os.environ:  # a file, by our own launcher
        return dist.FileStore(os.environ["LLAMALITE_STORE"], int(os.environ["WORLD_SIZE"]))
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    master = not hosted and os.environ["RANK"] == "0"
    store = dist.TCPStore(host, port, is_master=master, timeout=patience, wait_for_workers=False)
    return dist.PrefixStore(f"life {lives_before()}", store)


def lives_before() -> int:
    """How often torchrun has started this group again after a death."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def launched() -> bool:
    """Is this process one of several that somebody started together?"""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def processes() -> int:
    return int(os.environ["WORLD_SIZE"]) if launched() else 1


def build_mesh(p: Parallel, device: str = "cpu") -> DeviceMesh:
    """The ranks as a block with the axes data, pipeline and tensor; the last counts fastest."""
    check_size(p, dist.get_world_size())
    return init_device_mesh(
        device, (p.data, p.pipeline, p.tensor), mesh_dim_names=("data", "pipeline", "tensor")
    )


def check_size(p: Parallel, processes: int) -> None:
    check_numbers(p)
    if p.size != processes:
        raise ValueError(
            f"data {p.data} × pipeline {p.pipeline} × tensor {p.tensor} make {p.size} ranks, and there are "
            f"{processes} processes; start as many: torchrun --nproc-per-node {p.size} -m llamalite train …"
        )
