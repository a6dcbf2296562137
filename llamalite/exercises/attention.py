"""Exercises of chapter ``attention``: softmax, mask, one head, the way back, heads merged, parts joined."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.in_numpy import attention as in_numpy

# --- attention.1: softmax ----------------------------------------------------------------------------


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def normalised(values, axis=-1):
    return values / values.sum(axis=axis, keepdims=True)


SOFTMAX = Exercise(
    title="softmax(scores): (T, S) → weights (T, S) that sum to one in each row",
    cases=lambda: [normals((3, 4)), normals((2, 5), seed=1)],
    oracle=in_numpy.softmax,
    solution=softmax,
    why="A row belongs to one query, and its weights share out one whole among the keys. Taking the row's "
    "maximum off first changes nothing, since e^(s - m) = e^s / e^m and the factor cancels; but without it "
    "e^1000 is infinite, and infinity by infinity is no number.",
    hints=(
        "Every score becomes e^score; a row is then divided by its own sum.",
        "A sum along the last axis that keeps it: values.sum(axis=-1, keepdims=True).",
        "Before np.exp, subtract scores.max(axis=-1, keepdims=True).",
    ),
    mistakes=(
        Mistake("over queries", lambda s: normalised(np.exp(s), axis=0),
                "your columns sum to one: the weights of one query, a row, should"),
        Mistake("over all", lambda s: np.exp(s) / np.exp(s).sum(),
                "all weights together sum to one: each row should"),
        Mistake("without e", lambda s: normalised(s),
                "you divide the scores themselves: some are negative; take e to their power first"),
        Mistake("not divided", lambda s: np.exp(s - s.max(-1, keepdims=True)),
                "your largest weight is one and the sum is more: divide by the sum of the row"),
    ),
    properties=(
        Property("scores of 1,000 should give weights, not nan: take the row's maximum off before np.exp",
                 lambda f: np.allclose(f(np.array([[1000.0, 1000.0]])), 0.5)),
    ),
)  # fmt: skip

# --- attention.2: the causal mask --------------------------------------------------------------------


def causal_mask(T, S):
    mask = np.zeros((T, S), dtype=bool)
    for t in range(T):
        mask[t, : t + S - T + 1] = True
    return mask


MASK = Exercise(
    title="causal_mask(T, S): (T, S), True where a query may look; the T queries are the last of S positions",
    cases=lambda: [(3, 3), (2, 5), (1, 4)],
    oracle=in_numpy.causal_mask,
    solution=causal_mask,
    why="Query t stands at position t + S - T and may look at itself and at everything before. With as many "
    "queries as keys that is the lower triangle; a single query, as in generation, sees everything.",
    hints=(
        "At which position stands the first of T queries, if they are the last of S positions?",
        "Query t may look at the keys 0 … t + S - T, its own included.",
        "np.tri has an argument for exactly this; or use a loop over t.",
    ),
    mistakes=(
        Mistake("first positions", lambda T, S: np.tri(T, S, dtype=bool),
                "your queries are the first T positions: they are the last, shifted by S - T"),
        Mistake("not itself", lambda T, S: np.tri(T, S, S - T - 1, dtype=bool),
                "your queries do not see their own position: it is no secret, the token there was read"),
        Mistake("one too many", lambda T, S: np.tri(T, S, S - T + 1, dtype=bool),
                "your queries see one position of the future: the very token that is to be predicted"),
        Mistake("upside down", lambda T, S: ~np.tri(T, S, S - T, dtype=bool),
                "your mask is True where a query may NOT look: True means it may"),
    ),
)  # fmt: skip

# --- attention.3: one head ---------------------------------------------------------------------------


def attend(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores[~np.tri(len(q), dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def attend_by_module(q, k, v):
    return in_numpy.attention(q[:, None], k[:, None], v[:, None], causal=True)[0][:, 0]


def attend_by(scale=lambda q: np.sqrt(q.shape[-1]), weigh=None, hide=True):
    def answer(q, k, v):
        scores, past = q @ k.T / scale(q), np.tri(len(q), dtype=bool)
        masked = np.where(past, scores, -np.inf) if hide else scores
        return (weigh(masked, past) if weigh else softmax(masked)) @ v

    return answer


HEAD = Exercise(
    title="attend(q, k, v): one causal head; q, k and v are (T, H), and so is the answer",
    cases=lambda: [normals((4, 2), (4, 2), (4, 2)), normals((5, 3), (5, 3), (5, 3), seed=2)],
    oracle=attend_by_module,
    solution=attend,
    why="Scores are dot products over sqrt(H); what may not be seen gets minus infinity before the softmax, "
    "so that e to its power is nought and the others share the whole among them; then mix the values.",
    hints=(
        "scores = q @ k.T / np.sqrt(H) has a row for each query and a column for each key.",
        "Where the key comes after the query, the score becomes -np.inf, before the softmax.",
        "The answer is weights @ v: for each query a mixture of values.",
    ),
    mistakes=(
        Mistake("no scale", attend_by(scale=lambda q: 1.0),
                "you do not divide the scores by sqrt(H): the longer the vectors, the sharper the weights"),
        Mistake("over H", attend_by(scale=lambda q: q.shape[-1]), "divide by the root of H, not by H"),
        Mistake("no mask", attend_by(hide=False),
                "your queries see the future: hide the keys that come after each query"),
        Mistake("mask after softmax",
                attend_by(hide=False, weigh=lambda s, past: np.where(past, softmax(s), 0.0)),
                "you mask after the softmax: the rows no longer sum to one, and the future has had its say"),
        Mistake("masked with nought", attend_by(hide=False, weigh=lambda s, past: softmax(s * past)),
                "you set hidden scores to 0: e^0 is 1, so they are seen all the same; use -np.inf"),
        Mistake("over queries", attend_by(weigh=lambda s, past: normalised(np.exp(s), axis=0)),
                "your softmax runs over the queries: it belongs to the keys, the last axis"),
    ),
)  # fmt: skip

# --- attention.4: back through the softmax -----------------------------------------------------------


def softmax_backward(weights, dweights):
    return weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True))


def by_jacobian(weights, dweights):
    return np.stack([(np.diag(w) - np.outer(w, w)) @ d for w, d in zip(weights, dweights, strict=True)])


BACK = Exercise(
    title="softmax_backward(weights, dweights): from the gradient of weights (T, S) to that of the scores",
    cases=lambda: [(softmax(a), b) for a, b in (normals((3, 4), (3, 4)), normals((2, 5), (2, 5), seed=3))],
    oracle=by_jacobian,
    solution=softmax_backward,
    why="Raising one score raises its own weight by w(1 - w) and lowers each other one by their product: the "
    "matrix diag(w) - w wᵀ. Times the gradient that is w · (d - Σ w d), and no matrix need be built.",
    hints=(
        "The derivative of weight i by score j is w_i (δ_ij - w_j).",
        "Sum over i: Σ_i d_i w_i (δ_ij - w_j) = w_j d_j - w_j Σ_i w_i d_i.",
        "Σ_i w_i d_i is one number a row: keep its axis, so that it broadcasts.",
    ),
    mistakes=(
        Mistake("diagonal only", lambda w, d: w * (1 - w) * d,
                "you take each weight alone: a score that rises also lowers the others of its row"),
        Mistake("nothing taken off", lambda w, d: w * d,
                "each row of the answer should sum to nought: adding one to all scores changes no weight"),
        Mistake("mean taken off", lambda w, d: w * (d - d.mean(-1, keepdims=True)),
                "you take off the mean of the gradient: it is the mean under the weights, Σ w d"),
        Mistake("over queries", lambda w, d: w * (d - (w * d).sum(0, keepdims=True)),
                "you sum over the queries: rows have nothing to do with each other here"),
    ),
)  # fmt: skip

# --- attention.5: heads side by side -----------------------------------------------------------------


def merge_heads(heads):
    N, T, H = heads.shape
    return heads.transpose(1, 0, 2).reshape(T, N * H)


MERGE = Exercise(
    title="merge_heads(heads): (N, T, H) → (T, N·H); each position's heads side by side, head 0 first",
    cases=lambda: [normals((2, 3, 4)), normals((3, 2, 2), seed=4)],
    oracle=lambda heads: np.concatenate(list(heads), axis=-1),
    solution=merge_heads,
    why="reshape only counts on through memory; it does not know what an axis means. The position's axis has "
    "to be brought to the front before the two others can be joined.",
    hints=(
        "The result's row t is head 0 at t, then head 1 at t, and so on.",
        "First (N, T, H) → (T, N, H) by transpose, then join the last two axes by reshape.",
    ),
    mistakes=(
        Mistake("reshape alone", lambda x: x.reshape(x.shape[1], -1),
                "you reshape without a transpose: the shape is right, and positions are mixed up"),
        Mistake("features first", lambda x: x.transpose(1, 2, 0).reshape(x.shape[1], -1),
                "you interleave the heads: all of head 0 comes first, then all of head 1"),
        Mistake("last head first", lambda x: np.concatenate(list(x)[::-1], axis=-1),
                "your heads stand in reverse order: head 0 comes first"),
    ),
)  # fmt: skip

# --- attention.6: two parts of the keys ---------------------------------------------------------------


def join(best1, total1, out1, best2, total2, out2):
    best = np.maximum(best1, best2)  # of all keys; taken off first, so that no power is infinite
    share1, share2 = total1 * np.exp(best1 - best), total2 * np.exp(best2 - best)
    return (share1 * out1 + share2 * out2) / (share1 + share2)


def join_by_logarithms(best1, total1, out1, best2, total2, out2):
    """The first part's share is the sigmoid of how far its log-sum-exp lies above the second's."""
    above = (best1 + np.log(total1)) - (best2 + np.log(total2))
    return out2 + (out1 - out2) * np.exp(-np.logaddexp(0.0, -above))


def join_with(share):
    """``share(best, total, other_best)`` of each part, in place of the right one."""

    def answer(best1, total1, out1, best2, total2, out2):
        one, two = share(best1, total1, best2), share(best2, total2, best1)
        return (one * out1 + two * out2) / (one + two)

    return answer


def join_undivided(best1, total1, out1, best2, total2, out2):
    best = np.maximum(best1, best2)
    return total1 * np.exp(best1 - best) * out1 + total2 * np.exp(best2 - best) * out2


def part(q, k, v) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is known of one part of the keys: largest score, sum of powers, answer."""
    scores = q @ k.T
    best = scores.max(axis=-1, keepdims=True)
    powers = np.exp(scores - best)
    return best, powers.sum(axis=-1, keepdims=True), softmax(scores) @ v


