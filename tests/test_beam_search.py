"""Beam search against trying out everything, on a language of four tokens."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.in_torch.beam_search import beam_search

BEGIN, END, V = 0, 1, 4


def chain(seed: int):
    """Log-probabilities that depend on the last two tokens."""
    table = (2 * torch.randn(V, V, V, generator=torch.Generator().manual_seed(seed))).log_softmax(-1)
    return lambda tokens: table[tokens[:, -2] if tokens.shape[1] > 1 else tokens[:, -1], tokens[:, -1]]


def score(step, answer: list[int]) -> float:
    whole, total = [BEGIN, *answer, END], 0.0
    for i in range(1, len(whole)):
        total += step(torch.tensor([whole[:i]]))[0, whole[i]].item()
    return total


def every_answer(longest: int):
    letters = [token for token in range(V) if token != END]
    for n in range(longest + 1):
        yield from (list(answer) for answer in product(letters, repeat=n))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), power=st.sampled_from([0.0, 1.0]))
def test_a_beam_as_wide_as_all_answers_finds_the_best(seed, power):
    step, max_len = chain(seed), 4
    best = max(every_answer(max_len - 1), key=lambda a: score(step, a) / (len(a) + 1) ** power)
    found = beam_search(step, BEGIN, END, V**max_len, max_len, power)
    assert score(step, found) / (len(found) + 1) ** power == pytest.approx(
        score(step, best) / (len(best) + 1) ** power
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_width_one_is_greedy(seed):
    step, told = chain(seed), [BEGIN]
    while len(told) <= 6 and told[-1] != END:
        told.append(int(step(torch.tensor([told])).argmax()))
    assert beam_search(step, BEGIN, END, 1, 6) == [token for token in told[1:] if token != END]


def test_a_wider_beam_finds_what_greed_passes_by():
    """2 looks better than 3 at first (0.6 to 0.4), but after 3 the end is sure: 0.4 beats 0.6 · 0.5."""
    p = {(0,): [0, 0, 0.6, 0.4], (0, 2): [0, 0.5, 0.25, 0.25], (0, 3): [0, 1, 0, 0]}
    rest = [0, 1, 0, 0]

    def step(tokens):
        return torch.tensor([p.get(tuple(row), rest) for row in tokens.tolist()]).log()

    assert beam_search(step, BEGIN, END, 1, 5) == [2]
    assert beam_search(step, BEGIN, END, 2, 5) == [3]


def test_an_answer_that_never_ends_is_cut():
    never = lambda tokens: torch.tensor([[-9.0, -torch.inf, 0.0, -1.0]]).expand(len(tokens), -1)  # noqa: E731
    assert beam_search(never, BEGIN, END, 3, 4) == [2, 2, 2, 2]


@pytest.mark.parametrize(("width", "max_len"), [(0, 5), (2, 0)])
def test_nothing_to_search_with_is_refused(width, max_len):
    with pytest.raises(ValueError, match="both must be at least 1"):
        beam_search(chain(0), BEGIN, END, width, max_len)
