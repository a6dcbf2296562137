"""Exercises of chapter ``gqa``: bytes of a cache, heads repeated, heads averaged, scores with shared keys."""

import numpy as np
import torch

from llamalite.config import LlamaConfig
from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.in_torch import gqa as in_torch

# --- gqa.1: the bytes of a cache ---------------------------------------------------------------------


def cache_bytes(n_layers, n_kv_heads, head_dim, tokens, bytes_per_number):
    return 2 * n_layers * n_kv_heads * head_dim * tokens * bytes_per_number


def by_config(n_layers, n_kv_heads, head_dim, tokens, bytes_per_number):
    n_heads = 2 * n_kv_heads
    cfg = LlamaConfig(
        dim=n_heads * head_dim, n_layers=n_layers, n_heads=n_heads, n_kv_heads=n_kv_heads, vocab_size=10
    )
    return tokens * cfg.kv_cache_bytes_per_token(bytes_per_number)


def cache_with(factor, power=1):
    def answer(n_layers, n_kv_heads, head_dim, tokens, bytes_per_number):
        return factor * n_layers * n_kv_heads * head_dim * tokens**power * bytes_per_number

    return answer


CACHE_BYTES = Exercise(
    title="cache_bytes(n_layers, n_kv_heads, head_dim, tokens, bytes_per_number): keys and values of a text",
    cases=lambda: [(32, 8, 128, 8192, 2), (16, 8, 64, 100, 4), (2, 1, 16, 7, 2)],
    oracle=by_config,
    solution=cache_bytes,
    why="Each token leaves a key and a value in every layer, one of each for every key/value head, head_dim "
    "numbers long. Query heads do not appear: queries are used once and thrown away.",
    hints=(
        "Keys and values: two of everything.",
        "Each layer has its own; each key/value head has head_dim numbers.",
        "2 · layers · heads · head_dim · tokens · bytes.",
    ),
    mistakes=(
        Mistake("keys only", cache_with(1), "you count keys or values: both are kept"),
        Mistake("thrice", cache_with(3), "queries are not kept: nobody asks for them again"),
        Mistake("square", cache_with(2, power=2), "the cache grows with the text, not with its square"),
    ),
)  # fmt: skip

# --- gqa.2: heads repeated ---------------------------------------------------------------------------


def repeat_heads(k, n_rep):
    return np.repeat(k, n_rep, axis=1)


def interleaved(k, n_rep):
    return torch.tensor(k).repeat_interleave(n_rep, dim=1).numpy()


def tiled(k, n_rep):
    return np.tile(k, (1, n_rep, 1))


def only_the_first(k, n_rep):
    return np.repeat(k[:, :1], k.shape[1] * n_rep, axis=1)


def backwards(k, n_rep):
    return np.repeat(k[:, ::-1], n_rep, axis=1)


REPEAT = Exercise(
    title="repeat_heads(k, n_rep): (S, K, H) → (S, K·n_rep, H); query head i finds its keys at i",
    cases=lambda: [(normals((5, 3, 2))[0], 2), (normals((4, 2, 3))[0], 4), (normals((3, 2, 2))[0], 1)],
    oracle=interleaved,
    solution=repeat_heads,
    why="Query heads 0 … n_rep-1 read key head 0, the next n_rep read head 1. Each head is repeated in its "
    "place: 0 0 1 1, which NumPy calls repeat and PyTorch repeat_interleave. PyTorch's repeat and NumPy's "
    "tile give 0 1 0 1.",
    hints=(
        "For two heads and n_rep = 2 the order must be 0, 0, 1, 1.",
        "np.repeat and np.tile differ in exactly this.",
        "np.repeat(k, n_rep, axis=1).",
    ),
    mistakes=(
        Mistake("tiled", tiled, "you have 0 1 0 1; neighbours must share: 0 0 1 1"),
        Mistake("only the first", only_the_first, "all query heads read key head 0: that is multi-query"),
        Mistake("backwards", backwards, "the first query heads read the last key head: keep their order"),
    ),
)  # fmt: skip

# --- gqa.3: heads averaged ---------------------------------------------------------------------------


