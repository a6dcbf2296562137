"""Exercises of chapter ``llama3``: positions, document mask, a stretched theta, loss by position, memory."""

import numpy as np
import torch

from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.in_torch import llama3 as in_torch
from llamalite.in_torch.rope import rope_frequencies


def flags(text):
    """'0010' as an array of booleans."""
    return np.array([letter == "1" for letter in text])


# --- llama3.1: positions that restart ----------------------------------------------------------------


def my_positions(begins):
    positions = np.zeros(len(begins), dtype=int)
    for t in range(1, len(begins)):
        positions[t] = 0 if begins[t] else positions[t - 1] + 1
    return positions


def restarted(begins):
    return in_torch.document_positions(torch.tensor(begins)).numpy()


def after_the_first(begins):
    return restarted(np.concatenate(([False], begins[:-1])))


POSITIONS = Exercise(
    title="my_positions(begins): for each token of a row, its position in its own document",
    cases=lambda: [(flags("00100010"),), (flags("1001011"),), (flags("00000"),)],
    oracle=restarted,
    solution=my_positions,
    why="A token stands one place behind the token before it, unless it begins a document: then it stands "
    "at 0. A row may start in the middle of a document; all that is there of it is counted from 0.",
    hints=(
        "The first token of the row stands at 0, whatever begins[0] says.",
        "Walk through the row and remember the last position.",
        "0 where begins[t] is true, otherwise one more than the position before.",
    ),
    mistakes=(
        Mistake("never restart", lambda begins: np.arange(len(begins)),
                "your positions never restart: a document must not know how many stand before it"),
        Mistake("from one", lambda begins: restarted(begins) + 1, "you count from 1, not from 0"),
        Mistake("one late", after_the_first, "you restart one token late: a beginning itself stands at 0"),
        Mistake("number of the document", lambda begins: np.cumsum(begins),
                "that is the number of each token's document, not its position in it"),
    ),
)  # fmt: skip

# --- llama3.2: the document mask ---------------------------------------------------------------------


def my_mask(begins):
    number = np.cumsum(begins)
    same = number[:, None] == number[None, :]
    return same & np.tri(len(begins), dtype=bool)


def masked(begins):
    """By loops, from the beginnings."""
    T, start = len(begins), 0
    mask = np.zeros((T, T), dtype=bool)
    for t in range(T):
        start = t if begins[t] else start
        mask[t, start : t + 1] = True
    return mask


def mask_with(shift=0, causal=True, flip=False):
    def answer(begins):
        number = np.cumsum(begins) - shift * begins
        mask = number[:, None] == number[None, :]
        mask = mask & np.tri(len(begins), dtype=bool) if causal else mask
        return ~mask if flip else mask

    return answer


MASK = Exercise(
    title="my_mask(begins): (T, T), True where token t (row) may look at token s (column)",
    cases=lambda: [(flags("00100010"),), (flags("1001011"),), (flags("0000"),)],
    oracle=masked,
    solution=my_mask,
    why="Two conditions at once: s is not later than t, and both belong to one document. The running sum of "
    "the beginnings numbers the documents, and two tokens belong together if their numbers are equal.",
    hints=(
        "What does np.cumsum(begins) count?",
        "number[:, None] == number[None, :] is a table of who belongs together.",
        "And with np.tri(T, dtype=bool), which is True where the column is not later than the row.",
    ),
    mistakes=(
        Mistake("causal alone", lambda begins: np.tri(len(begins), dtype=bool),
                "everybody sees all that stands before: documents leak into those behind them"),
        Mistake("not causal", mask_with(causal=False), "a token may look at later ones of its document"),
        Mistake("one late", mask_with(shift=1),
                "a document's first token still sees the one before: it carries the leak to all behind it"),
        Mistake("upside down", mask_with(flip=True), "True must mean: may look"),
    ),
)  # fmt: skip

# --- llama3.3: theta, NTK-aware ----------------------------------------------------------------------


def ntk_theta(theta, head_dim, factor):
    return theta * factor ** (head_dim / (head_dim - 2))


def by_the_slowest_wave(theta, head_dim, factor):
    """The theta whose slowest frequency is that of the old one, divided: solved by bisection."""
    want = rope_frequencies(head_dim, theta)[-1].item() / factor
    low, high = 0.0, np.log(1e30)
    for _ in range(200):
        middle = (low + high) / 2
        slow = np.exp(-middle * (head_dim - 2) / head_dim)
        low, high = (middle, high) if slow > want else (low, middle)
    return np.exp(low)


