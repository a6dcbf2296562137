"""Sampling rules by hand arithmetic, and against Hugging Face's."""

import numpy as np
import pytest
import torch
from transformers.generation import logits_process as theirs

from llamalite.in_numpy import sampling as in_numpy
from llamalite.in_torch.sampling import keep_min_p, keep_top, keep_top_k, penalise_repeats, sample


def test_temperature_zero_is_the_likeliest_token_of_each_row():
    assert sample(torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), temperature=0).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.0, [0.4]), (0.39, [0.4]), (0.41, [0.4, 0.3]), (0.71, [0.4, 0.3, 0.2]), (1.0, [0.4, 0.3, 0.2, 0.1])],
)
def test_top_p_keeps_the_token_that_crosses_the_line(top_p, kept):
    """Meta's rule: a token goes when the likelier ones together exceed p."""
    probs = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
    expected = torch.tensor(
        [p / sum(kept) if p in kept else 0.0 for p in probs.tolist()], dtype=torch.float64
    )
    torch.testing.assert_close(keep_top(probs, top_p), expected, rtol=0, atol=1e-15)


def test_rows_are_cut_apart():
    probs = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    assert keep_top(probs, 0.8).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_samples_come_with_their_probabilities():
    """Temperature 0.5 squares the odds: 2:1 becomes 4:1."""
    logits = torch.tensor([2.0, 1.0]).log().expand(20_000, 2)
    draws = sample(logits, temperature=0.5, top_p=1.0, generator=torch.Generator().manual_seed(0))
    assert draws.shape == (20_000,)
    assert draws.float().mean().item() == pytest.approx(0.2, abs=0.01)  # 3.5 standard deviations


def test_the_generator_decides():
    logits = torch.zeros(4, 3, 50)
    a, b = (sample(logits, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert a.shape == (4, 3) and torch.equal(a, b)


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"top_p": 1.5}])
def test_impossible_sampling_is_refused(bad):
    with pytest.raises(ValueError, match="sample: temperature"):
        sample(torch.zeros(3), **bad)


def warped(logits, *rules):
    """Hugging Face's rules, one after the other, on float64 logits."""
    for rule in rules:
        logits = rule(torch.zeros(len(logits), 1, dtype=torch.long), logits)
    return logits.softmax(-1)


SCORES = 2 * torch.randn(6, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 2, 7, 50])
def test_top_k_is_hugging_faces(k):
    torch.testing.assert_close(keep_top_k(SCORES.softmax(-1), k), warped(SCORES, theirs.TopKLogitsWarper(k)))


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 1.0])
def test_min_p_is_hugging_faces(p):
    torch.testing.assert_close(keep_min_p(SCORES.softmax(-1), p), warped(SCORES, theirs.MinPLogitsWarper(p)))


def test_top_p_is_hugging_faces_but_for_a_sum_that_is_exactly_p():
    torch.testing.assert_close(
        keep_top(SCORES.softmax(-1), 0.9), warped(SCORES, theirs.TopPLogitsWarper(0.9))
    )
    exact = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)  # halves and quarters: no rounding
    assert (keep_top(exact, 0.5) > 0).sum() == 2, "Meta: the likelier ones do not exceed p"
    assert (warped(exact.log(), theirs.TopPLogitsWarper(0.5)) > 0).sum() == 1


def test_the_penalty_is_hugging_faces():
    seen = [3, 3, 7, 49]
    expected = theirs.RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([seen]), SCORES[:1].clone())
    torch.testing.assert_close(penalise_repeats(SCORES[0], seen, 1.3), expected[0])


def test_top_k_of_one_is_the_likeliest_of_equals_the_first():
    flat = torch.tensor([1.0, 3.0, 3.0, 0.0]).expand(500, 4)
    assert set(sample(flat, temperature=5.0, top_p=1.0, top_k=1).tolist()) == {1}


def test_rules_work_on_what_the_ones_before_have_left():
    """0.4 0.3 0.2 0.1: the two likeliest are 4/7 and 3/7, and of these 0.5 is passed by the first alone."""
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log().expand(4000, 4)
    how = {"temperature": 1.0, "generator": torch.Generator().manual_seed(0)}
    assert set(sample(logits, top_p=0.5, **how).tolist()) == {0, 1}
    assert set(sample(logits, top_p=0.5, top_k=2, **how).tolist()) == {0}
    assert set(sample(logits, top_p=1.0, min_p=0.7, **how).tolist()) == {0, 1}


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.71, 1.0])
def test_both_halves_keep_the_same_tokens(top_p):
    probs = np.random.default_rng(0).dirichlet(np.full(20, 0.5), size=(3, 4))
    probs[0, 0] = 1 / 20  # of equals, the first stay
    expected = keep_top(torch.tensor(probs), top_p).numpy()
    np.testing.assert_allclose(in_numpy.keep_top(probs, top_p), expected, rtol=1e-12)


def test_numpy_samples_come_with_their_probabilities():
    logits = np.broadcast_to(np.log([2.0, 1.0]), (20_000, 2))
    draws = in_numpy.sample(logits, temperature=0.5, top_p=1.0, generator=np.random.default_rng(0))
    assert draws.shape == (20_000,)
    assert draws.mean() == pytest.approx(0.2, abs=0.01)
    assert in_numpy.sample(np.array([[0.0, 2.0], [3.0, 2.0]]), temperature=0).tolist() == [1, 0]


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"top_p": 1.5}])
def test_numpy_refuses_impossible_sampling(bad):
    with pytest.raises(ValueError, match="sample: temperature"):
        in_numpy.sample(np.zeros(3), **bad)
