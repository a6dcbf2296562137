"""Draw the book: every box a chapter, every arrow "needs", as the chapters themselves say.

    python tools/draw_book.py       # writes tools/book/chapters.png, which README and TEACHING.md show

What a chapter needs is read from its paragraph "What you need". An arrow that others imply is left out: who
needs chapter 08, which needs 03, needs 03.
"""

from __future__ import annotations

import re

import nbformat
from build_book import PARTS, ROOT, chapters
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from llamalite.figures.style import BLUE, GREEN, GREY, ORANGE, PINK, SKY, VERMILION, canvas

PICTURE = ROOT / "tools" / "book" / "chapters.png"
COLOURS = dict(zip(PARTS, (BLUE, GREEN, ORANGE, VERMILION, PINK, SKY), strict=True))
WIDTH, HEIGHT = 1.62, 0.62  # of a box; a column is 2 wide, a row 1 high
Needs = dict[int, set[int]]


def needs_of(text: str) -> set[int]:
    """
    >>> sorted(needs_of("chapters 01 (the floor), 08 and 09; chapter 11 for heads. Not 05 to 07."))
    [1, 8, 9, 11]
    """
    text = re.sub(r"\([^)]*\)", "", text)
    groups = re.findall(r"chapters? (\d\d(?:(?: ?, | ?and | ,? ?and )\d\d)*)", re.sub(r" +", " ", text))
    return {int(number) for group in groups for number in re.findall(r"\d\d", group)}


def read_needs() -> Needs:
    found: Needs = {}
    for number, path in chapters().items():
        prose = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
        said = re.search(r"\*\*What you need\*\*:?(.*)", prose).group(1)
        found[number] = needs_of(said) - {number}
    return found


def reduced(needs: Needs) -> Needs:
    """Without what is implied.

    >>> reduced({1: set(), 2: {1}, 3: {1, 2}})
    {1: set(), 2: {1}, 3: {2}}
    """
    behind: Needs = {}
    for n in sorted(needs):
        behind[n] = needs[n] | {far for near in needs[n] for far in behind.get(near, set())}
    return {n: {m for m in needs[n] if not any(m in behind[k] for k in needs[n] - {m})} for n in needs}


def columns(needs: Needs) -> dict[int, int]:
    """How many chapters must come before, one after the other."""
    depth: dict[int, int] = {}
    for n in sorted(needs):
        depth[n] = max((depth[m] + 1 for m in needs[n]), default=0)
    return depth


def places(needs: Needs) -> dict[int, tuple[float, float]]:
    """The middle of every box; in a column, in the order of the numbers."""
    depth = columns(needs)
    rows: dict[int, list[int]] = {}
    for n in sorted(needs):
        rows.setdefault(depth[n], []).append(n)
    tallest = max(map(len, rows.values()))
    return {
        n: (2.0 * x, -(i + (tallest - len(column)) / 2))
        for x, column in rows.items()
        for i, n in enumerate(column)
    }


def part_of(number: int) -> str:
    return next(name for name, numbers in PARTS.items() if number in numbers)


def draw_book(needs: Needs, stems: dict[int, str]) -> Figure:
    """Boxes and arrows, the first chapters on the left."""
    needs = reduced(needs)
    where = places(needs)
    xs, ys = zip(*where.values(), strict=True)
    sizes = {"width": (max(xs) + 2.2) * 0.92, "height": (max(ys) - min(ys) + 1.6) * 0.8}
    with canvas("The book: a box is a chapter, an arrow leads to who needs it", **sizes) as (figure, axes):
        ax = axes[0, 0]
        for n, before in needs.items():
            for m in before:
                draw_arrow(ax, where[m], where[n])
        for n, place in where.items():
            draw_box(ax, place, f"{n:02d}\n{stems[n].replace('_', ' ')}", COLOURS[part_of(n)])
        for part, colour in COLOURS.items():
            ax.plot([], [], "s", color=colour, label=part, markersize=9)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=3)
        ax.set_xlim(min(xs) - 1, max(xs) + 1)
        ax.set_ylim(min(ys) - 0.6, max(ys) + 0.6)
        ax.axis("off")
    return figure


def draw_arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ends = (start[0] + WIDTH / 2, start[1]), (end[0] - WIDTH / 2, end[1])
    style = {"arrowstyle": "-|>", "mutation_scale": 10, "connectionstyle": "arc3,rad=0.04"}
    ax.add_patch(FancyArrowPatch(*ends, color=GREY, linewidth=0.9, shrinkA=0, shrinkB=1, **style))


def draw_box(ax: Axes, middle: tuple[float, float], text: str, colour: str) -> None:
    corner, style = (middle[0] - WIDTH / 2, middle[1] - HEIGHT / 2), "round,pad=0,rounding_size=0.12"
    ax.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=style, facecolor=colour, edgecolor="none"))
    ax.text(*middle, text, ha="center", va="center", color="white", fontsize=9)


def main() -> int:
    stems = {number: path.stem[3:] for number, path in chapters().items()}
    draw_book(read_needs(), stems).savefig(PICTURE, metadata={"Software": None})
    print(PICTURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
