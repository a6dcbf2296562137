"""The ten commands of the README, as they stand there, one after the other in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
# What each must say or leave, in the README's order.
SIGNS = (
    "405,853,388,800 parameters", "tales: ", "held out", "step    250", "Once upon a time", "drawn: loss.png",
    "hugging-face", ": equal", "llamalite chat", "",
)  # fmt: skip


def commands():
    block = re.search(
        r"^## `llamalite` in ten commands\n\n```\n(.*?)```", README.read_text("utf-8"), re.M | re.S
    )
    return [line.partition("  #")[0].rstrip() for line in block.group(1).splitlines()]


def test_ten_commands_do_what_the_readme_says(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command, sign in zip(commands(), SIGNS, strict=True):
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            input="Tell me a tale.\n",
            capture_output=True,
            text=True,
            env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0 and sign in done.stdout, f"{command}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()  # what the model said
    assert (tmp_path / "loss.png").stat().st_size > 10_000
