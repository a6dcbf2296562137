"""Figures of chapter ``sft``: what is learnt of a dialogue, who sees whom in a row; and a chat box."""

import os
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from IPython.display import display
from jaxtyping import Bool
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from llamalite.align.chat import END_OF_TURN, FORMATS, Message
from llamalite.align.sft import encode_dialogue
from llamalite.figures.explore import explore, import_widgets
from llamalite.figures.style import BLUE, CYCLE, GREY, ORANGE, SKY, canvas, label_axes
from llamalite.text.tokenization.tokenizer import Tokenizer

Record = Mapping[str, Any]
WIDTH = 100  # characters in a line of tokens


def shown(tokenizer: Tokenizer, token: int) -> str:
    """One token as it can be read: line breaks as ⏎, spaces as ·, special tokens by name."""
    names = {i: name for name, i in tokenizer.special_ids.items()}
    text = names.get(token) or tokenizer.token_bytes(token).decode(errors="replace")
    return text.replace("\n", "⏎").replace(" ", "·")


def draw_mask(tokens: Sequence[str], trained: Sequence[bool], title: str) -> Figure:
    """Every token in a box, those that are learnt in colour."""
    lines: list[list[int]] = [[]]
    for i, token in enumerate(tokens):
        used = sum(len(tokens[j]) + 1 for j in lines[-1])
        turn_is_over = bool(lines[-1]) and tokens[lines[-1][-1]] in (END_OF_TURN, "</s>")
        if lines[-1] and (turn_is_over or used + len(token) + 1 > WIDTH):
            lines.append([])
        lines[-1].append(i)
    with canvas(title, width=10, height=1.0 + 0.36 * len(lines)) as (figure, axes):
        ax = axes[0, 0]
        for row, line in enumerate(lines):
            at = 0.0
            for i in line:
                wide = len(tokens[i]) + 0.6
                colour = SKY if trained[i] else "#EEEEEE"
                ax.add_patch(Rectangle((at, -row - 0.4), wide, 0.8, facecolor=colour, edgecolor="white"))
                style = {"ha": "center", "va": "center", "fontsize": 8.5, "family": "monospace"}
                ax.text(at + wide / 2, -row, tokens[i], **style)
                at += wide + 0.4
        ax.set(xlim=(0, WIDTH + 6), ylim=(-len(lines) + 0.4, 0.6))
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        label_axes(ax, "in blue: learnt; in grey: only read", "")
    return figure


def draw_dialogue(
    tokenizers: Mapping[str, Tokenizer], messages: Sequence[Message], format: str, turns: int, last_only: bool
) -> Figure:
    """What of the first ``turns`` questions and answers is learnt, in one of the two formats."""
    system = [m for m in messages[:1] if m.role == "system"]
    said = [*system, *messages[len(system) : len(system) + 2 * turns]]
    tokenizer = tokenizers[format]
    example = encode_dialogue(FORMATS[format], tokenizer, said, last_only)
    share = sum(example.trained) / len(example.ids)
    n = f"{sum(example.trained)} of {len(example.ids)} tokens are learnt ({share:.0%})"
    return draw_mask([shown(tokenizer, i) for i in example.ids], example.trained, f"{format}: {n}")


def explore_mask(tokenizers: Mapping[str, Tokenizer], messages: Sequence[Message]) -> None:
    """Move through a dialogue: more turns, the other format, only the last answer."""

    def draw(format: str, turns: int, last_only: bool) -> Figure:
        return draw_dialogue(tokenizers, messages, format, turns, last_only)

    most = sum(m.role == "assistant" for m in messages)
    explore(
        draw,
        format=(next(iter(tokenizers)), list(tokenizers)),
        turns=(most, (1, most, 1)),
        last_only=(False, [False, True]),
    )