def join_cases() -> list[tuple]:
    cases = []
    for seed, (T, one, two, H) in enumerate([(3, 4, 2, 2), (2, 3, 7, 3)], start=6):
        q, k1, v1, k2, v2 = normals((T, H), (one, H), (one, H), (two, H), (two, H), seed=seed)
        cases.append((*part(q, k1, v1), *part(q, k2, v2)))
    return cases


def far_above(join) -> bool:
    one = np.ones((2, 1))
    got = join(1000 * one, one, 3 * one, 1001 * one, one, 5 * one)
    return np.allclose(got, (3 + 5 * np.e) / (1 + np.e))


JOIN = Exercise(
    title="join(best1, total1, out1, best2, total2, out2): the answer over all keys, from those of two parts",
    cases=join_cases,
    oracle=join_by_logarithms,
    solution=join,
    why="A part's answer counts by the sum of its powers. Each sum was taken relative to its own largest "
    "score, so both are first brought to the same one, by e^(own largest - largest of all), which is at most "
    "one. Parts can be joined in any order: that is why keys can be read block by block, or by many GPUs.",
    hints=(
        "If both parts had the same largest score, the answer would be the mean of out1 and out2, weighted "
        "by total1 and total2.",
        "A sum of e^(score - best1) becomes one of e^(score - best) by the factor e^(best1 - best).",
        "Let best be the larger of best1 and best2, query by query: then no factor is above one.",
    ),
    mistakes=(
        Mistake("plain mean", join_with(lambda best, total, other: 1.0),
                "you give both parts the same say: the one with the larger sum of powers has the larger"),
        Mistake("totals alone", join_with(lambda best, total, other: total),
                "your totals were taken relative to two different largest scores: bring them to one first"),
        Mistake("largest alone", join_with(lambda best, total, other: np.exp(best - np.maximum(best, other))),
                "you weigh by the largest score alone: how many keys there were, and how good, is in total"),
        Mistake("upside down", join_with(lambda best, total, other: total * np.exp(other - best)),
                "your factors are upside down: the part with the smaller largest score has to shrink"),
        Mistake("never divided", join_undivided,
                "you add the parts up and do not divide by the joint total: shares have to sum to one"),
    ),
    properties=(
        Property("largest scores of 1,000 and 1,001 should give numbers, not nan: only their difference "
                 "belongs into np.exp", far_above),
    ),
)  # fmt: skip

EXERCISES = {f"attention.{i}": e for i, e in enumerate((SOFTMAX, MASK, HEAD, BACK, MERGE, JOIN), start=1)}
