"""Exercises of chapter ``weights``: rows in halves, a product over two files, a width by rule."""

import torch

from llamalite.config import ffn_hidden
from llamalite.exercises.engine import Exercise, Mistake, normals
from llamalite.in_torch.rope import relayout

# --- weights.1: from pairs to halves --------------------------------------------------------------


def to_halves(w, n_heads):
    head_dim, D = len(w) // n_heads, w.shape[1]
    pairs = w.reshape(n_heads, head_dim // 2, 2, D)
    return pairs.swapaxes(1, 2).reshape(n_heads * head_dim, D)


def by_relayout(w, n_heads):
    return relayout(torch.tensor(w), n_heads, target="half").numpy()


def halves_with(how):
    def answer(w, n_heads):
        head_dim, D = len(w) // n_heads, w.shape[1]
        return {
            "back": w.reshape(n_heads, 2, head_dim // 2, D).swapaxes(1, 2),
            "one head": w.reshape(len(w) // 2, 2, D).swapaxes(0, 1),
            "as is": w,
            "swapped": w.reshape(n_heads, head_dim // 2, 2, D)[:, :, ::-1].swapaxes(1, 2),
        }[how].reshape(len(w), D)

    return answer


HALVES = Exercise(
    title="to_halves(w, n_heads): the rows of wq or wk, w (n_heads · head_dim, D), from Meta's order (pairs) "
    "to Hugging Face's (halves), each head on its own",
    cases=lambda: [(normals((24, 3))[0], 3), (normals((16, 2))[0], 1), (normals((24, 5))[0], 2)],
    oracle=by_relayout,
    solution=to_halves,
    why="Meta turns neighbours, rows 0 and 1, 2 and 3; Hugging Face turns i with i + head_dim/2. So the "
    "first of each pair goes to the first half and the second to the second, within each head.",
    hints=(
        "Every head is on its own: (n_heads, head_dim, D).",
        "A head of Meta's is pairs: (head_dim / 2, 2, D). In Hugging Face's the 2 comes first.",
        "Reshape to (n_heads, head_dim // 2, 2, D), swap axes 1 and 2, reshape back.",
    ),
    mistakes=(
        Mistake("back", halves_with("back"), "that is the way back, from halves to pairs"),
        Mistake("one head", halves_with("one head"), "you took all rows for one head"),
        Mistake("as is", halves_with("as is"), "nothing moved: that load would be fluent and wrong"),
        Mistake("swapped", halves_with("swapped"), "halves changed places: first of a pair, first half"),
    ),
)  # fmt: skip

# --- weights.2: a product over two files ---------------------------------------------------------------


def two_files(x, first, second):
    cut = first.shape[1]
    return x[:, :cut] @ first.T + x[:, cut:] @ second.T


def put_together(x, first, second):
    whole = torch.cat([torch.tensor(first), torch.tensor(second)], dim=1)
    return torch.nn.functional.linear(torch.tensor(x), whole).numpy()


def two_files_with(how):
    def answer(x, first, second):
        n = first.shape[1]
        return {
            "first": x[:, :n] @ first.T,
            "mean": (x[:, :n] @ first.T + x[:, n:] @ second.T) / 2,
            "crossed": x[:, n:] @ first.T + x[:, :n] @ second.T,
            "alike": x[:, :n] @ first.T + x[:, :n] @ second.T,
        }[how]

    return answer


TWO_FILES = Exercise(
    title="two_files(x, first, second): x @ wo.T for x (T, F), where first and second, each (D, F / 2), are "
    "the left and the right columns of wo",
    cases=lambda: [normals((3, 8), (5, 4), (5, 4), seed=i) for i in range(3)],
    oracle=put_together,
    solution=two_files,
    why="A weight cut by its columns takes up a part of the features, so each GPU has a part of every sum; "
    "the parts are added. That one addition is all that two GPUs must say to each other after attention.",
    hints=(
        "The first file takes up the first half of the features of x.",
        "x[:, :n] @ first.T is a part of the sum; what is the other?",
        "Add both parts.",
    ),
    mistakes=(
        Mistake("first", two_files_with("first"), "that is the part of the first file alone"),
        Mistake("mean", two_files_with("mean"), "the parts are added, not averaged"),
        Mistake("crossed", two_files_with("crossed"), "the first file belongs to the first half of x"),
        Mistake("alike", two_files_with("alike"), "both files get the first half of x"),
    ),
)  # fmt: skip

# --- weights.3: a width by rule ----------------------------------------------------------------------


def ffn_width(dim, multiple_of, multiplier):
    hidden = int(2 * (4 * dim) / 3)
    hidden = int(multiplier * hidden)
    return multiple_of * -(-hidden // multiple_of)


def width_with(how):
    def answer(dim, multiple_of, multiplier):
        hidden = multiplier * 2 * 4 * dim / 3
        return {
            "down": multiple_of * (int(hidden) // multiple_of),
            "nearest": multiple_of * round(hidden / multiple_of),
            "late": int(multiplier * ffn_hidden(dim, multiple_of)),
            "four": multiple_of * -(-int(multiplier * 4 * dim) // multiple_of),
        }[how]

    return answer


WIDTH = Exercise(
    title="ffn_width(dim, multiple_of, multiplier): the width of the feed-forward layer by the rule of "
    "chapter 07, which params.json does not say",
    cases=lambda: [(4096, 256, 1.0), (4096, 1024, 1.3), (8192, 4096, 1.3), (4130, 256, 1.0), (2048, 32, 1.5)],
    oracle=ffn_hidden,
    solution=ffn_width,
    why="Two thirds of 4·dim, for SwiGLU has three matrices and not two; then the multiplier; then up to the "
    "next multiple. Both intermediate results lose their fraction, as in Meta's code.",
    hints=(
        "Begin with int(2 · 4 · dim / 3).",
        "int(multiplier · hidden) comes before the rounding.",
        "Up to the next multiple: multiple_of · ceil(hidden / multiple_of).",
    ),
    mistakes=(
        Mistake("down", width_with("down"), "you round down: the rule rounds up"),
        Mistake("nearest", width_with("nearest"), "you round to the nearest multiple: the rule rounds up"),
        Mistake("late", width_with("late"), "the multiplier comes before the rounding, not after"),
        Mistake("four", width_with("four"), "you begin with 4·dim: it is two thirds of that"),
    ),
)  # fmt: skip

EXERCISES = {"weights.1": HALVES, "weights.2": TWO_FILES, "weights.3": WIDTH}