def draw_rows(masks: Mapping[str, Bool[ndarray, "T T"]]) -> Figure:
    """Who may look at whom, in rows of the same tokens."""
    title = "Who sees whom in one row of three dialogues"
    with canvas(title, columns=len(masks), width=4.4 * len(masks), height=4) as (figure, axes):
        for ax, (name, mask) in zip(axes[0], masks.items(), strict=True):
            ax.imshow(mask, cmap="Blues", vmin=0, vmax=1.4, interpolation="nearest")
            ax.set(title=name)
            ax.grid(visible=False)
            label_axes(ax, "is looked at (position)", "looks (position)")
    return figure


def mean_of(rows: Sequence[Record], how: str, what: str) -> float:
    return fmean(row[how][what] for row in rows)


def draw_doses(study: Record) -> Figure:
    """The judge's marks against the number of dialogues; each point is a run, the line their mean."""
    doses = sorted({row["n"] for row in study["doses"]})
    title = "Every tripling of the dialogues brings less, and drawing stays worse than the likeliest tokens"
    with canvas(title, columns=2, width=10, height=4) as (figure, axes):
        names = {"score": "score (0 to 1)", "perfect": "answers in which all is right (share)"}
        hows = (("sampled", BLUE, "temperature 1"), ("greedy", ORANGE, "temperature 0"))
        for ax, (what, name) in zip(axes[0], names.items(), strict=True):
            for how, colour, label in hows:
                rows = {n: [row for row in study["doses"] if row["n"] == n] for n in doses}
                for n, found in rows.items():
                    ax.plot(
                        [n] * len(found), [row[how][what] for row in found], "o", color=colour, markersize=4
                    )
                ax.plot(doses, [mean_of(rows[n], how, what) for n in doses], color=colour, label=label)
            ax.set_xscale("log")
            ax.set_xticks(doses, [f"{n:,}" for n in doses])
            ax.minorticks_off()
            ax.set_ylim(0, 1 if what == "score" else None)
            label_axes(ax, "dialogues learnt from (number)", name)
        axes[0, 0].legend(loc="lower right")
    return figure


def draw_ways(study: Record) -> Figure:
    """What the mask does: answers that end, their length, and their marks."""
    names = list(dict.fromkeys(row["name"] for row in study["ways"]))
    kinds = (
        ("ended", "answers that end (share)"),
        ("length", "length (tokens)"),
        ("score", "score (0 to 1)"),
    )
    title = "A mask one place too early, and no answer ends (temperature 1, three runs each)"
    with canvas(title, columns=3, width=11, height=3.2) as (figure, axes):
        for ax, (what, label) in zip(axes[0], kinds, strict=True):
            for i, name in enumerate(names):
                found = [row["sampled"][what] for row in study["ways"] if row["name"] == name]
                ax.barh(i, fmean(found), color=CYCLE[i], alpha=0.6)
                ax.plot(found, [i] * len(found), "o", color=GREY, markersize=4)
            ax.set_yticks(range(len(names)), names if ax is axes[0, 0] else [""] * len(names))
            ax.invert_yaxis()
            label_axes(ax, label, "what is learnt" if ax is axes[0, 0] else "")
    return figure


# --- the chat box ------------------------------------------------------------------------------------


def chat_box(stages: Mapping[str, Callable[[str], str]], question: str) -> None:
    """Talk to one of several models: choose it, ask, read. Where nobody can click, each answers once.

    ``stages`` maps a name to a function from a question to an answer.
    """
    widgets = None if os.environ.get("LLAMALITE_STATIC") == "1" else import_widgets()
    if widgets is None:
        print(f"you: {question}")
        for name, answer in stages.items():
            print(f"{name}: {answer(question)}")
        return
    stage = widgets.Dropdown(options=list(stages), description="talk to")
    asked = widgets.Text(value=question, continuous_update=False, layout=widgets.Layout(width="32em"))
    button, said = widgets.Button(description="ask"), widgets.Output()

    def ask(_: Any) -> None:
        with said:
            print(f"you: {asked.value}\n{stage.value}: {stages[stage.value](asked.value)}\n")

    button.on_click(ask)
    display(widgets.VBox([widgets.HBox([stage, asked, button]), said]))
