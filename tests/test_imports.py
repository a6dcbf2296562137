"""What importing costs, and what it must never do; each import in an interpreter of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "llamalite"
WITHOUT_TORCH = ["llamalite", "llamalite.config"] + [
    f"llamalite.{'.'.join(file.relative_to(PACKAGE).with_suffix('').parts)}"
    for folder in ("tales", "text", "in_numpy")
    for file in sorted((PACKAGE / folder).rglob("*.py"))
    if file.stem != "__init__"
]


def fresh(code: str) -> dict | list:
    """Run ``code``, which prints one JSON object, in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_lower_layers_never_import_torch():
    """All in one interpreter: if none of them imports torch together, none does alone."""
    assert len(WITHOUT_TORCH) > 10
    imports = "\n".join(f"import {name}" for name in WITHOUT_TORCH)
    found = fresh(f"import json, sys\n{imports}\nprint(json.dumps({{'torch': 'torch' in sys.modules}}))")
    assert not found["torch"]


def test_the_numpy_half_is_there_at_once():
    """It loads NumPy, what checks shapes, and nothing else that somebody would have to wait for."""
    names = [name for name in WITHOUT_TORCH if "in_numpy" in name]
    code = f"""
import json, sys
began = set(sys.modules)
import {", ".join(names)}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - began}} - set(sys.stdlib_module_names)
print(json.dumps(sorted(name for name in loaded if not name.startswith("_"))))"""
    assert set(fresh(code)) <= {"cython_runtime", "jaxtyping", "llamalite", "numpy"}


@pytest.mark.parametrize("module", ["llamalite.cli", "llamalite.exercises.engine"])
def test_the_command_and_the_exercises_start_without_torch(module):
    found = fresh(f"import json, sys, {module}\nprint(json.dumps({{'torch': 'torch' in sys.modules}}))")
    assert not found["torch"]


EVERYTHING = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for file in sorted(PACKAGE.rglob("*.py"))
    if file.stem not in ("__init__", "__main__")
]

# Others' libraries come first: what they do when imported is not ours to answer for.
STATE = """
import json, logging, os, random, signal, threading, warnings
import ipywidgets, matplotlib.pyplot, numpy, safetensors.torch, sentencepiece, torch, tqdm.auto, tyro
import torch.distributed.checkpoint, torch.distributed.fsdp, torch.distributed.nn.functional
import torch.distributed.pipelining, torch.distributed.tensor.parallel

def state():
    return {
        "threads": [thread.name for thread in threading.enumerate()],
        "log": [str(logging.root.handlers), logging.root.level],
        "signals": str([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]),
        "warnings": str(warnings.filters),
        "environment": dict(os.environ),
        "dtype": str(torch.get_default_dtype()),
        "torch threads": torch.get_num_threads(),
        "torch seed": torch.get_rng_state().tolist(),
        "numpy seed": str(numpy.random.get_state()),
        "random seed": random.getstate(),
        "matplotlib": str(matplotlib.rcParams),
    }
"""


def test_importing_changes_nothing():
    """No thread, handler, seed, style or setting: what is done is done by a call (architecture, rule 5)."""
    imports = "\n".join(f"import {name}" for name in EVERYTHING)
    found = fresh(
        f"{STATE}\nbefore = state()\n{imports}\nafter = state()\n"
        "print(json.dumps([key for key in before if before[key] != after[key]]))"
    )
    assert found == []
