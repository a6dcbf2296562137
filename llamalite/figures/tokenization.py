"""Figures of chapter ``tokenization``: each ``draw_…`` takes numbers or tokens and returns a figure, each
``explore_…`` adds a text box or a slider and returns nothing."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font, get_font_names
from matplotlib.patches import Rectangle
from numpy import ndarray

from llamalite.figures import style
from llamalite.figures.explore import explore
from llamalite.figures.language_model import draw_floor
from llamalite.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, VERMILION, canvas, label_axes
from llamalite.text.tokenization.byte_pairs import Pair, merge
from llamalite.text.tokenization.tokenizer import Tokenizer

Token = str | bytes
Shown = tuple[str, str]  # what is written into a token's box, and how the box looks

COLUMNS = 88  # letters in a line of tokens
LONGEST = 400  # characters of a text that is drawn; more would be a wall
TINTS = (SKY, ORANGE, GREEN, style.PINK)
# matplotlib brings the first; the others are where Korean may be found, and none of them has to be there.
FONTS = ("DejaVu Sans Mono", "NanumGothicCoding", "NanumGothic", "Noto Sans Mono CJK KR", "Noto Sans CJK KR",
         "Malgun Gothic", "Apple SD Gothic Neo")  # fmt: skip


# --- letters that can be drawn -----------------------------------------------------------------------


def fonts_here() -> list[str]:
    return sorted(set(FONTS) & set(get_font_names()), key=FONTS.index)


def legible(character: str) -> str:
    """The character if a font has it; else how a Korean syllable sounds, or the number of the character.

    >>> [legible(character) for character in "é 🦙"]
    ['é', '·', 'U+1F999']
    """
    if character in " \n\t":
        return {" ": "·", "\n": "↵", "\t": "→"}[character]
    alone = unicodedata.category(character)[0] in "CMZ"  # a control, an accent without its letter, a gap
    if not alone and any(get_font(findfont(font)).get_char_index(ord(character)) for font in fonts_here()):
        return character
    name = unicodedata.name(character, "")
    return name.split()[-1].lower() if name.startswith("HANGUL SYLLABLE") else f"U+{ord(character):04X}"


def show_token(token: Token) -> Shown:
    """
    >>> [show_token(token) for token in ("a b", b"\\xec\\x95", "<0xEC>", "</s>")]
    [('a·b', 'plain'), ('EC 95', 'bytes'), ('EC', 'bytes'), ('</s>', 'special')]
    """
    if isinstance(token, bytes):
        try:
            token = token.decode()
        except UnicodeDecodeError:
            return token.hex(" ").upper(), "bytes"
    if token.startswith("<0x") and len(token) == 6:
        return token[3:5], "bytes"
    if token in ("<s>", "</s>", "<unk>") or (token.startswith("<|") and token.endswith("|>")):
        return token, "special"
    letters = [legible(character) for character in token]
    text = "".join(letters) if len(token) <= 40 else f"{''.join(letters[:6])}…{len(token)}×"
    return text, "spelt" if any(len(letter) > 1 for letter in letters) else "plain"


def columns_of(text: str) -> int:
    return max(1, sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text))


def draw_box(ax: Axes, x: float, y: float, width: float, shown: Shown, tint: str) -> None:
    text, look = shown
    ink = {"bytes": VERMILION, "special": "white", "spelt": BLUE, "plain": BLACK}[look]
    face = GREY if look == "special" else to_rgba(tint, 0.45)
    ax.add_patch(Rectangle((x, y - 0.4), width, 0.8, fc=face, ec=ink if look == "bytes" else "none", ls="--"))
    font = dict(family=fonts_here(), size=9, color=ink, in_layout=False)
    ax.text(x + width / 2, y, text, fontdict=font, ha="center", va="center", parse_math=False)


def clear(ax: Axes, legend: str) -> None:
    ax.set(xticks=[], yticks=[])  # a picture of boxes has no scale
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(legend, fontsize=9, color=GREY, loc="left")


# --- one text, several tokenizers --------------------------------------------------------------------


def draw_tokens(rows: Sequence[tuple[str, Sequence[Token]]], title: str = "One text, many cuts") -> Figure:
    """A box a token for each (label, tokens), and at the row's end how many there are."""
    placed = [(label, lay_out([show_token(token) for token in tokens])) for label, tokens in rows]
    lines = [2.3 + max((line for line, *_ in boxes), default=0) for _, boxes in placed]
    with canvas(title, width=8.8, height=0.75 + 0.27 * sum(lines)) as (figure, axes):
        ax = axes[0, 0]
        for (label, boxes), y in zip(placed, ends(lines), strict=False):
            ax.text(0, -y, label, va="center", color=GREY, family=fonts_here(), parse_math=False)
            count = f"{len(boxes):,} token{'s'[len(boxes) == 1 :]}"
            ax.text(COLUMNS, -y, count, va="center", ha="right", color=GREY)
            for i, (line, column, shown) in enumerate(boxes):
                tint = "white" if shown[1] == "bytes" else TINTS[i % 4]
                draw_box(ax, column, -y - 1 - line, columns_of(shown[0]), shown, tint)
        ax.set(xlim=(-0.5, COLUMNS + 0.5), ylim=(0.7 - sum(lines), 0.6))
        clear(ax, "· space   ↵ line break   dashed: part of a character   blue letters: its sound or number")
    return figure


