"""What decides whether an output is still the stored one, and the two methods of nbval it hangs on."""

import inspect

import pytest
from nbval import kernel, plugin

from conftest import CloseText, close_text


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0.125", "0.126"),
        ("loss 2.3004", "loss 2.3031"),
        ("x 1.0e-05", "x 1.001e-05"),
        ("1.1e-16", "2.2e-16"),
        ("-0.0000", "0.0000"),
        ("same", "same"),
        ("[0.5, 1.25]", "[0.5,  1.251]"),
    ],
)
def test_near_enough(a, b):
    assert close_text(a, b)
    assert CloseText(a) == b
    assert not CloseText(a) != b


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0.125", "0.128"),
        ("0.1", "0.2"),
        ("0.12", "0.13"),
        ("step 500", "step 501"),
        ("1.0e-05", "2.0e-05"),
        ("0.5", "-0.5"),
        ("0.5", "nan"),
        ("ab 1.0", "ac 1.0"),
        ("[1.0, 2.0]", "[1.0]"),
        ("shape (3, 4)", "shape (3, 5)"),
        ("", "0.5"),
        ("2.30", "2.40"),
    ],
)
def test_different(a, b):
    assert not close_text(a, b)
    assert CloseText(a) != b


def test_nbval_still_has_what_conftest_adjusts():
    assert plugin.IPyNbCell.sanitize.compares_numbers
    assert "store_history=True" in inspect.getsource(kernel.RunningKernel.execute_cell_input)
    assert list(inspect.signature(plugin.IPyNbCell.sanitize).parameters) == ["self", "s"]
    assert "execute_cell_input(" in inspect.getsource(plugin.IPyNbCell)
    assert plugin.IPyNbFile.teardown.weighs
    assert "self.kernel.stop()" in inspect.getsource(plugin.IPyNbFile)
