"""Exercises of chapter ``comparison``: ruler, budget, chance, who brought what, what may be compared."""

import math
from fractions import Fraction
from itertools import permutations

import numpy as np

from llamalite.config import LlamaConfig
from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.train.comparison import benchmarks, rulers
from llamalite.train.comparison.benchmarks import Entry

# --- comparison.1: the better of several models ------------------------------------------------------


def better(nats_per_token, n_tokens, n_bytes):
    bits = np.array(nats_per_token) * np.array(n_tokens) / np.array(n_bytes)
    return int(bits.argmin())


def by_the_ruler(nats_per_token, n_tokens, n_bytes):
    bills = zip(nats_per_token, n_tokens, n_bytes, strict=True)
    found = [rulers.bits_per_byte(*bill) for bill in bills]
    return found.index(min(found))


BETTER = Exercise(
    title="better(nats_per_token, n_tokens, n_bytes): the number of the model that predicts best; "
    "each model has a tokenizer of its own, and was marked on a text of its own from one source",
    cases=lambda: [
        ([0.6, 1.1, 1.8, 2.3, 2.5], [850, 300, 300, 650, 400], [1800, 1200, 2200, 1400, 3000]),
        ([0.9, 1.5, 1.2], [1000, 400, 700], [2500, 2500, 2500]),
    ],
    oracle=by_the_ruler,
    solution=better,
    why="Mean loss times number of tokens is the whole bill, which no cutting of the text can change. "
    "Divided by the bytes it can be compared between texts of different length.",
    hints=(
        "A model with longer tokens has fewer of them, and each says more.",
        "What did each model pay for the whole text? And how long was the text?",
        "nats a token times tokens, divided by bytes; the smallest wins (log 2 is the same for all).",
    ),
    mistakes=(
        Mistake("perplexity", lambda nats, tokens, size: int(np.argmin(nats)),
                "you compared losses a token (or perplexities): short tokens are easy to guess, and many"),
        Mistake("whole bill", lambda nats, tokens, size: int(np.argmin(np.multiply(nats, tokens))),
                "you compared whole bills: a shorter text costs less, whoever reads it"),
        Mistake("compression", lambda nats, tokens, size: int(np.argmin(np.divide(tokens, size))),
                "that is the tokenizer with the longest tokens; what did its model pay for them?"),
        Mistake("the worst", lambda nats, tokens, size:
                int(np.argmax(np.multiply(nats, tokens) / np.array(size))),
                "that is the model that predicts worst: a loss is better when it is smaller"),
    ),
)  # fmt: skip

# --- comparison.2: steps at equal compute ------------------------------------------------------------


