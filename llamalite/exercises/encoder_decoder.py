"""Exercises of chapter ``encoder_decoder``: a prefix mask, 80/10/10, cross-attention, one step of a beam."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, normals
from llamalite.in_numpy import attention as in_numpy

# --- encoder_decoder.1: the mask between encoder and decoder -----------------------------------------


def prefix_mask(n_prefix, T):
    mask = np.tri(T, dtype=bool)
    mask[:, :n_prefix] = True
    return mask


def cut(n_prefix, T):
    return np.arange(T) < n_prefix


PREFIX = Exercise(
    title="prefix_mask(n_prefix, T): (T, T); the prefix sees itself both ways, the rest what came before",
    cases=lambda: [(3, 6), (0, 4), (4, 4)],
    oracle=lambda n, T: np.array([[s <= t or s < n for s in range(T)] for t in range(T)]).reshape(T, T),
    solution=prefix_mask,
    why="One stack can read like an encoder and write like a decoder: what is given may be seen by "
    "everybody, what is written only by what follows. T5's authors tried it under the name of prefix LM.",
    hints=(
        "Start from the causal mask, the lower triangle.",
        "Every token may look at every token of the prefix: which columns are that?",
    ),
    mistakes=(
        Mistake("causal", lambda n, T: np.tri(T, dtype=bool),
                "your prefix is read from left to right only: its tokens should see each other both ways"),
        Mistake("all", lambda n, T: np.ones((T, T), dtype=bool),
                "what is written sees its own future: behind the prefix only what came before may be seen"),
        Mistake("rows", lambda n, T: np.tri(T, dtype=bool) | (np.arange(T)[:, None] < n),
                "the prefix sees the answer: open the prefix's columns, not its rows"),
        Mistake("one more", lambda n, T: prefix_mask(min(n + 1, T), T) if n < T else np.tri(T, dtype=bool),
                "you open one column too many: the first token of the answer is not part of the prefix"),
        Mistake("blocks", lambda n, T: prefix_mask(n, T) & (cut(n, T)[:, None] == cut(n, T)),
                "the answer cannot see the prefix: then it might as well not be there"),
    ),
)  # fmt: skip

# --- encoder_decoder.2: 80, 10, 10 -------------------------------------------------------------------


def hide(tokens, asked, lot, noise, mask_id):
    shown = tokens.copy()
    shown[asked & (lot < 0.8)] = mask_id
    exchanged = asked & (lot >= 0.8) & (lot < 0.9)
    shown[exchanged] = noise[exchanged]
    return shown


def hide_by_choice(tokens, asked, lot, noise, mask_id):
    kinds = [~asked | (lot >= 0.9), lot < 0.8]
    return np.select(kinds, [tokens, np.full_like(tokens, mask_id)], noise)


def hide_cases() -> list[tuple]:
    rng = np.random.default_rng(0)
    tokens, noise = rng.integers(10, 99, 40), rng.integers(100, 199, 40)
    return [(tokens, rng.random(40) < 0.6, rng.random(40), noise, 3)]


HIDE = Exercise(
    title="hide(tokens, asked, lot, noise, mask_id): what a masked LM is shown; lot is in [0, 1)",
    cases=hide_cases,
    oracle=hide_by_choice,
    solution=hide,
    why="Where it is asked, the model sees the mask token eight times in ten, a random token once (lot from "
    "0.8 to 0.9) and the right one once. If it only ever saw the mask, real text would be strange to it.",
    hints=(
        "Start from a copy of tokens and change it only where asked is True.",
        "lot < 0.8: mask_id. From 0.8 to below 0.9: the noise of that place. From 0.9: as it was.",
    ),
    mistakes=(
        Mistake("always", lambda t, a, lot, n, m: np.where(a, m, t),
                "you hide all that is asked for: one in ten is exchanged, and one in ten is left alone"),
        Mistake("everywhere", lambda t, a, lot, n, m: np.where(lot < 0.8, m, np.where(lot < 0.9, n, t)),
                "you change tokens that are not asked for"),
        Mistake("no rest", lambda t, a, lot, n, m: np.where(a, np.where(lot < 0.8, m, n), t),
                "you exchange two in ten: one of them should be left as it was"),
        Mistake("no noise", lambda t, a, lot, n, m: np.where(a & (lot < 0.8), m, t),
                "you never exchange a token: from 0.8 to 0.9 the noise should stand there"),
        Mistake("upside down", lambda t, a, lot, n, m: hide(t, a, 1 - lot, n, m),
                "your shares are right, at other places: hide below 0.8, exchange up to 0.9"),
    ),
)  # fmt: skip

# --- encoder_decoder.3: cross-attention --------------------------------------------------------------


def cross_attend(x, read, wq, wk, wv):
    q, k, v = x @ wq.T, read @ wk.T, read @ wv.T
    scores = q @ k.T / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def by_module(x, read, wq, wk, wv):
    q, k, v = (y[:, None] for y in (x @ wq.T, read @ wk.T, read @ wv.T))
    return in_numpy.attention(q, k, v)[0][:, 0]


def cross_by(keys=lambda x, read: read, values=lambda x, read: read, scale=True, axis=-1, causal=False):
    def answer(x, read, wq, wk, wv):
        q, k, v = x @ wq.T, keys(x, read) @ wk.T, values(x, read) @ wv.T
        scores = q @ k.T / (np.sqrt(q.shape[-1]) if scale else 1)
        if causal:
            scores = np.where(np.tri(*scores.shape, dtype=bool), scores, -np.inf)
        powers = np.exp(scores)
        return powers / powers.sum(axis=axis, keepdims=True) @ v

    return answer


CROSS = Exercise(
    title="cross_attend(x, read, wq, wk, wv): one head; x (T, D) is being written, read (S, D) was read",
    cases=lambda: [
        normals((3, 4), (3, 4), (5, 4), (5, 4), (5, 4)),
        normals((4, 3), (4, 3), (2, 3), (2, 3), (2, 3)),
    ],
    oracle=by_module,
    solution=cross_attend,
    why="Only the queries come from what is being written. Keys and values come from what was read, "
    "all of it, so there is no mask: the source lies there whole.",
    hints=(
        "q = x @ wq.T; k and v are made from what was read.",
        "scores is (T, S), divided by the root of the head's size; a softmax along S; then the values.",
    ),
    mistakes=(
        Mistake("own keys", cross_by(keys=lambda x, read: x),
                "your keys come from the text being written: they belong to what was read"),
        Mistake("own values", cross_by(values=lambda x, read: x),
                "your values come from the text being written: they belong to what was read"),
        Mistake("self", cross_by(keys=lambda x, read: x, values=lambda x, read: x),
                "that is self-attention: the source is never looked at"),
        Mistake("causal", cross_by(causal=True),
                "there is nothing to hide: the source was read whole before the first word is written"),
        Mistake("no scale", cross_by(scale=False), "divide the scores by the root of the head's size"),
        Mistake("over queries", cross_by(axis=0), "your softmax runs over queries: it belongs to the keys"),
    ),
)  # fmt: skip

# --- encoder_decoder.4: one step of a beam -----------------------------------------------------------


def beam_step(scores, logprobs, width):
    totals = scores[:, None] + logprobs
    best = np.argsort(-totals, axis=None)[:width]
    return np.stack([best // logprobs.shape[1], best % logprobs.shape[1]], axis=1)


def by_sorting(scores, logprobs, width):
    ways = [(scores[w] + logprobs[w, v], w, v) for w, v in np.ndindex(logprobs.shape)]
    return [[w, v] for _, w, v in sorted(ways, reverse=True)[:width]]


def best_rows(totals, width):
    best = np.argsort(-totals, axis=None)[:width]
    return np.stack([best // totals.shape[1], best % totals.shape[1]], axis=1)


def one_each(scores, logprobs, width):
    rows = np.stack([np.arange(len(logprobs)), logprobs.argmax(axis=1)], axis=1)
    return rows[np.argsort(-(scores + logprobs.max(axis=1)))][:width]


def beam_cases() -> list[tuple]:
    (logits,) = normals((3, 6), seed=2)
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return [(np.array([-0.1, -2.0, -0.9]), logprobs, 3)]


BEAM = Exercise(
    title="beam_step(scores, logprobs, width): (width, 2), the best (row, token) pairs, the best first",
    cases=beam_cases,
    oracle=by_sorting,
    solution=beam_step,
    why="Every beginning (W) can go on with every token (W, V); these W·V ways compete. One beginning may "
    "have several successors and another none.",
    hints=(
        "The score of a way is that of its beginning plus the log-probability of its token.",
        "Sort all of them together; a flat index i stands for row i // V and token i % V.",
    ),
    mistakes=(
        Mistake("one each", one_each,
                "you take the best token of each beginning: all ways should compete with each other"),
        Mistake("forgets", lambda s, p, w: best_rows(p, w),
                "you forget how good the beginnings were: add their scores"),
        Mistake("worst", lambda s, p, w: best_rows(-(s[:, None] + p), w),
                "you take the worst: the scores are negative"),
        Mistake("best beginning", lambda s, p, w: [[s.argmax(), v] for v in np.argsort(-p[s.argmax()])[:w]],
                "you go on with the best beginning alone: that is greedy with a wide last step"),
        Mistake("multiplied", lambda s, p, w: best_rows(s[:, None] * p, w),
                "you multiply: probabilities multiply, and their logarithms add up"),
    ),
)  # fmt: skip

EXERCISES = {f"encoder_decoder.{i}": e for i, e in enumerate((PREFIX, HIDE, CROSS, BEAM), start=1)}