def lay_out(tokens: Sequence[Shown]) -> list[tuple[int, float, Shown]]:
    """Line and column of each token.

    >>> [place[:2] for place in lay_out([("a" * 40, ""), ("b" * 40, ""), ("c" * 9, "")])]
    [(0, 0.0), (0, 40.6), (1, 0.0)]
    """
    places, line, column = [], 0, 0.0
    for shown in tokens:
        width = columns_of(shown[0])
        if column + width > COLUMNS:
            line, column = line + 1, 0.0
        places.append((line, column, shown))
        column += width + 0.6
    return places


def spell(tokenizer: Tokenizer, ids: Iterable[int]) -> list[Token]:
    """The token of each id: its bytes, or the name of a special one."""
    names = {token: name for name, token in tokenizer.special_ids.items()}
    return [names.get(token) or tokenizer.token_bytes(token) for token in ids]


def explore_tokens(tokenizers: Mapping[str, Tokenizer], texts: Sequence[str]) -> None:
    """A menu of examples, and a box for a text of your own, which counts if there is anything in it."""

    def draw(example: str, your_own_text: str) -> Figure:
        text = (your_own_text or example)[:LONGEST]
        return draw_tokens([(label, spell(each, each.encode(text))) for label, each in tokenizers.items()])

    explore(draw, example=(texts[0], list(texts)), your_own_text=("", ""))


def explore_merges(text: str, merges: Sequence[Pair], start: int) -> None:
    """Slider: how many of ``merges`` are applied; the text is glued together before your eyes."""

    def draw(merges_applied: int) -> Figure:
        ids, tokens, label = list(text[:LONGEST].encode()), [bytes([byte]) for byte in range(256)], "bytes"
        for new, (left, right) in enumerate(merges[:merges_applied], start=256):
            ids = merge(ids, (left, right), new)
            tokens.append(tokens[left] + tokens[right])
            label = f"after merge {new - 255:,}: {name_pair(tokens[left], tokens[right])}"
        return draw_tokens([(label, [tokens[token] for token in ids])], "A text is glued together")

    explore(draw, merges_applied=(start, (0, len(merges), 1)))