def mean_heads(w, n_heads, n_groups):
    head_dim, D = len(w) // n_heads, w.shape[1]
    groups = w.reshape(n_groups, n_heads // n_groups, head_dim, D)
    return groups.mean(axis=1).reshape(n_groups * head_dim, D)


def merged(w, n_heads, n_groups):
    return in_torch.merge_heads(torch.tensor(w), n_heads, n_groups).numpy()


def mean_with(how):
    def answer(w, n_heads, n_groups):
        heads = w.reshape(n_heads, -1, w.shape[1])
        neighbours = heads.reshape(n_groups, n_heads // n_groups, -1, w.shape[1])
        strided = heads.reshape(n_heads // n_groups, n_groups, -1, w.shape[1])
        found = {
            "first": neighbours[:, 0],
            "sum": neighbours.sum(1),
            "strided": strided.mean(0),
            "rows": w.reshape(n_groups * heads.shape[1], -1, w.shape[1])
            .mean(1)
            .reshape(n_groups, -1, w.shape[1]),
        }[how]
        return found.reshape(-1, w.shape[1])

    return answer


MEAN = Exercise(
    title="mean_heads(w, n_heads, n_groups): wk (n_heads · head_dim, dim) → (n_groups · head_dim, dim)",
    cases=lambda: [(normals((12, 5))[0], 4, 2), (normals((18, 3))[0], 6, 3), (normals((8, 3))[0], 4, 1)],
    oracle=merged,
    solution=mean_heads,
    why="The rows of a head stand together, and heads that will share are neighbours, because neighbouring "
    "query heads will read the result. The mean goes over the heads of a group, row by row.",
    hints=(
        "Which rows belong to head 0? The first head_dim = len(w) // n_heads.",
        "Reshape to (n_groups, heads in a group, head_dim, dim).",
        "Mean over axis 1, and back to two axes.",
    ),
    mistakes=(
        Mistake("first", mean_with("first"), "that is the first head of each group, not the mean"),
        Mistake("sum", mean_with("sum"), "you added up: scores would grow with the group"),
        Mistake("strided", mean_with("strided"), "you merged heads that are not neighbours"),
        Mistake("rows", mean_with("rows"), "you averaged rows of one head: its coordinates"),
    ),
)  # fmt: skip

# --- gqa.4: scores with shared keys ------------------------------------------------------------------


def shared_scores(q, k):
    n_rep = q.shape[0] // k.shape[0]
    groups = q.reshape(k.shape[0], n_rep * q.shape[1], q.shape[2])
    scores = groups @ k.swapaxes(1, 2) / np.sqrt(q.shape[2])
    return scores.reshape(q.shape[0], q.shape[1], k.shape[1])


def by_loops(q, k):
    out = np.zeros((q.shape[0], q.shape[1], k.shape[1]))
    for i, one in enumerate(q):
        for t, query in enumerate(one):
            for s, key in enumerate(k[i * len(k) // len(q)]):
                out[i, t, s] = sum(a * b for a, b in zip(query, key, strict=True)) / q.shape[2] ** 0.5
    return out


def scores_with(repeat=np.repeat, scale=0.5, width=2):
    def answer(q, k):
        n_rep = len(q) // len(k)
        keys = np.repeat(k, n_rep, axis=0) if repeat is np.repeat else np.tile(k, (n_rep, 1, 1))
        return q @ keys.swapaxes(1, 2) / q.shape[width] ** scale

    return answer


SCORES = Exercise(
    title="shared_scores(q, k): q (N, T, H), k (K, S, H) → (N, T, S), divided by the root of H",
    cases=lambda: [
        normals(*shapes)
        for shapes in [((4, 3, 5), (2, 6, 5)), ((6, 1, 4), (3, 7, 4)), ((3, 2, 5), (1, 4, 5))]
    ],
    oracle=by_loops,
    solution=shared_scores,
    why="The queries of a group stand one below the other, as if they were more positions of one head; one "
    "product with the keys of the group serves them all, and the keys are read once.",
    hints=(
        "n_rep = N // K neighbouring query heads read the same keys.",
        "Reshape q to (K, n_rep · T, H): all queries that read the same keys, one below the other.",
        "Multiply by k.swapaxes(1, 2), divide by np.sqrt(H), reshape to (N, T, S).",
    ),
    mistakes=(
        Mistake("tiled", scores_with(repeat=np.tile), "query head 1 reads key head 1: neighbours share"),
        Mistake("unscaled", scores_with(scale=0.0), "not scaled: divide by the root of head_dim"),
        Mistake("scaled twice", scores_with(scale=1.0), "you divide by head_dim: it is its root"),
        Mistake("wrong width", scores_with(width=1), "you divide by the root of T: it is the root of H"),
    ),
    properties=(
        Property("with one key head all query heads must read it",
                 lambda answer: answer(np.ones((3, 1, 4)), np.ones((1, 2, 4))).tolist() == [[[2, 2]]] * 3),
    ),
)  # fmt: skip

EXERCISES = {"gqa.1": CACHE_BYTES, "gqa.2": REPEAT, "gqa.3": MEAN, "gqa.4": SCORES}
