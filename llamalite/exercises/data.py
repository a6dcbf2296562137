"""Exercises of chapter ``data``: Jaccard, MinHash, bands, who may stay, precision and recall, epochs."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.text.data import lsh, mixing

# --- data.1: Jaccard similarity ----------------------------------------------------------------------


def jaccard_of(a, b, n):
    first = {tuple(a[i : i + n]) for i in range(len(a) - n + 1)}
    second = {tuple(b[i : i + n]) for i in range(len(b) - n + 1)}
    return len(first & second) / len(first | second)


def by_counting(a, b, n):
    """Each different run of the two lists once, by a table of which list holds it."""
    table = {}
    for which, words in enumerate((a, b)):
        for i in range(len(words) - n + 1):
            table.setdefault(" ".join(words[i : i + n]), [0, 0])[which] = 1
    return np.mean([all(row) for row in table.values()])


def overlap_with(runs=True, below="union", step=1, kind=set):
    def answer(a, b, n):
        size = n if runs else 1
        lists = [[tuple(w[i : i + size]) for i in range(0, len(w) - size + 1, step)] for w in (a, b)]
        both = set(lists[0]) & set(lists[1])
        if kind is list:
            return sum(run in both for run in lists[0]) / len([*lists[0], *lists[1]])
        first, second = set(lists[0]), set(lists[1])
        size_of = {"union": len(first | second), "first": len(first), "least": min(len(first), len(second)),
                   "sum": len(first) + len(second)}  # fmt: skip
        return len(both) / size_of[below]

    return answer


WORDS = tuple(
    text.split() for text in ("the fox ran and the fox ran home", "the fox ran to the old fox ran and")
)

JACCARD = Exercise(
    title="jaccard_of(a, b, n): Jaccard similarity of the runs of n words in two lists of words",
    cases=lambda: [(*WORDS, 2), (*WORDS, 3), (WORDS[1], WORDS[0], 1), (list("abcd"), list("bcdefg"), 2)],
    oracle=by_counting,
    solution=jaccard_of,
    why="Each list becomes the set of its runs; what both hold is divided by what either holds. A run that "
    "comes twice counts once, as MinHash counts it.",
    hints=(
        "The first run is a[0:n], the last one begins at len(a) - n.",
        "Put them into sets, as tuples; a list cannot be in a set.",
        "len(first & second) / len(first | second).",
    ),
    mistakes=(
        Mistake("words", overlap_with(runs=False), "you compare single words: order says nothing to you"),
        Mistake("of the first", overlap_with(below="first"), "you divide by the first list's runs: that is "
                "how much of a is in b, and not the same the other way round"),
        Mistake("of the smaller", overlap_with(below="least"), "you divide by the smaller set, not by all"),
        Mistake("of the sum", overlap_with(below="sum"), "you divide by both sizes added: what both hold is "
                "counted twice below, and copies would get 0.5"),
        Mistake("chunks", lambda a, b, n: overlap_with(step=n)(a, b, n), "your runs begin only at every n-th "
                "word: one word more at the front, and nothing fits any more"),
        Mistake("repeats", overlap_with(kind=list), "you count runs as often as they come; sets count once"),
    ),
)  # fmt: skip

# --- data.2: MinHash ---------------------------------------------------------------------------------


def minhash(hashes, factors, shifts):
    ranks = hashes[None, :] * factors[:, None] + shifts[:, None]
    return ranks.min(axis=1)


def one_by_one(hashes, factors, shifts):
    whole = 1 << 64
    return np.array(
        [
            min((int(h) * int(f) + int(s)) % whole for h in hashes)
            for f, s in zip(factors, shifts, strict=True)
        ],
        dtype=np.uint64,
    )


def minhash_with(reduce=np.min, axis=1, order="after"):
    def answer(hashes, factors, shifts):
        if order == "before":
            return hashes.min() * factors + shifts
        return reduce(hashes[None, :] * factors[:, None] + shifts[:, None], axis=axis)

    return answer


def hashes_of(seed, n):
    h, f, s = np.random.default_rng(seed).integers(0, 2**64, (3, n), dtype=np.uint64)
    return h, f | np.uint64(1), s


MINHASH = Exercise(
    title="minhash(hashes, factors, shifts): uint64 arrays (s,), (p,), (p,) → the p lowest numbers",
    cases=lambda: [hashes_of(0, 7), hashes_of(1, 4), hashes_of(2, 30)],
    oracle=one_by_one,
    solution=minhash,
    why="Order i numbers the hash h with h · factor[i] + shift[i], where 64-bit integers wrap round by "
    "themselves. The lowest number over all hashes of a text is what is kept of it: one number an order.",
    hints=(
        "Make a table with a row an order and a column a hash: factors[:, None], hashes[None, :].",
        "Unsigned 64-bit integers wrap round: the remainder by 2^64 is taken without your doing.",
        "Take the minimum of each row, axis=1.",
    ),
    mistakes=(
        Mistake("columns", minhash_with(axis=0), "you took the lowest of each hash over the orders: one "
                "number a shingle, not one an order"),
        Mistake("maximum", minhash_with(reduce=np.max), "you keep the highest; it would serve as well, but "
                "compares with nobody else's signature"),
        Mistake("before", minhash_with(order="before"), "you take the minimum before ordering: then all "
                "orders have the same first, and 128 numbers know no more than one"),
        Mistake("place", minhash_with(reduce=np.argmin), "you return where the lowest number stands; two "
                "texts hold the same shingle at different places"),
    ),
    rtol=0, atol=0,
)  # fmt: skip

# --- data.3: bands -----------------------------------------------------------------------------------


def compared(s, bands, rows):
    return 1 - (1 - s**rows) ** bands


def by_enumeration(s, bands, rows):
    """The chance that the first band to agree is the first, the second, …"""
    one = np.prod([s] * rows)
    return sum(one * (1 - one) ** before for before in range(bands))


CURVE = Exercise(
    title="compared(s, bands, rows): the probability that two texts of similarity s share a band",
    cases=lambda: [(0.8, 16, 8), (0.5, 16, 8), (0.3, 32, 4), (0.9, 2, 3)],
    oracle=by_enumeration,
    solution=compared,
    why="A band agrees if all its rows do, s^rows. No band agrees with probability (1 - s^rows)^bands; the "
    "rest is what we want.",
    hints=(
        "One number agrees with probability s. What is the probability that a whole band does?",
        "And that it does not? And that none of the bands does?",
        "1 - (1 - s**rows) ** bands.",
    ),
    mistakes=(
        Mistake("swapped", lambda s, bands, rows: 1 - (1 - s**bands) ** rows, "bands and rows are swapped"),
        Mistake("none", lambda s, bands, rows: (1 - s**rows) ** bands, "that is the chance to be missed"),
        Mistake("all bands", lambda s, bands, rows: s ** (rows * bands), "you want all bands to agree; one "
                "will do"),
        Mistake("sum", lambda s, bands, rows: bands * s**rows, "chances of things that can happen together "
                "do not add up"),
        Mistake("any row", lambda s, bands, rows: 1 - (1 - s) ** (rows * bands), "one number in common is "
                "not enough: a whole band must be"),
    ),
    properties=(
        Property("two equal texts must always be compared", lambda answer: np.isclose(answer(1.0, 4, 3), 1)),
    ),
)  # fmt: skip

# --- data.4: who may stay ----------------------------------------------------------------------------


def who_stays(n, pairs):
    kept = np.ones(n, dtype=int)
    for j in range(n):
        for i, k in pairs:
            if k == j and kept[i]:
                kept[j] = 0
    return kept


def by_library(n, pairs):
    return lsh.keep_first(n, np.array(pairs, np.int64).reshape(-1, 2)).astype(int)


def stay_with(how):
    def answer(n, pairs):
        kept = np.ones(n, dtype=int)
        for i, j in pairs if how == "given" else sorted(pairs, key=lambda pair: pair[1]):
            if how == "given":
                kept[j] &= 1 - kept[i]
            elif how == "both":
                kept[i] = kept[j] = 0
            elif how == "first":
                kept[i] = 0
            else:
                kept[j] = 0
        return kept

    return answer


STAY = Exercise(
    title="who_stays(n, pairs): 1 for each of n texts that may stay; pairs (i, j), i < j, are alike",
    cases=lambda: [(5, [(0, 1), (1, 2), (3, 4)]), (4, [(0, 3), (1, 3), (2, 3)]), (3, []),
                   (6, [(0, 2), (2, 4), (4, 5)]), (3, [(1, 2), (0, 1)])],
    oracle=by_library,
    solution=who_stays,
    why="In order of appearance: a text goes only if it resembles one that stays. In a chain 0-1-2, text 1 "
    "goes because of 0; then nobody who is still there resembles 2.",
    hints=(
        "Go through the texts from first to last; the first always stays.",
        "Text j goes if there is a pair (i, j) whose i stays.",
        "If i is gone itself, it is no reason for j to go.",
    ),
    mistakes=(
        Mistake("any", stay_with("any"), "a text goes that resembles only a text which is gone itself"),
        Mistake("both", stay_with("both"), "both members of a pair go: nothing is left of what came twice"),
        Mistake("as they come", stay_with("given"), "you take the pairs in the order in which they come: a "
                "later pair may take away the reason for an earlier one"),
        Mistake("first", stay_with("first"), "the earlier one goes; it is the later one"),
    ),
)  # fmt: skip

# --- data.5: precision and recall --------------------------------------------------------------------


def quality_of(taken, faulty):
    right = np.sum(taken & faulty)
    return np.array([right / taken.sum(), right / faulty.sum()])


def by_sets(taken, faulty):
    a, b = set(np.flatnonzero(taken).tolist()), set(np.flatnonzero(faulty).tolist())
    return np.array([len(a & b) / len(a), len(a & b) / len(b)])


def flags(seed, n=40):
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.3, rng.random(n) < 0.5


PRECISION = Exercise(
    title="quality_of(taken, faulty): boolean arrays → [precision, recall] of a filter that took these",
    cases=lambda: [flags(0), flags(1), flags(2, 200)],
    oracle=by_sets,
    solution=quality_of,
    why="Precision asks of what was taken, how much was faulty: what a filter costs. Recall asks of what was "
    "faulty, how much was taken: what it is good for.",
    hints=(
        "right = the number of documents that are taken and faulty.",
        "Precision divides it by the number taken, recall by the number faulty.",
    ),
    mistakes=(
        Mistake("swapped", lambda taken, faulty: quality_of(taken, faulty)[::-1], "precision and recall are "
                "exchanged: precision divides by what was taken"),
        Mistake("accuracy", lambda taken, faulty: np.array([np.mean(taken == faulty)] * 2), "that is "
                "accuracy, which a filter that takes nothing has in plenty where faults are rare"),
        Mistake("kept", lambda taken, faulty: quality_of(~taken, ~faulty), "you score what stays"),
    ),
)  # fmt: skip

# --- data.6: epochs ----------------------------------------------------------------------------------


def times_read(shares, sizes, total):
    return shares / shares.sum() * total / sizes


def by_mixing(shares, sizes, total):
    names = [str(i) for i in range(len(sizes))]
    weights, tokens = (dict(zip(names, x.tolist(), strict=True)) for x in (shares, sizes))
    return np.array(list(mixing.epochs(weights, tokens, total).values()))


EPOCHS = Exercise(
    title="times_read(shares, sizes, total): how often each source is read in a training on total tokens",
    cases=lambda: [(np.array([0.82, 0.045, 0.135]), np.array([853.0, 26, 90]), 1400.0),
                   (np.array([3.0, 1.0]), np.array([1000.0, 100.0]), 800.0)],
    oracle=by_mixing,
    solution=times_read,
    why="A source gives its share of all tokens that are read; divided by the tokens it has, that is how "
    "often it is gone through. Shares may be any weights, so they are divided by their sum.",
    hints=(
        "How many tokens are read from a source with share 0.05 if 1,000 are read in all?",
        "Divide by how many tokens it holds. Do the shares sum to one?",
        "shares / shares.sum() * total / sizes.",
    ),
    mistakes=(
        Mistake("unnormalised", lambda shares, sizes, total: shares * total / sizes, "the shares need not "
                "sum to one: divide by their sum"),
        Mistake("inverse", lambda shares, sizes, total: sizes / (shares / shares.sum() * total), "upside "
                "down: a small source is read more often, not less"),
        Mistake("of all sizes", lambda shares, sizes, total: shares / shares.sum() * sizes.sum() / sizes,
                "you train on as many tokens as there are, not on total"),
        Mistake("same for all", lambda shares, sizes, total: total / sizes.sum() * np.ones(len(sizes)),
                "that is a mix without weights: all sources are read equally often"),
    ),
)  # fmt: skip

ALL = (JACCARD, MINHASH, CURVE, STAY, PRECISION, EPOCHS)
EXERCISES = {f"data.{i}": exercise for i, exercise in enumerate(ALL, start=1)}
