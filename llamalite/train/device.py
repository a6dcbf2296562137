"""Where to compute and in which numbers: the best this machine has, unless told otherwise."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is cuda, else mps (Apple), else cpu."""
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(best if name == "auto" else name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"this machine has no device {name!r}; the best here is {best!r}") from error
    return device


LARGE = 10_000_000  # parameters; below it the time goes elsewhere, and float32 is the same on every machine


def pick_dtype(name: str, device: torch.device, n_params: int = 0) -> torch.dtype:
    """``auto`` is bfloat16 where it is faster: on cuda, for large models also where the processor has it."""
    if name == "auto":
        fast = device.type == "cuda" or (device.type == "cpu" and n_params >= LARGE and multiplies_bfloat16())
        return torch.bfloat16 if fast else torch.float32
    if name not in DTYPES:
        raise ValueError(f"dtype {name!r} is not offered; choose auto or one of {', '.join(DTYPES)}")
    return DTYPES[name]


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for products of bfloat16; False where torch cannot tell."""
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def keep_memory() -> None:
    """Have freed memory stay with this process, where the C library is glibc; elsewhere nothing happens.

    Otherwise every large array of every step is made of fresh pages that the kernel has to clear: a quarter
    of a training step of ``stories-15m`` in float32. The price is memory, half as much again in that case,
    because what is freed fits what is asked for next only roughly.
    """
    if platform.libc_ver()[0] == "glibc":
        M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
        malloc = ctypes.CDLL(None)
        malloc.mallopt(M_MMAP_MAX, 0)
        malloc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


# Dense bf16 FLOP/s of one GPU, by words of its name (facts G3); NVIDIA's headlines say twice as much.
PEAKS = {
    ("H200",): 989e12,
    ("H100", "PCIe"): 756e12,
    ("H100", "NVL"): 835e12,
    ("H100",): 989e12,
    ("A100",): 312e12,
}


def peak_flops(device: torch.device, dtype: torch.dtype) -> float | None:
    """What the device could do at most, in FLOP/s; None where no published figure is at hand."""
    if device.type != "cuda" or dtype != torch.bfloat16:
        return None
    return known_peak(torch.cuda.get_device_name(device))


def known_peak(name: str) -> float | None:
    """
    >>> known_peak("NVIDIA H100 PCIe"), known_peak("NVIDIA A100-SXM4-80GB"), known_peak("Tesla T4")
    (756000000000000.0, 312000000000000.0, None)
    """
    return next((peak for words, peak in PEAKS.items() if all(word in name for word in words)), None)


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Matrices multiply in ``dtype``; weights, optimiser state and the loss stay in float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
