"""Every exercise of every chapter accepts what is right and names what is wrong; the engine never raises."""

import functools
import importlib
import re

import numpy as np
import pytest
from tiktoken import Encoding

from llamalite.config import RopeScaling
from llamalite.exercises import engine
from llamalite.exercises.engine import chapters, check, exercises_of, find, hint, solution
from llamalite.in_numpy.rope import apply_rope, relayout, rope_table, scale_frequencies

EVERY = {name: exercise for stem in chapters() for name, exercise in exercises_of(stem).items()}
MISTAKES = [(name, mistake) for name, exercise in EVERY.items() for mistake in exercise.mistakes]


def said(capsys) -> str:
    """What was printed, on one line."""
    return re.sub(r"\s+", " ", capsys.readouterr().out).strip()


# --- what holds for every exercise -------------------------------------------------------------------


@pytest.mark.parametrize("stem", chapters())
def test_a_chapter_has_enough_and_the_book_has(stem):
    assert len(EVERY) >= 60 and len(MISTAKES) >= 180
    exercises = exercises_of(stem)
    assert len(exercises) >= 3 and all(name.startswith(f"{stem}.") for name in exercises)
    assert all(len(e.mistakes) >= 3 and len(e.hints) >= 2 for e in exercises.values())


@pytest.mark.parametrize("name", EVERY)
def test_the_solution_as_printed_is_right(name, capsys):
    solution(name)
    printed = capsys.readouterr().out
    source = printed[printed.index("\ndef ") : printed.index("Why:")]
    namespace = {"np": np}
    exec(source, namespace)
    assert check(name, namespace[EVERY[name].solution.__name__]) is True
    assert said(capsys) == f"[+] {name}: correct"


@pytest.mark.parametrize("name, mistake", MISTAKES, ids=[f"{n} {m.label}" for n, m in MISTAKES])
def test_a_listed_mistake_gets_its_own_diagnosis(name, mistake, capsys):
    assert check(name, mistake.answer) is False
    assert said(capsys) == f"[x] {name}: {mistake.diagnosis}"


@pytest.mark.parametrize("name", EVERY)
def test_no_two_mistakes_share_a_diagnosis(name):
    told = [mistake.diagnosis for mistake in EVERY[name].mistakes]
    told += [rule.sentence for rule in EVERY[name].properties]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("outcome", [None, ..., NotImplementedError("write me")])
def test_a_stub_is_not_attempted(name, outcome, capsys):
    def stub(*args):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert check(name, stub) is None
    assert f"[ ] {name}: not attempted yet" in said(capsys)


@pytest.mark.parametrize("name", EVERY)
def test_a_raising_function_is_reported_kindly(name, capsys):
    def raising(*args):
        return {}["missing"]

    assert check(name, raising) is False
    assert re.search(r"""KeyError: 'missing', at line \d+: return {}\["missing"\]""", said(capsys))


@pytest.mark.parametrize("name", EVERY)
def test_hints_progress_and_end(name, capsys):
    engine._hints_given.pop(name, None)
    told = []
    for _ in EVERY[name].hints:
        hint(name)
        told.append(said(capsys))
    assert told[0].startswith(f"{name}, hint 1 of {len(told)}: ") and len(set(told)) == len(told)
    hint(name)
    assert "last hint" in said(capsys)


# --- rope: right and wrong answers, written another way than in the exercise file ---------------------


def rotate_by_library(x, m, theta):
    return apply_rope(x[None, None], *rope_table(len(x), m + 1, theta), positions=np.array([m]))[0, 0]


def rotate_by_matrices(x, m, theta):
    angles = m * theta ** (-np.arange(len(x) // 2) * 2 / len(x))
    turns = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], -1).reshape(-1, 2, 2)
    return (turns @ x.reshape(-1, 2, 1)).reshape(-1).tolist()


def stretch_by_library(freqs, factor, low, high, original):
    return scale_frequencies(freqs, RopeScaling(float(factor), float(low), float(high), original))


RIGHT = [
    ("rope.1", rotate_by_library),
    ("rope.1", rotate_by_matrices),
    ("rope.2", lambda wq, n_heads: relayout(wq, n_heads, target="half")),
    ("rope.2", lambda w, n: np.concatenate([p for h in np.split(w, n) for p in (h[0::2], h[1::2])])),
    ("rope.3", stretch_by_library),
    ("rope.4", lambda head_dim, theta: 2 * np.pi * theta / theta ** (2 / head_dim)),
    (
        "language_model.1",
        lambda t, V, a: (seen(t, V) + a) / (np.bincount(t[:-1], minlength=V) + a * V)[:, None],
    ),
    ("language_model.2", lambda c, s, d: (c - d * (c > 0) + d * s * sum(c > 0)) / sum(c) if any(c) else s),
    (
        "language_model.3",
        lambda loss, n: np.mean([x for row, k in zip(loss, n, strict=True) for x in row[:k]]),
    ),
    ("language_model.4", lambda nats, n, text: n * np.log2(np.e**nats) / sum(len(c.encode()) for c in text)),
    ("language_model.5", lambda told, w: np.log(1 / (told**told * (1 - told) ** (1 - told))) + told * way(w)),
    (
        "tokenization.3",
        lambda w, r: Encoding("", pat_str=".+", mergeable_ranks=r, special_tokens={}).encode(w.decode()),
    ),
    ("tokenization.5", lambda nats, tokens: np.log2(np.prod(np.e**nats)) / len(b"".join(tokens))),
]