def merge_steps(symbols: Iterable[Token], rank: Callable[[Token], float | None]) -> list[list[Token]]:
    """Every state on the way: the lowest rank is merged first, the leftmost on a tie.

    >>> merge_steps("aaab", {"ab": 1, "aa": 0}.get)
    [['a', 'a', 'a', 'b'], ['aa', 'a', 'b'], ['aa', 'ab']]
    """
    now = list(symbols)
    ranks = [(found, i) for i, (a, b) in enumerate(pairwise(now)) if (found := rank(a + b)) is not None]
    if not ranks:
        return [now]
    _, i = min(ranks)
    return [now, *merge_steps([*now[:i], now[i] + now[i + 1], *now[i + 2 :]], rank)]


def draw_merges(steps: Sequence[Sequence[Token]], ranks: Mapping[Token, float] | None = None) -> Figure:
    """A staircase: each row is the word after one merge more; ``ranks`` are told beside what they rank."""
    rows = [[token if isinstance(token, bytes) else token.encode() for token in step] for step in steps]
    widths = [max(columns_of(show_token(token)[0]), 2) + 1 for token in rows[0]]
    places = dict(zip(ends(map(len, rows[0])), ends(widths), strict=True))  # byte of the word → column
    labels, news = ["start"], [-1]
    for (before, after), step in zip(pairwise(rows), steps[1:], strict=True):
        new = [a == b for a, b in zip(before, after, strict=False)].index(False)
        rank = f"   (rank {ranks[step[new]]})" if ranks else ""
        labels.append(name_pair(*before[new : new + 2]) + rank)
        news.append(new)
    width, height = 3 + 0.15 * max(places.values()), 0.75 + 0.36 * len(rows)
    with canvas("One merge a row", width=width, height=height) as (figure, axes):
        ax = axes[0, 0]
        for y, (row, new) in enumerate(zip(rows, news, strict=True)):
            for i, (token, (start, end)) in enumerate(zip(row, pairwise(ends(map(len, row))), strict=True)):
                tint = ORANGE if i == new else SKY if token not in rows[0] else style.GRID
                left, right = places[start] + 0.15, places[end] - 0.15
                draw_box(ax, left, -y, right - left, show_token(token), tint)
        ax.set(xlim=(0, max(places.values())), ylim=(0.5 - len(rows), 0.6))
        clear(ax, "orange: just merged    blue: merged before")
        ax.set_yticks(-np.arange(len(rows)), labels, family=fonts_here(), fontsize=9, parse_math=False)
        ax.tick_params(length=0)
    return figure


def name_pair(left: bytes, right: bytes) -> str:
    return f"{show_token(left)[0]} + {show_token(right)[0]}"


def ends(lengths: Iterable[float]) -> list[float]:
    return list(accumulate(lengths, initial=0))


def mark_sizes(ax: Axes, sizes: Sequence[int], places: Sequence[float], y: str) -> None:
    ticks = [f"{n / (1024 if n % 1024 == 0 else 1000):.0f}K" if n >= 1000 else f"{n}" for n in sizes]
    ax.set_xticks(places, ticks)
    ax.minorticks_off()
    label_axes(ax, "vocabulary (tokens)", y)


def plot_runs(ax: Axes, x: Sequence[float], runs: Mapping[str, ndarray], scale: float = 1) -> None:
    """For each label (seeds, x): a dot a run, a line through their means, a band between the extremes."""
    for label, values in runs.items():
        values = np.atleast_2d(values) * scale
        colour = ax.plot(x, values.mean(axis=0), label=label)[0].get_color()
        ax.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.18, linewidth=0)
        ax.plot(x, values.T, "o", color=colour, markersize=4, alpha=0.6)
    ax.legend(loc="best")


def draw_compression(characters_per_token: Mapping[str, ndarray], sizes: Sequence[int]) -> Figure:
    """One line a language: characters a token for each vocabulary; nan where there is no number."""
    title = "A larger vocabulary makes longer tokens, where it has learnt the language"
    with canvas(title, height=4.2) as (figure, axes):
        plot_runs(axes[0, 0], sizes, characters_per_token)
        axes[0, 0].set(xscale="log", ylim=(0, None))
        mark_sizes(axes[0, 0], sizes, sizes, "length of a token (characters)")
    return figure


