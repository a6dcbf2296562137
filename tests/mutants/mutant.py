"""What a planted bug is."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A line or two of the package, rewritten; ``killed_by`` is the test that must fail of it."""

    name: str
    file: str
    right: str
    wrong: str
    killed_by: str


LOGITS = "tests/test_weights.py::test_logits_equal_hugging_face_in_float64"