def seen(tokens, vocab_size):
    """(row, column) of every pair, turned into a table by comparing with all there could be."""
    ids = np.arange(vocab_size)
    return (tokens[:-1, None] == ids).T.astype(int) @ (tokens[1:, None] == ids)


def way(w):
    return np.log(sum(w)) - sum(w * np.log(w)) / sum(w)


@pytest.mark.parametrize("name, answer", RIGHT)
def test_another_right_way_is_right(name, answer, capsys):
    assert check(name, answer) is True
    assert said(capsys) == f"[+] {name}: correct"


def turn(x, m, theta, sign=1.0, exponent=2.0):
    """Hugging Face's formula: x·cos + rotate_half(x)·sin."""
    H = len(x)
    angles = np.tile(m * theta ** (-exponent * np.arange(H // 2) / H), 2)
    return x * np.cos(angles) + sign * np.concatenate([-x[H // 2 :], x[: H // 2]]) * np.sin(angles)


def turn_in_place(x, m, theta):
    for i in range(0, len(x), 2):
        c, s = np.cos(m * theta ** (-i / len(x))), np.sin(m * theta ** (-i / len(x)))
        x[i] = x[i] * c - x[i + 1] * s
        x[i + 1] = x[i] * s + x[i + 1] * c
    return x


def turn_complex(x, m, theta, sign=1, exponent=2, dtype=np.complex128):
    z = x[0::2] + 1j * x[1::2]
    angles = (m * theta ** (-exponent * np.arange(len(z)) / len(x))).astype(
        np.float32 if dtype == "32" else float
    )
    z = z * np.exp(sign * 1j * angles)
    return np.stack([z.real, z.imag], -1).ravel()


def wrong_rows(order):
    """Reorder the rows of each head by an explicit list made by ``order(H)``."""
    return lambda w, n: np.concatenate([head[order(len(head))] for head in np.split(w, n)])


def halves(H):
    return [*range(0, H, 2), *range(1, H, 2)]


def by_band(long, middle, short):
    """Llama 3.1's three bands, each with a rule of its own."""

    def answer(freqs, factor, low, high, original):
        turns = original / (2 * np.pi / freqs)
        s = (turns - low) / (high - low)
        bands = [turns < low, turns > high]
        return np.select(bands, [long(freqs, factor), short(freqs, factor)], middle(freqs, factor, s))

    return answer


DISGUISED = [
    ("rope.1", turn, "Hugging Face's layout"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m, theta, sign=-1), "clockwise"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m, theta, exponent=1), "factor 2 is missing"),
    ("rope.1", lambda x, m, theta: turn_complex(x, 1, theta), "multiply the frequency by m"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m, 1e4), "always 10,000"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m, theta, dtype="32"), "float32"),
    ("rope.1", lambda x, m, theta: (1 + m) * turn_complex(x, m, theta), "keeps the length"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m + 1, theta), "position 0"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m * m, theta), "distance"),
    ("rope.1", lambda x, m, theta: turn_complex(x, m, theta)[:3], "shape (8,)"),
    ("rope.1", lambda x, m, theta: x[0::2] + 1j * x[1::2], "complex"),
    ("rope.1", lambda x, m, theta: x * np.nan, "nan"),
    ("rope.1", lambda x, m, theta: "turned", "returned a str"),
    ("rope.1", turn_in_place, "changes its argument 'x'"),
    ("rope.1", lambda x, m: x, "but your function takes (x, m)"),
    ("rope.1", 3.14, "without calling it"),
    ("rope.2", lambda w, n: w[halves(len(w))], "as if it were one head"),
    ("rope.2", wrong_rows(lambda H: np.argsort(halves(H))), "the way back"),
    ("rope.2", wrong_rows(lambda H: np.roll(halves(H), H // 2)), "stand in front"),
    ("rope.2", wrong_rows(lambda H: np.arange(H) ^ 1), "reversed layout"),
    ("rope.2", lambda w, n: wrong_rows(halves)(w.T, n).T, "you move columns"),
    ("rope.2", lambda w, n: wrong_rows(halves)(w, len(w) // n), "number of heads for the size"),
    ("rope.2", lambda w, n: np.sort(w, axis=0), "should give the scores"),
    ("rope.3", by_band(lambda f, k: f / k, lambda f, k, s: f / k, lambda f, k: f), "divide them whole"),
    ("rope.3", by_band(lambda f, k: f / k, lambda f, k, s: f, lambda f, k: f), "keep them whole"),
    ("rope.3", by_band(lambda f, k: f / k, lambda f, k, s: f * (s / k + 1 - s), lambda f, k: f), "wrong way"),
    ("rope.3", by_band(lambda f, k: f, lambda f, k, s: f * (s / k + 1 - s), lambda f, k: f / k), "other way"),
    ("rope.3", by_band(lambda f, _: f / 8, lambda f, _, s: f * (1 + 7 * s) / 8, lambda f, _: f), "always 8"),
    ("rope.2", lambda w, n: w.reshape(n, -1, 2, len(w)).swapaxes(1, 2).reshape(w.shape), "fewer rows"),
    ("rope.3", by_band(lambda f, k: f / k, lambda f, k, s: f / k ** (1 - s), lambda f, k: f), "differs most"),
    ("rope.4", lambda H, theta: 2 * np.pi / theta ** (-1.0), "counted from 0"),
    ("rope.4", lambda H, theta: theta / theta ** (2 / H), "full turn is 2π"),
    ("rope.4", lambda H, theta: 1 / theta ** ((H - 2) / H), "that is the frequency"),
    ("rope.4", lambda H, theta: 3.0, "differs most: yours is 3, right is 54410.143"),
    ("language_model.1", lambda t, V, a: (seen(t, V) + a) / (seen(t, V).sum(0) + a * V), "columns"),
    ("language_model.1", lambda t, V, a: (seen(t, V) + a) / (len(t) - 1 + a * V * V), "number of all pairs"),
    ("language_model.1", lambda t, V, a: (seen(t, V) > 0) + a, "every row should sum to one"),
    ("language_model.2", lambda c, s, d: (c + d * s * sum(c > 0)) / sum(c) if any(c) else s, "more than one"),
    ("language_model.2", lambda c, s, d: c / sum(c) if any(c) else s, "must stay possible"),
    ("language_model.2", lambda c, s, d: c / sum(c), "nan"),
    ("language_model.3", lambda loss, n: np.average(loss), "over the padding"),
    ("language_model.3", lambda loss, n: sum(sum(r[:k]) for r, k in zip(loss, n)) / loss.size, "below"),  # noqa: B905
    ("language_model.4", lambda nats, n, text: nats * n / np.log(2) / len([*text]), "three bytes"),
    ("language_model.4", lambda nats, n, text: np.log2(np.exp(nats)), "bits per token"),
    ("language_model.5", lambda told, w: told * way(w), "a surprise of its own"),
    ("language_model.5", lambda told, w: way(w) - np.log(told), "differs most"),
    ("tokenization.3", lambda w, r: find("tokenization.3").solution(w, {t: r[t] for t in {*r} - {w}}), "588"),
]  # fmt: skip


@pytest.mark.parametrize("name, answer, fragment", DISGUISED)
def test_a_mistake_is_recognised_however_it_is_written(name, answer, fragment, capsys):
    assert check(name, answer) is False
    assert fragment in said(capsys)


def test_the_oracles_agree_with_published_numbers():
    """Facts B3: Llama 3.1 at head size 128, and the longest waves of Llama 1 and Llama 3."""
    stretched = EVERY["rope.3"].oracle(np.array([2.61609925e-3, 1.73604670e-3, 7.64496988e-3]), 8, 1, 4, 8192)
    np.testing.assert_allclose(stretched, [2.16657076e-3, 8.56751413e-4, 7.64496988e-3], rtol=1e-8)
    longest = EVERY["rope.4"].oracle
    assert round(longest(128, 1e4)) == 54_410 and round(longest(128, 5e5), 1) == 2_559_195.5


# --- the engine itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [lambda name: check(name, abs), hint, solution])
def test_an_unknown_name_brings_near_ones(ask, capsys):
    assert ask("rope.11") is None
    assert "did you mean rope.1" in said(capsys)
    assert ask("zzz") is None
    assert "there are" in said(capsys)
    assert ask(abs) is None
    assert "in quotes" in said(capsys)


def test_the_hidden_inputs_cannot_be_corrupted(capsys):
    def vandal(x, m, theta):
        x[:] = 0
        return x

    assert check("rope.1", vandal) is False
    assert "changes its argument" in said(capsys)
    assert check("rope.1", EVERY["rope.1"].solution) is True


def test_even_exit_and_deep_recursion_are_survived(capsys):
    def deep(x, m, theta):
        return deep(x, m, theta)

    assert check("rope.1", lambda x, m, theta: exit()) is False
    assert check("rope.1", deep) is False
    assert "RecursionError" in said(capsys)


def test_functions_without_a_signature_and_callable_objects_are_fine(capsys):
    assert check("rope.1", max) is False
    assert check("rope.1", functools.partial(EVERY["rope.1"].solution)) is True


def test_find_knows_the_chapter_by_its_stem():
    assert find("rope.1") is importlib.import_module("llamalite.exercises.rope").EXERCISES["rope.1"]