def draw_cost(
    sizes: Sequence[int], embedding: ndarray, head: ndarray, share: ndarray, tokens: ndarray, cache: ndarray
) -> Figure:
    """What a larger vocabulary costs (above) and saves (below): parameters at the two ends of the model, the
    share (0 to 1) of the arithmetic that goes into the logits, tokens and cache bytes of one text."""
    title = "A larger vocabulary costs parameters and arithmetic, and saves tokens and cache"
    panels = (
        ("parameters (millions)", np.array(embedding) / 1e6, BLUE),
        ("arithmetic for logits (%)", np.array(share) * 100, VERMILION),
        ("text (tokens)", np.array(tokens), GREEN),
        ("KV cache of it (KiB)", np.array(cache) / 2**10, SKY),
    )
    places = range(len(sizes))
    with canvas(title, rows=2, columns=2, width=8.4, height=5.6) as (figure, axes):
        for ax, (name, values, colour) in zip(axes.flat, panels, strict=True):
            ax.bar(places, values, color=colour)
            mark_sizes(ax, sizes, places, name)
            ax.grid(axis="x", visible=False)
        axes[0, 0].bar(places, np.array(head) / 1e6, bottom=panels[0][1], color=ORANGE)
        axes[0, 0].legend(["embedding", "head"], loc="upper left")
    return figure


def draw_growth(models: Mapping[str, tuple[int, int, int]]) -> Figure:
    """One bar a model (embedding, head or 0 if it is tied, all else): how much of the whole the ends are."""
    title = "Four times the vocabulary: a burden for small models, small change for large ones"
    counts = np.array(list(models.values()), dtype=float)  # (models, 3)
    embeddings, heads, _ = 100 * counts.T / counts.sum(axis=1)
    both, rows = embeddings + heads, range(len(models))
    with canvas(title, height=1.2 + 0.42 * len(models)) as (figure, axes):
        ax = axes[0, 0]
        ax.barh(rows, embeddings, height=0.68, color=BLUE, label="embedding")
        ax.barh(rows, heads, height=0.68, left=embeddings, color=ORANGE, label="head")
        for row, (embedding, head, rest) in enumerate(counts / 1e9):
            told = f"  {both[row]:.1f}%: {embedding + head:.2f} of {embedding + head + rest:.2f} billion"
            ax.text(both[row], row, told, va="center")
        ax.set_yticks(rows, list(models))
        ax.set(ylim=(len(models) - 0.5, -0.5), xlim=(0, 1.6 * both.max()))
        ax.grid(axis="y", visible=False)
        ax.legend(loc="lower right")
        label_axes(ax, "share of all parameters (%)", "")
    return figure


def draw_bits_per_byte(sizes: Sequence[int], losses: Mapping[str, ndarray], floor: float) -> Figure:
    """Loss (seeds, sizes) of one model with each vocabulary, for each label."""
    title = "The same model with each vocabulary: a dot a seed, the line is their mean"
    with canvas(title, height=4.2) as (figure, axes):
        plot_runs(axes[0, 0], sizes, losses)
        axes[0, 0].set_xscale("log")
        mark_sizes(axes[0, 0], sizes, sizes, "loss (bits per byte)")
        draw_floor(axes[0, 0], floor)
    return figure


def draw_digits(x: Sequence[float], right: Mapping[str, ndarray], unit: str = "training (tokens)") -> Figure:
    """Share (seeds, x), from 0 to 1, of sums answered right, for each way to cut digits."""
    title = "Sums, and how their digits are cut: a dot a seed, the line is their mean"
    with canvas(title, height=4.2) as (figure, axes):
        plot_runs(axes[0, 0], x, right, scale=100)
        axes[0, 0].set_ylim(-3, 103)
        axes[0, 0].xaxis.set_major_formatter("{x:,.0f}")
        label_axes(axes[0, 0], unit, "right answers (%)")
    return figure