def steps_for(budget, n_params, n_layers, dim, seq_len, rows):
    flops_per_token = 6 * n_params + 12 * n_layers * dim * seq_len
    return int(budget // (flops_per_token * rows * seq_len))


def by_the_config(budget, n_params, n_layers, dim, seq_len, rows):
    """The package's own count, of a config that is made to have so many parameters, in exact fractions."""
    cfg = LlamaConfig(dim=dim, n_layers=n_layers, n_heads=1, hidden_dim=1, vocab_size=1)
    per_token = cfg.train_flops_per_token(seq_len) + 6 * (n_params - cfg.n_params)
    return math.floor(Fraction(budget) / (per_token * rows * seq_len))


def steps_with(factor=6, attention=12, in_tokens=False, up=False):
    def answer(budget, n_params, n_layers, dim, seq_len, rows):
        step = (factor * n_params + attention * n_layers * dim * seq_len) * (
            1 if in_tokens else rows * seq_len
        )
        return math.ceil(budget / step) if up else int(budget // step)

    return answer


STEPS = Exercise(
    title="steps_for(budget, n_params, n_layers, dim, seq_len, rows): how many whole steps a budget of FLOPs "
    "buys, at 6N + 12·L·d·T FLOPs a token",
    cases=lambda: [
        (1e12, 172_352, 2, 64, 128, 8),
        (1e12, 270_528, 2, 64, 256, 4),
        (3e9, 10_000, 3, 32, 512, 1),
    ],
    oracle=by_the_config,
    solution=steps_for,
    why="A step costs as much as its tokens, and a token costs 6 FLOPs a parameter and 12·L·d for each token "
    "of the context. The dearer model gets fewer steps; a step that is not paid for whole is not made.",
    hints=(
        "What does a token cost? Two terms.",
        "How many tokens has a step? rows of seq_len each.",
        "Round down: budget // (cost of a step).",
    ),
    mistakes=(
        Mistake("no attention", steps_with(attention=0),
                "you left attention out: a longer context would cost nothing"),
        Mistake("forward alone", steps_with(factor=2, attention=4),
                "that is the forward pass alone: the backward pass costs twice as much again"),
        Mistake("tokens", steps_with(in_tokens=True),
                "those are tokens: a step has rows · seq_len of them"),
        Mistake("rounded up", steps_with(up=True), "you rounded up: the last step is not paid for"),
    ),
    properties=(
        Property("a network with more parameters must get fewer steps for the same money",
                 lambda answer: answer(1e12, 200_000, 2, 64, 128, 8) < answer(1e12, 100_000, 2, 64, 128, 8)),
    ),
)  # fmt: skip

# --- comparison.3: chance in a benchmark -------------------------------------------------------------


def half_width(percent, questions):
    share = percent / 100
    return 100 * 1.96 * (share * (1 - share) / questions) ** 0.5


def by_drawing_one(percent, questions):
    """The spread of a single question, which brings 100 points or none, over the root of their number."""
    values, p = np.array([0.0, 100.0]), np.array([1 - percent / 100, percent / 100])
    mean = p @ values
    return 1.96 * np.sqrt(p @ (values - mean) ** 2) / np.sqrt(questions)


INTERVAL = Exercise(
    title="half_width(percent, questions): points on either side of a score that hold 95% of all chance",
    cases=lambda: [(37.2, 164), (12.8, 164), (66.6, 14_000)],
    oracle=by_drawing_one,
    solution=half_width,
    why="Each question is right with probability S, so the share of right ones has the standard deviation "
    "sqrt(S(1 - S)/N); 1.96 of them hold 95%. In points, times 100.",
    hints=(
        "Work with the share S = percent / 100, and return to points at the end.",
        "The variance of one question is S(1 - S); of a mean of N questions, an Nth of that.",
        "1.96 standard deviations, times 100.",
    ),
    mistakes=(
        Mistake("one sigma", lambda percent, questions: half_width(percent, questions) / 1.96,
                "that is one standard deviation, which holds 68%: take 1.96 of them"),
        Mistake("of one question", lambda percent, questions: half_width(percent, 1),
                "that is the spread of a single question: divide the variance by their number"),
        Mistake("variance", lambda percent, questions: 1.96 * percent * (1 - percent / 100) / questions,
                "you took the variance for its root"),
        Mistake("whole width", lambda percent, questions: 2 * half_width(percent, questions),
                "that is the whole interval; asked is the half on either side"),
        Mistake("as a share", lambda percent, questions: half_width(percent, questions) / 100,
                "that is a share; give points, like the score"),
    ),
    rtol=1e-6,
)  # fmt: skip

# --- comparison.4: who brought what ------------------------------------------------------------------


def shares(neither, first, second, both):
    alone, after = neither - first, second - both
    of_first = (alone + after) / 2
    return of_first, neither - both - of_first


def in_proportion(neither, first, second, both):
    a, b = neither - first, neither - second
    return (neither - both) * a / (a + b), (neither - both) * b / (a + b)


def over_all_orders(*losses):
    """Shapley's value: walk through the changes in every order, and average what each step brings."""
    loss = {frozenset(made): at for made, at in zip(((), (0,), (1,), (0, 1)), losses, strict=True)}
    brought = np.zeros(2)
    for order in permutations((0, 1)):
        for k, change in enumerate(order):
            brought[change] += loss[frozenset(order[:k])] - loss[frozenset(order[: k + 1])]
    return brought / 2


SHARES = Exercise(
    title="shares(neither, first, second, both): how much of neither - both each of two changes brought, "
    "as the mean over the two orders of making them; two numbers",
    cases=lambda: [(10.0, 8.0, 5.0, 4.0), (1.0, 0.9, 0.95, 0.4), (3.0, 3.2, 2.0, 2.1)],
    oracle=over_all_orders,
    solution=shares,
    why="Made first, the first change brings neither - first; made second, second - both. The mean of both "
    "does not depend on who tells the story, and the shares of the two changes add up to the whole.",
    hints=(
        "Write down both stories: first, then second; second, then first.",
        "In the first story the first change brings neither - first; in the other one, second - both.",
        "Half of their sum; the other share is what is left of neither - both.",
    ),
    mistakes=(
        Mistake("first goes first", lambda neither, first, second, both: (neither - first, first - both),
                "that is one order: whatever the two do together is all given to the second"),
        Mistake("second goes first", lambda neither, first, second, both: (second - both, neither - second),
                "that is one order: whatever the two do together is all given to the first"),
        Mistake("each alone", lambda neither, first, second, both: (neither - first, neither - second),
                "those are the changes alone: they do not add up to the whole"),
        Mistake("in proportion", in_proportion,
                "you shared the whole in proportion to what each brings alone; take the mean of two orders"),
    ),
    properties=(
        Property("the two shares must add up to neither - both",
                 lambda answer: np.isclose(sum(answer(5.0, 4.0, 3.0, 1.5)), 3.5)),
    ),
)  # fmt: skip

# --- comparison.5: what may be compared --------------------------------------------------------------


def may_be_compared(a, b):
    return all(a[name] == b[name] for name in ("benchmark", "shots", "harness", "stage"))


def printed(model="A", benchmark="ARC-c", shots=25, harness="2024", stage="base"):
    return {"model": model, "benchmark": benchmark, "shots": shots, "harness": harness, "stage": stage}


def as_entries(a, b):
    found = [
        Entry(e["model"], e["benchmark"], 50.0, str(e["shots"]), e["harness"], e["stage"], e["harness"])
        for e in (a, b)
    ]
    return not benchmarks.obstacles(*found)


def all_but(*left_out, also=()):
    names = {"benchmark", "shots", "harness", "stage", *also} - set(left_out)
    return lambda a, b: all(a[name] == b[name] for name in names)


MAY = Exercise(
    title="may_be_compared(a, b): two printed scores, each a dict with model, benchmark, shots, harness and "
    "stage ('base' or 'chat'); True if their difference is one between the models",
    cases=lambda: [
        (printed(), printed("B")),
        (printed(), printed("B", shots=0)),
        (printed(), printed("B", harness="2023")),
        (printed(), printed("B", stage="chat")),
        (printed(), printed("B", benchmark="ARC-e")),
        (printed(), printed("A", harness="2023")),
    ],
    oracle=as_entries,
    solution=may_be_compared,
    why="Everything but the model has to be the same: the questions, how many examples stood before them, "
    "the program that asked and marked, and whether the model was taught to answer.",
    hints=(
        "Which four of the five entries have to be equal?",
        "The model is the only one that may differ.",
        "all(a[name] == b[name] for name in (...)) over the four.",
    ),
    mistakes=(
        Mistake("shots", all_but("shots"),
                "ARC-Challenge with 25 examples and with none are two different tests"),
        Mistake("harness", all_but("harness"),
                "two programs give one and the same model two scores"),
        Mistake("stage", all_but("stage"),
                "a model that was taught to answer is compared with one that was not"),
        Mistake("benchmark alone", all_but("shots", "harness", "stage"),
                "the name of the benchmark is not enough: look at how it was asked, by whom, and of what"),
        Mistake("same model", all_but(also=("model",)), "the models may differ: that is what is compared"),
    ),
)  # fmt: skip

EXERCISES = {
    "comparison.1": BETTER,
    "comparison.2": STEPS,
    "comparison.3": INTERVAL,
    "comparison.4": SHARES,
    "comparison.5": MAY,
}
