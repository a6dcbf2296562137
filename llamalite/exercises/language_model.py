"""Exercises of chapter ``language_model``: count pairs, interpolate, average, compare, and find a floor."""

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.in_numpy import language_model as in_numpy
from llamalite.in_numpy.language_model import count_bigrams as pairs

# --- language_model.1: the bigram model --------------------------------------------------------------


def bigram_probs(tokens, vocab_size, alpha):
    counts = np.full((vocab_size, vocab_size), float(alpha))
    for i in range(1, len(tokens)):
        counts[tokens[i - 1], tokens[i]] += 1
    return counts / counts.sum(axis=1, keepdims=True)


def bigram_probs_by_bincount(tokens, vocab_size, alpha):
    counts = pairs(tokens, vocab_size)
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * vocab_size)


def pairs_once(tokens, vocab_size):
    """``counts[a, b] += 1`` with arrays a and b: NumPy adds once, however often a pair is named."""
    counts = np.zeros((vocab_size, vocab_size))
    counts[tokens[:-1], tokens[1:]] += 1
    return counts


def normalised(counts, axis):
    return counts / counts.sum(axis=axis, keepdims=True)


BIGRAM_SIZES = ((10, 3, 0.5), (50, 4, 0.1), (30, 3, 2.0))  # every token comes
BIGRAM = Exercise(
    title="bigram_probs(tokens, vocab_size, alpha): row a, column b: the probability of b after a",
    cases=lambda: [(np.random.default_rng(n).integers(0, V, n), V, a) for n, V, a in BIGRAM_SIZES],
    oracle=bigram_probs_by_bincount,
    solution=bigram_probs,
    why="Row a holds what came after a. Starting every count at alpha keeps a pair that was never seen "
    "possible, and dividing each row by its own sum makes it a distribution, also that of a token that "
    "never came: all alike.",
    hints=(
        "Start from a table (vocab_size, vocab_size) that holds alpha everywhere, and count on top of it.",
        "A pair is tokens[i - 1] and tokens[i]: the first of it is the row, the second the column.",
        "Divide by counts.sum(axis=1, keepdims=True), so that every row sums to one.",
    ),
    mistakes=(
        Mistake("columns", lambda t, V, alpha: normalised(pairs(t, V) + alpha, 0),
                "your columns sum to one: a row is what can come after a token, so rows should"),
        Mistake("transposed", lambda t, V, alpha: normalised(pairs(t, V).T + alpha, 1),
                "your table lies on its side: the row is the token before, the column the token after"),
        Mistake("joint", lambda t, V, alpha: normalised(pairs(t, V) + alpha, (0, 1)),
                "you divide by the number of all pairs: that is how likely the pair is, not b after a"),
        Mistake("alpha below missing", lambda t, V, a: (pairs(t, V) + a) / pairs(t, V).sum(1, keepdims=True),
                "your rows sum to more than one: what alpha adds above must be added below as well"),
        Mistake("alpha once below", lambda t, V, a: (pairs(t, V) + a) / (a + pairs(t, V).sum(1, keepdims=1)),
                "below, alpha is added only once: each of the vocab_size columns got one"),
        Mistake("each pair once", lambda t, V, alpha: normalised(pairs_once(t, V) + alpha, 1),
                "a pair that comes often is counted once: counts[a, b] += 1 with whole arrays a and b adds "
                "one only; loop, or use np.add.at or np.bincount"),
        Mistake("round the corner", lambda t, V, alpha: normalised(pairs(np.append(t, t[0]), V) + alpha, 1),
                "you also count the first token as coming after the last: did you use np.roll?"),
    ),
    properties=(
        Property("every row should sum to one, also that of a token that never came",
                 lambda f: np.allclose(f(np.array([0, 1, 0]), 4, 0.5).sum(1), 1)),
    ),
)  # fmt: skip

# --- language_model.2: one step from a shorter context to a longer one -------------------------------


