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


def fresh(code: str) -> dict:
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
    """At most 0.4 s for all of it, numpy included; the best of five, since machines hiccup."""
    names = [name for name in WITHOUT_TORCH if "in_numpy" in name]
    code = f"""
import json, time
start = time.perf_counter()
import {", ".join(names)}
print(json.dumps({{"seconds": time.perf_counter() - start}}))"""
    assert min(fresh(code)["seconds"] for _ in range(5)) <= 0.4


@pytest.mark.parametrize("module", ["llamalite.cli", "llamalite.exercises.engine"])
def test_the_command_and_the_exercises_start_without_torch(module):
    found = fresh(f"import json, sys, {module}\nprint(json.dumps({{'torch': 'torch' in sys.modules}}))")
    assert not found["torch"]
