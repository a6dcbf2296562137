"""What the chapter claims: PPO ends where a formula says; the frontier; where an estimate of KL serves."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import shape

from llamalite.align.rlhf.ppo import kl_estimates
from llamalite.align.rlhf.ppo_training import Ppo, ppo, roll_out
from llamalite.align.rlhf.rejection import best_of_n, best_of_n_kl
from llamalite.align.rlhf.reward import with_scalar_head
from llamalite.align.sft import forward_of
from llamalite.align.tuning import Tuning
from llamalite.figures import rlhf as figures
from llamalite.in_torch.llama import Llama, init_weights

WORTH = torch.tensor([0.0, 1.0, -1.0, 0.5, 2.0])


def bandit() -> Llama:
    """A Llama that is asked one thing and says one of five tokens."""
    cfg = shape("llama3", vocab_size=5, dim=16, hidden_dim=24, n_layers=1).with_(max_seq_len=4)
    return init_weights(Llama(cfg), seed=3)


def says(policy: Llama) -> torch.Tensor:
    with torch.no_grad():
        return policy(torch.tensor([[0]]))[0, -1].softmax(-1)


@pytest.mark.parametrize("beta", [0.5, 1.5])
def test_ppo_arrives_at_the_optimum_of_a_bandit(beta):
    """p exp(r / β), divided by its sum, which no part of the program has ever heard of."""
    policy = bandit()
    before = says(policy)
    how = Tuning(40, batch_size=256, lr=5e-3, warmup=2, floor=0.02, seed=1)
    s = Ppo(how, value_lr=1e-2, minibatch=128, kl=beta, max_tokens=1)
    reward = lambda numbers, examples: WORTH[[e.ids[-1] for e in examples]]  # noqa: E731
    ppo(policy, reward, [[0]] * 256, set(range(5)), s)
    expected = figures.tilt(before.double().numpy(), WORTH.double().numpy(), beta)
    np.testing.assert_allclose(says(policy).numpy(), expected, atol=0.01)
    assert np.abs(before.numpy() - expected).max() > 0.15  # there was a way to go


def test_an_answer_without_an_end_is_worth_less_than_none():
    """min(r, 0) - 1: neither praise nor mercy; of what ended, the score is as it was."""
    policy, s = bandit(), Ppo(max_tokens=3, unfinished=1.0)
    scores = torch.tensor([2.0, -0.5] * 16)
    out = roll_out(
        policy, with_scalar_head(policy), forward_of(policy), lambda numbers, examples: scores, [[0]] * 32,
        range(32), {4}, s, torch.Generator().manual_seed(0),
    )  # fmt: skip
    ended = torch.tensor([e.ids[-1] == 4 for e in out.examples])
    assert 0 < ended.sum() < 32
    assert torch.equal(out.scores, torch.where(ended, scores, torch.tensor([-1.0, -1.5] * 16)))


# --- the frontier ----------------------------------------------------------------------------------------


@given(st.integers(2, 6), st.floats(0.05, 5.0), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_no_policy_gets_more_reward_after_the_price(n, beta, seed):
    rng = np.random.default_rng(seed)
    p, reward = rng.dirichlet(np.ones(n)) + 1e-3, 2 * rng.standard_normal(n)
    p /= p.sum()
    gain = lambda q: q @ reward - beta * figures.gone(q, p)  # noqa: E731
    best = figures.tilt(p, reward, beta)
    assert best.sum() == pytest.approx(1)
    assert all(gain(best) >= gain(q) - 1e-9 for q in rng.dirichlet(np.ones(n), 50))
    # and at the optimum a little probability is worth the same wherever it is put
    worth = (reward - beta * np.log(best / p))[best > 1e-12]
    np.testing.assert_allclose(worth, worth[0], atol=1e-6 * (1 + np.abs(reward).max()))


def test_going_nowhere_costs_nothing_and_what_is_never_said_costs_nothing():
    p = np.array([0.5, 0.25, 0.25])
    assert figures.gone(p, p) == 0 and figures.gone(np.array([1.0, 0, 0]), p) == pytest.approx(np.log(2))


def best_by_enumeration(p, rewards, n):
    found = np.zeros(len(p))
    for row in product(range(len(p)), repeat=n):
        found[max(row, key=lambda i: rewards[i])] += np.prod(p[list(row)])
    return found


@given(st.integers(1, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_the_best_of_n_is_within_its_bound_on_every_bandit(n, seed):
    rng = np.random.default_rng(seed)
    p, rewards = rng.dirichlet(np.ones(4)), rng.permutation(4).astype(float)
    q = best_by_enumeration(p, rewards, n)
    assert -1e-12 <= figures.gone(q, p) <= best_of_n_kl(n) + 1e-12


def test_the_best_of_bests_is_the_best_of_all():
    """Rejection sampling twice with K = 3, learnt perfectly, is the best of 9."""
    p, rewards = np.array([0.5, 0.3, 0.2]), np.array([1.0, 0.0, 2.0])
    twice = best_by_enumeration(best_by_enumeration(p, rewards, 3), rewards, 3)
    np.testing.assert_allclose(twice, best_by_enumeration(p, rewards, 9), rtol=1e-12)


def test_counting_choices_is_drawing_without_end():
    """``best_of_n`` of every row of samples, weighed by its probability, is the enumeration over draws."""
    p, rewards, worth = np.array([0.6, 0.3, 0.1]), np.array([0.0, 1.0, 2.0]), np.array([1.0, 5.0, -2.0])
    total = 0.0
    for row in product(range(3), repeat=4):
        there = list(row)
        total += np.prod(p[there]) * best_of_n(rewards[None, there], worth[None, there], 2)
    assert total == pytest.approx(best_by_enumeration(p, rewards, 2) @ worth)


# --- the estimators --------------------------------------------------------------------------------------


def test_as_a_loss_only_k2_has_the_gradient_of_the_divergence():
    """And k1 has none at all: where an estimate is put decides whether it is right."""
    rng = np.random.default_rng(0)
    p, reference = (rng.dirichlet(np.ones(6)) for _ in range(2))
    apart = np.log(p / reference)
    true = p * (apart - p @ apart)
    found = {}
    for which in ("k1", "k2", "k3"):
        logits = torch.tensor(np.log(p), requires_grad=True)
        k = kl_estimates(logits.log_softmax(-1), torch.tensor(reference).log(), which)
        (torch.tensor(p) * k).sum().backward()
        found[which] = logits.grad.numpy()
    np.testing.assert_allclose(found["k1"], 0, atol=1e-12)
    np.testing.assert_allclose(found["k2"], true, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["k3"], p - reference, rtol=1e-9, atol=1e-12)  # of KL(reference ‖ π)


def test_the_reference_stands_still():
    """It is a copy: after a step there is a distance, and the policy that came in is the one that moved."""
    policy = bandit()
    as_it_was = copy.deepcopy(policy)
    how = Tuning(3, batch_size=32, lr=1e-2, warmup=1, floor=1.0)
    reward = lambda numbers, examples: WORTH[[e.ids[-1] for e in examples]]  # noqa: E731
    made = ppo(policy, reward, [[0]] * 32, set(range(5)), Ppo(how, kl=0.0, max_tokens=1))
    assert made[0]["kl"] == pytest.approx(0, abs=1e-6) and made[2]["kl"] > 1e-3
    assert not torch.equal(says(policy), says(as_it_was))
