"""One look for every figure of the book: a colour-blind-safe palette, readable sizes, a light grid.

``canvas`` is where every drawing starts. A figure is a value, like a number: a drawing returns it, a
notebook shows it as the last expression of a cell (or through ``display``), and it is gone when nobody
holds it. pyplot forgets it at once, so nothing is shown twice and nothing piles up in memory. Nothing is
changed globally, and nothing happens at import.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design": told apart with every common colour blindness.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, YELLOW, BLACK = "#56B4E9", "#D55E00", "#F0E442", "#000000"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PINK, SKY, BLACK, YELLOW)
GREY = "#666666"  # for what stands in the background: reference lines, notes
GRID = "#DDDDDD"

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.prop_cycle": plt.cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.size": 10.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "savefig.dpi": 100,
}


@contextmanager
def canvas(
    title: str, *, rows: int = 1, columns: int = 1, width: float = 8.0, height: float = 4.0
) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure of ``width`` × ``height`` inches under a title that says what is seen, and its axes.

    with canvas("Slow pairs barely move") as (figure, axes):
        axes[0, 0].plot(...)
    return figure
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
        try:
            yield figure, axes
        finally:
            plt.close(figure)


def label_axes(ax: Axes, x: str, y: str) -> None:
    """Name both axes; each name ends with its unit: ``distance (positions)``."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
