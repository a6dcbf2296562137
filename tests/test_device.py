"""Numbers to multiply in, and memory that stays."""

import subprocess
import sys

import pytest
import torch

from llamalite.train import device
from llamalite.train.device import LARGE, pick_dtype

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("can", [False, True])
def test_bfloat16_is_taken_where_it_is_faster(monkeypatch, can):
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: can)
    assert pick_dtype("auto", CUDA) == torch.bfloat16
    assert pick_dtype("auto", CPU, LARGE - 1) == torch.float32
    assert pick_dtype("auto", CPU, LARGE) == (torch.bfloat16 if can else torch.float32)
    assert pick_dtype("auto", torch.device("mps"), LARGE) == torch.float32


def test_what_is_said_wins(monkeypatch):
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: True)
    assert pick_dtype("float32", CPU, LARGE) == torch.float32
    with pytest.raises(ValueError, match="choose auto or one of float32, bfloat16"):
        pick_dtype("int8", CPU)


def test_an_older_torch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert device.multiplies_bfloat16() is False


FAULTS = """
import ctypes, resource, sys
from llamalite.train.device import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
libc, size, faults = ctypes.CDLL(None), 64_000_000, []
libc.malloc.restype = ctypes.c_void_p
for _ in range(5):
    place = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    ctypes.memset(place, 1, size)
    libc.free(place)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[0])
"""


@pytest.mark.skipif(
    device.platform.libc_ver()[0] != "glibc", reason="only glibc gives large arrays back at once"
)
def test_freed_memory_stays():
    """Four more arrays of 64 MB: fresh pages for each, or next to none if an earlier one's serve again."""
    pages = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True).stdout)
        for how in ("keep", "not")
    }
    assert pages["keep"] < 200 < 60_000 < pages["not"], pages
