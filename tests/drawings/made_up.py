"""Numbers that the drawings of several chapters are called with."""

import numpy as np

LOSSES = {"right": np.linspace(3, 1, 40), "wrong": np.linspace(3, 2, 40)}
TALE = ["Once", " upon", " a", " t", "ime", " ", "$"] * 9
