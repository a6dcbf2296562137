"""The tests, tested: the field's real bugs are planted one by one, and a named test must catch each.

A mutant is a line or two of the package rewritten in a copy of it; the test runs there in a fresh
process. Chapters exhibit the same bugs in their "Break it" sections; ``tests/mutants`` lists them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import MUTANTS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])
def test_mutant_is_killed(mutant, tmp_path):
    for name in ("llamalite", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data" / "tales", tmp_path / "data" / "tales")
    for name in ("conftest.py", "pyproject.toml", "data/README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    file = tmp_path / "llamalite" / mutant.file
    source = file.read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1, f"{mutant.file} no longer has the line this mutant rewrites"
    file.write_text(source.replace(mutant.right, mutant.wrong), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", mutant.killed_by],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "1 failed" in done.stdout, f"the mutant lives: {mutant.killed_by} said\n{done.stdout}{done.stderr}"
    assert "1 failed" in done.stdout and "AssertionError" in done.stdout, (
        "killed by an accident, not by an assertion"
    )