NTK = Exercise(
    title="ntk_theta(theta, head_dim, factor): the theta that slows the slowest wave down by exactly factor",
    cases=lambda: [(10_000.0, 128, 8.0), (500_000.0, 64, 4.0), (100.0, 6, 2.0)],
    oracle=by_the_slowest_wave,
    solution=ntk_theta,
    why="The slowest frequency is theta^(-(H-2)/H): the exponent -2i/H at i = H/2 - 1. For it to fall to "
    "1/factor of itself, theta must grow by factor^(H/(H-2)). The fastest, theta^0, is 1 whatever theta is.",
    hints=(
        "The frequencies are theta^(-2i/H) for i = 0 … H/2 - 1. Which is the slowest?",
        "Write down theta'^(-(H-2)/H) = theta^(-(H-2)/H) / factor, and solve for theta'.",
        "theta times factor to the power H / (H - 2).",
    ),
    mistakes=(
        Mistake("factor", lambda theta, head_dim, factor: theta * factor,
                "a little too small: the exponent of the slowest wave is not quite -1"),
        Mistake("upside down", lambda theta, head_dim, factor: theta * factor ** ((head_dim - 2) / head_dim),
                "the exponent is upside down: solve for theta, do not insert"),
        Mistake("half", lambda theta, head_dim, factor: theta * factor ** (head_dim / 2 / (head_dim / 2 - 2)),
                "you took the number of pairs for H: the slowest wave is i = H/2 - 1"),
        Mistake("divided", lambda theta, head_dim, factor: theta / factor ** (head_dim / (head_dim - 2)),
                "theta must grow: a larger theta makes slower waves"),
    ),
)  # fmt: skip

# --- llama3.4: loss by position ----------------------------------------------------------------------


def by_position(losses, positions):
    return np.array([losses[positions == p].mean() for p in range(positions.max() + 1)])


def averaged(losses, positions):
    return in_torch.loss_by_position(torch.tensor(losses), torch.tensor(positions)).numpy()


def sums(losses, positions):
    return np.bincount(positions.ravel(), losses.ravel())


def up_to(losses, positions):
    counts = np.bincount(positions.ravel())
    return np.cumsum(sums(losses, positions)) / np.cumsum(counts)


def packed_losses(seed, rows):
    losses = np.random.default_rng(seed).exponential(size=(len(rows), len(rows[0])))
    return losses, np.array([my_positions(flags(row)) for row in rows])


BY_POSITION = Exercise(
    title="by_position(losses, positions): both (B, T); the mean loss at each position 0, 1, 2, …",
    cases=lambda: [packed_losses(0, ["0010001", "0000100"]), packed_losses(1, ["1000"])],
    oracle=averaged,
    solution=by_position,
    why="Positions are not columns: with packed documents, position 0 occurs in many columns. For each "
    "position take the mean over all tokens that stand there, however many they are.",
    hints=(
        "positions == p is a table of True and False; it can be an index.",
        "losses[positions == p] are the losses of all tokens at position p.",
        "One mean for every p from 0 to positions.max().",
    ),
    mistakes=(
        Mistake("columns", lambda losses, positions: losses.mean(0)[: positions.max() + 1],
                "you averaged over columns: a column is not a position where documents are packed"),
        Mistake("sums", sums, "those are sums: late positions are rare, and would look easy"),
        Mistake("divided by all", lambda losses, positions: sums(losses, positions) / len(losses),
                "you divide by the number of rows: divide by how many tokens stand at that position"),
        Mistake("up to", up_to, "that is the mean of all positions so far: it hides what happens late"),
    ),
)  # fmt: skip

# --- llama3.5: the longest text that fits ------------------------------------------------------------


def longest_text(memory, n_params, cache_per_token, vocab_size):
    left = memory - 2 * n_params
    return max(0, left // (cache_per_token + 4 * vocab_size))


def by_trying(memory, n_params, cache_per_token, vocab_size):
    low, high = 0, 10**9
    while high - low > 1:
        n = (low + high) // 2
        fits = 2 * n_params + n * cache_per_token + 4 * n * vocab_size <= memory
        low, high = (n, high) if fits else (low, n)
    return low


def fit_with(weights=2, logits=4, cache=1):
    def answer(memory, n_params, cache_per_token, vocab_size):
        return max(0, (memory - weights * n_params) // (cache * cache_per_token + logits * vocab_size))

    return answer


LONGEST = Exercise(
    title="longest_text(memory, n_params, cache_per_token, vocab_size): tokens, with all logits in float32",
    cases=lambda: [
        (80 * 2**30, 8_030_261_248, 131_072, 128_256),
        (24 * 2**30, 6_738_415_616, 524_288, 32_000),
        (2**30, 10**9, 1000, 1000),
    ],
    oracle=by_trying,
    solution=longest_text,
    why="Weights take two bytes each, once. Every token leaves its keys and values behind, and if all logits "
    "are kept, four bytes for each entry of the vocabulary: for Llama 3 8B four times its keys and values.",
    hints=(
        "Subtract the weights first: two bytes each.",
        "A token costs its cache, and 4 · vocab_size bytes of logits.",
        "Whole tokens: divide with //, and never return less than 0.",
    ),
    mistakes=(
        Mistake("no logits", fit_with(logits=0), "you forgot the logits: 4 · vocab_size bytes a token"),
        Mistake("logits in two bytes", fit_with(logits=2), "logits are float32 here: four bytes each"),
        Mistake("weights in four bytes", fit_with(weights=4), "the weights take two bytes each"),
        Mistake("no weights", fit_with(weights=0), "the weights have to be there too"),
    ),
    properties=(
        Property("if the weights alone are too large, no token fits: return 0, not less",
                 lambda answer: answer(10, 100, 1, 1) == 0),
    ),
)  # fmt: skip

EXERCISES = {
    "llama3.1": POSITIONS,
    "llama3.2": MASK,
    "llama3.3": NTK,
    "llama3.4": BY_POSITION,
    "llama3.5": LONGEST,
}
