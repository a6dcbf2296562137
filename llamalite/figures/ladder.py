"""The equivalence ladder: several ways to compute one thing, each held against the first."""

import numpy as np
from numpy import ndarray

# How far apart two right answers may be, relative to the largest entry. float64 carries 16 digits and
# a few hundred operations lose three of them; bfloat16 carries less than three in the first place.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 2e-2}


def ladder(reference: ndarray, rungs: dict[str, tuple[str, ndarray]]) -> None:
    """Print one row a rung, ``{name: (dtype, values)}``; an AssertionError names the first that breaks."""
    largest = np.abs(reference).max()
    print(f"{'rung':34}{'dtype':10}{'max abs':>10}{'max rel':>10}  verdict")
    for name, (dtype, values) in rungs.items():
        apart = np.abs(np.asarray(values, dtype=np.float64) - reference).max()
        equal = apart / largest <= TOLERANCE[dtype]
        print(f"{name:34}{dtype:10}{apart:10.1e}{apart / largest:10.1e}  {'equal' if equal else 'DIFFERENT'}")
        assert equal, f"{name} is {apart / largest:.1e} away, {dtype} allows {TOLERANCE[dtype]:.0e}"