def mix(counts, shorter, discount):
    total = counts.sum()
    if total == 0:  # this context never came
        return shorter
    freed = discount * np.count_nonzero(counts)
    return (np.maximum(counts - discount, 0) + freed * shorter) / total


def interpolate_by_module(counts, shorter, discount):
    total, kinds = (np.full(counts.shape, n) for n in (counts.sum(), np.count_nonzero(counts)))
    return in_numpy.interpolate(counts, total, kinds, shorter, discount)


def wrong_mixture(kept, freed):
    """A mistake made by what is kept of the counts c, and by how much the shorter context hands out."""
    return lambda c, s, d: (kept(c, d) + freed(c, d) * s) / c.sum() if c.any() else s


def unseen_only(c, s, d):
    return mix(c, s * (c == 0) / s[c == 0].sum(), d)


def interpolate_cases() -> list[tuple]:
    shorter = np.array([0.4, 0.3, 0.2, 0.1])
    counts = [[4, 0, 1, 0], [0, 0, 0, 0], [3, 2, 0, 9], [0, 1, 0, 0]]
    return [(np.array(c), shorter, d) for c, d in zip(counts, (0.75, 0.75, 0.5, 0.25), strict=True)]


INTERPOLATE = Exercise(
    title="mix(counts, shorter, discount): the distribution after one context, counts (V,) having "
    "come after it, given the distribution (V,) of a shorter context",
    cases=interpolate_cases,
    oracle=interpolate_by_module,
    solution=mix,
    why="Each token that was seen gives up the discount, so discount × (number of different tokens) is "
    "free, and the shorter context hands it out. What is taken equals what is given: the sum stays one. A "
    "context that never came has nothing to say.",
    hints=(
        "With counts 4, 0, 1, 0 and discount 0.75 there remain 3.25 and 0.25; freed are 2 × 0.75 = 1.5.",
        "What is freed is shared out in proportion to shorter, which sums to one already.",
        "Do not forget the context that never came: its counts are all 0, and the answer is shorter.",
    ),
    mistakes=(
        Mistake("nothing taken", wrong_mixture(lambda c, d: c, lambda c, d: d * (c > 0).sum()),
                "your probabilities sum to more than one: you give without taking from the counts"),
        Mistake("nothing given", wrong_mixture(lambda c, d: c - d * (c > 0), lambda c, d: 0),
                "your probabilities sum to less than one: what you took from the counts is lost"),
        Mistake("given once", wrong_mixture(lambda c, d: c - d * (c > 0), lambda c, d: d),
                "you hand out one discount, but every different token that was seen gave one up"),
        Mistake("given to unseen ones", unseen_only,
                "you hand the freed part to tokens not seen here only. That is back-off, and a fine model; "
                "this exercise asks for a mixture, in which every token gets its share"),
        Mistake("0 for an unseen context", lambda c, s, d: mix(c, s, d) * c.any(),
                "for a context that never came you answer 0 everywhere: nobody knows better than shorter"),
        Mistake("uniform", lambda c, s, d: mix(c, np.full(len(s), 1 / len(s)), d),
                "you hand out equal shares: let shorter decide"),
        Mistake("negative counts", wrong_mixture(lambda c, d: c - d, lambda c, d: d * (c > 0).sum()),
                "you take the discount from tokens that never came as well: only what was seen can give"),
    ),
    properties=(
        Property("the probabilities should sum to one",
                 lambda f: np.isclose(f(np.array([1, 0, 5]), np.array([0.2, 0.2, 0.6]), 0.3).sum(), 1)),
        Property("a token not seen here, but possible after the shorter context, must stay possible",
                 lambda f: f(np.array([1, 0, 5]), np.array([0.2, 0.2, 0.6]), 0.3)[1] > 0),
    ),
)  # fmt: skip

# --- language_model.3: the mean over real tokens -----------------------------------------------------


