"""Test set-up: types and shapes are checked, and `pytest --nbval chapters/` passes with no flags, anywhere.

Stock nbval compares stored numbers to the last digit, cannot honour a trailing ";" and picks a kernel by
name; each of the three fails on another machine. `tests/test_close_text.py` tests what is changed here.
"""

import math
import os
import re
from pathlib import Path

# Inherited by notebook kernels and subprocesses; set before torch or numpy are imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a second thread slows tiny models down
os.environ.setdefault("PYTHONHASHSEED", "0")
os.environ.setdefault("LLAMALITE_STATIC", "1")  # sliders show their first frame
os.environ.setdefault("LLAMALITE_PROGRESS", "")  # what tests solve is nobody's progress
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# Shapes and types of every annotated function are enforced in every test. int passes for float, as
# everywhere in Python; config is left out because its own sentences are what its tests are about.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
install_import_hook(
    [
        f"llamalite.{part}"
        for part in (
            *("in_numpy", "in_torch", "text", "tales", "train"),
            *("align", "figures", "exercises", "commands"),
        )
    ],
    "conftest.typechecker",
)


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of files that nobody here wrote; tests that need it skip where it is absent."""
    default = Path(__file__).parent.parent / "shared" / "real"
    folder = Path(os.environ.get("LLAMALITE_REAL", default))
    if not folder.is_dir():
        pytest.skip("needs real texts and tokenizers; name their folder in LLAMALITE_REAL")
    return folder


# --- nbval: compare numbers as numbers -----------------------------------------------------------

RTOL, ATOL = 2e-3, 1e-6
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")


def close_text(a: str, b: str) -> bool:
    """Equal text, in which decimal numbers may differ a little; whole numbers must not.

    >>> close_text("loss 2.3004 at step 500", "loss 2.3031 at step 500")
    True
    >>> close_text("step 500", "step 501")
    False
    """
    if skeleton(a) != skeleton(b):
        return False
    return all(close_number(p, q) for p, q in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True))


def skeleton(text: str) -> str:
    """The text with every decimal number blanked and white space (which pads numbers) made even."""
    return re.sub(r"\s+", " ", NUMBER.sub("<number>", text))


def close_number(p: str, q: str) -> bool:
    x, y = float(p), float(q)
    if not (math.isfinite(x) and math.isfinite(y)):
        return p == q
    return abs(x - y) <= max(ATOL + RTOL * max(abs(x), abs(y)), last_digit(p, q))


def last_digit(p: str, q: str) -> float:
    """One unit of the last printed digit: rounding may flip it, if three digits or more are shown."""
    if "e" in (p + q).lower():
        return 0.0
    places = min(len(number.partition(".")[2]) for number in (p, q))
    return 1.01 * 10.0**-places if places >= 3 else 0.0


class CloseText(str):
    """A string that equals another by ``close_text``; nbval compares outputs with ``==``."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and close_text(str(self), str(other))

    def __ne__(self, other: object) -> bool:
        return not self == other


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    option = config.option
    if not hasattr(option, "nbval"):
        return  # nbval is not installed
    option.nbval_current_env = True  # this Python, never a kernel that happens to be called python3
    if option.nbval_sanitize_with is None:
        option.nbval_sanitize_with = str(config.rootpath / "tests" / "nbval_sanitize.cfg")
    if option.nbval_cell_timeout == 2000:  # nbval's default
        option.nbval_cell_timeout = 300.0
    if option.nbval or option.nbval_lax:
        config.addinivalue_line("filterwarnings", "default")  # kernels come and go with noise of their own
        if getattr(option, "dist", "no") == "load":
            option.dist = "loadfile"  # the cells of one notebook share one kernel
    adjust_nbval()


def adjust_nbval() -> None:
    from nbval import kernel, plugin

    def execute_cell_input(self, cell_input, allow_stdin=None):
        # With store_history a trailing ";" hides a value, as it does for a reader (nbval issue 194).
        return self.kc.execute(cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)

    kernel.RunningKernel.execute_cell_input = execute_cell_input
    plugin.IPyNbFile.teardown = within_memory(plugin.IPyNbFile.teardown)
    stock = plugin.IPyNbCell.sanitize
    if not getattr(stock, "compares_numbers", False):

        def sanitize(self, s):
            s = stock(self, s)
            return CloseText(s) if isinstance(s, str) else s

        sanitize.compares_numbers = True
        plugin.IPyNbCell.sanitize = sanitize


LARGEST = 1.5e9  # bytes of a chapter's kernel: Binder gives two gigabytes to all that it runs


def within_memory(teardown):
    """nbval's end of a notebook; fails if the kernel was ever larger than ``LARGEST``."""
    if getattr(teardown, "weighs", False):
        return teardown

    def weighing(self):
        status = Path(f"/proc/{self.kernel.km.provisioner.pid}/status") if self.kernel else None
        peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status and status.exists() else None
        teardown(self)
        assert peak is None or 1024 * int(peak.group(1)) <= LARGEST, f"{self.path.name} needs {peak.group(0)}"

    weighing.weighs = True
    return weighing


def pytest_collectstart(collector: pytest.Collector) -> None:
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "image/svg+xml")