def mean_loss(loss, lengths):
    total = sum(row[:n].sum() for row, n in zip(loss, lengths, strict=True))
    return total / lengths.sum()


def mean_loss_by_mask(loss, lengths):
    return in_numpy.masked_mean(loss, real(loss, lengths))[0]


def real(loss, lengths):
    return np.arange(loss.shape[1]) < lengths[:, None]


def mean_loss_cases() -> list[tuple]:
    rng = np.random.default_rng(3)
    lengths = [np.array([5, 2, 3]), np.array([2, 9]), np.array([4, 4, 4, 2])]
    return [(rng.uniform(0.5, 4, (len(n), n.max() + 2)), n) for n in lengths]


MEAN_LOSS = Exercise(
    title="mean_loss(loss, lengths): the mean of loss (B, T) over real tokens; row b has lengths[b] of them, "
    "and padding after them",
    cases=mean_loss_cases,
    oracle=mean_loss_by_mask,
    solution=mean_loss,
    why="The loss a token is the total surprise over the number of real tokens. Padding adds to neither, "
    "and every token weighs the same, whether its text is long or short.",
    hints=(
        "Of row b only loss[b, :lengths[b]] is real.",
        "Add up all that is real, and divide once, by the number of real tokens: lengths.sum().",
    ),
    mistakes=(
        Mistake("all", lambda loss, n: loss.mean(), "you average over the padding as well"),
        Mistake("zeros counted", lambda loss, n: np.where(real(loss, n), loss, 0).mean(),
                "padding adds nothing above the line, but is counted below: divide by lengths.sum()"),
        Mistake("mean of means", lambda loss, n: np.mean(np.where(real(loss, n), loss, 0).sum(1) / n),
                "you average the rows' averages: a token of a short text then weighs more than one of a long "
                "text; add up everything first and divide once"),
        Mistake("sum", lambda loss, n: loss[real(loss, n)].sum(), "that is the sum, not yet a mean"),
        Mistake("per row", lambda loss, n: loss[real(loss, n)].sum() / len(n),
                "that is the loss a text: for the loss a token divide by the number of tokens, not of rows"),
        Mistake("one too few", lambda loss, n: mean_loss(loss, n - 1),
                "you leave out the last real token of every row"),
    ),
    properties=(
        Property("more padding on the right should not change the mean",
                 lambda f: np.isclose(f(np.array([[1.0, 2.0]]), np.array([2])),
                                      f(np.array([[1.0, 2.0, 9.0]]), np.array([2])))),
    ),
)  # fmt: skip

# --- language_model.4: bits per byte -----------------------------------------------------------------


def to_bits_per_byte(mean_nats, n_tokens, text):
    bits = mean_nats * n_tokens / np.log(2)
    return bits / len(text.encode("utf-8"))


def bits_per_byte_by_module(mean_nats, n_tokens, text):
    return in_numpy.bits_per_byte(np.full(n_tokens, mean_nats), len(bytes(text, "utf-8")))


BITS = Exercise(
    title="to_bits_per_byte(mean_nats, n_tokens, text): what a model that loses mean_nats a token on the "
    "n_tokens of text scores in bits per byte",
    cases=lambda: [(1.2, 40, "An owl called Lusoda. " * 4), (2.0, 7, "옛날 옛적에 여우가"), (0.5, 3, "Käse")],
    oracle=bits_per_byte_by_module,
    solution=to_bits_per_byte,
    why="Tokens differ between tokenizers, and so does the loss a token. The total surprise about a text "
    "does not care how it was cut, and neither do its UTF-8 bytes: their ratio can be compared.",
    hints=(
        "First undo the mean: how many nats does the whole text cost?",
        "A bit is log 2 = 0.693 nats, so there are more bits than nats.",
        'The bytes of a text are len(text.encode("utf-8")); a Korean syllable has three.',
    ),
    mistakes=(
        Mistake("characters", lambda nats, n, text: nats * n / np.log(2) / len(text),
                "you divide by characters: a Korean syllable is one character and three bytes of UTF-8"),
        Mistake("nats", lambda nats, n, text: nats * n / len(text.encode()),
                "those are nats per byte: a bit is log 2 nats"),
        Mistake("times log 2", lambda nats, n, text: nats * n * np.log(2) / len(text.encode()),
                "you multiply by log 2: a nat is more than a bit, so more bits than nats must come out"),
        Mistake("per token", lambda nats, n, text: nats / np.log(2),
                "those are bits per token, which change with the tokenizer: spread them over the bytes"),
        Mistake("mean forgotten", lambda nats, n, text: nats / np.log(2) / len(text.encode()),
                "you spread the loss of one token over the whole text: multiply by n_tokens first"),
        Mistake("perplexity", lambda nats, n, text: np.exp(nats), "that is the perplexity a token"),
    ),
    properties=(
        Property("half as many tokens at twice the loss are the same surprise, and should score the same",
                 lambda f: np.isclose(f(1.0, 10, "a text"), f(2.0, 5, "a text"))),
    ),
)  # fmt: skip

# --- language_model.5: the floor of one step ---------------------------------------------------------


def step_entropy(told, weights):
    p = weights / weights.sum()
    total = told * -np.sum(p * np.log(p))  # which phrasing, if it is told
    for q in (told, 1 - told):  # told or not
        if q > 0:
            total -= q * np.log(q)
    return total


def step_entropy_outcome_by_outcome(told, weights):
    """All that can happen, one by one: not told, or told in one of the ways."""
    outcomes = [1 - told] + [told * w / sum(weights) for w in weights]
    return -sum(q * np.log(q) for q in outcomes if q > 0)


def phrasing(weights):
    return step_entropy(1.0, weights)


STEP_ENTROPY = Exercise(
    title="step_entropy(told, weights): the entropy, in nats, of a step of a tale that is told with "
    "probability told, and then in one of several ways, in proportion to weights",
    cases=lambda: [(0.5, np.arange(1.0, 4)), (1.0, np.arange(4.0, 0, -1)), (0.3, np.array([2.0, 1.0]))],
    oracle=step_entropy_outcome_by_outcome,
    solution=step_entropy,
    why="The chain rule: first the surprise of whether it is told, then, in the cases in which it is, the "
    "surprise of how. Add this up over all steps of a tale, and you have the floor of the whole corpus.",
    hints=(
        "The entropy of a choice is -Σ p log p; weights become probabilities when divided by their sum.",
        "There are two choices: told or not, and which way. The second is only made if the first says yes.",
        "A step that is always told has told = 1, and 0 · log 0 counts as 0.",
    ),
    mistakes=(
        Mistake("whether forgotten", lambda told, w: told * phrasing(w),
                "you forget that whether the step is told is a surprise of its own"),
        Mistake("how forgotten", lambda told, w: step_entropy(told, np.ones(1)),
                "you count whether the step is told, and not in which of its ways"),
        Mistake("how always", lambda told, w: step_entropy(told, np.ones(1)) + phrasing(w),
                "you count the choice of words in full, but it is only made if the step is told"),
        Mistake("bits", lambda told, w: step_entropy(told, w) / np.log(2),
                "those are bits: in nats the logarithm is the natural one"),
        Mistake("sign", lambda told, w: -step_entropy(told, w),
                "an entropy is never negative: the sign is the wrong way round"),
        Mistake("one phrasing drawn", lambda told, w: phrasing(w),
                "you count which way and forget that the step may not be told"),
    ),
)  # fmt: skip

EXERCISES = {
    "language_model.1": BIGRAM,
    "language_model.2": INTERPOLATE,
    "language_model.3": MEAN_LOSS,
    "language_model.4": BITS,
    "language_model.5": STEP_ENTROPY,
}
