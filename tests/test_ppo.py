"""PPO's functions against loops, sums and enumeration; the loop on a task whose best answer is known."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import shape

from llamalite.align.rlhf.ppo import (
    explained_variance,
    gae,
    kl_estimates,
    llama2_reward,
    policy_losses,
    token_rewards,
    value_losses,
    whiten,
)
from llamalite.align.rlhf.ppo_training import Ppo, learn_from, ppo, roll_out
from llamalite.align.rlhf.reward import with_scalar_head
from llamalite.align.sft import forward_of
from llamalite.align.tuning import Learner, Tuning
from llamalite.in_torch.llama import Llama, init_weights


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- how far from the reference ------------------------------------------------------------------------


def test_the_estimators_by_enumeration():
    """Over all draws of π: k1 and k3 are the divergence, k2 is near it; k3 is never negative, k1 is."""
    p, q = tensor(0.5, 0.3, 0.2), tensor(0.4, 0.4, 0.2)
    true = (p * (p / q).log()).sum().item()
    k1, k2, k3 = (kl_estimates(p.log(), q.log(), which) for which in ("k1", "k2", "k3"))
    assert (p * k1).sum().item() == pytest.approx(true, rel=1e-12)
    assert (p * k3).sum().item() == pytest.approx(true, rel=1e-12)
    assert abs((p * k2).sum().item() - true) < 0.1 * true
    assert k1.min() < 0 <= k3.min() and true > 0
    spread = [(p * (k - true).square()).sum().item() for k in (k1, k2, k3)]
    assert spread[2] < spread[0] / 5 and spread[1] < spread[0] / 5


def test_a_policy_that_left_pays():
    """log 2 nats further than the reference at each of two tokens, β 0.1: the score less 0.2 log 2."""
    kl = kl_estimates(tensor([-1.0, -2.0, -9.0]), tensor([-1.0 - math.log(2), -2.0 - math.log(2), 0.0]))
    rewards = token_rewards(tensor(3.0), kl, torch.tensor([[True, True, False]]), beta=0.1)
    price = 0.1 * math.log(2)
    assert rewards[0].tolist() == pytest.approx([-price, 3 - price, 0])


# --- who did how well ----------------------------------------------------------------------------------


def by_definition(rewards, values, gamma, lam):
    """Â_t = Σ (γλ)^l δ_{t+l}, each from the whole rest of the answer (facts H3)."""
    ahead = [*values[1:], 0.0]
    deltas = [r + gamma * b - v for r, v, b in zip(rewards, values, ahead, strict=True)]
    return [
        sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(deltas))) for t in range(len(deltas))
    ]


@given(
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(0, 3),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_advantages_by_the_sum_whatever_stands_around_the_answer(n, before, behind, gamma, lam, seed):
    """Prompt and padding hold values of size 100: an advantage that leaked would be seen."""
    rng = np.random.default_rng(seed)
    inside = rng.standard_normal((2, n))
    counts = torch.tensor([[False] * before + [True] * n + [False] * behind])
    rewards, values = (torch.tensor(100 * rng.standard_normal((1, before + n + behind))) for _ in range(2))
    rewards[counts], values[counts] = torch.tensor(inside[0]), torch.tensor(inside[1])
    advantages, returns = gae(rewards, values, counts, gamma, lam)
    expected = by_definition(*inside.tolist(), gamma, lam)
    np.testing.assert_allclose(advantages[counts], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(returns[counts], np.array(expected) + inside[1], rtol=1e-9, atol=1e-9)
    assert not advantages[~counts].any() and not returns[~counts].any()


def test_advantages_by_hand():
    """γ = λ = 1 and one reward at the end: what is still to come, less what was expected."""
    advantages, returns = gae(
        tensor([0.0, 0.0, 1.0]), tensor([0.5, 0.75, 0.25]), torch.ones(1, 3, dtype=torch.bool), 1.0, 1.0
    )
    assert advantages[0].tolist() == [0.5, 0.25, 0.75] and returns[0].tolist() == [1, 1, 1]


def test_whitening_looks_only_at_what_counts():
    x, counts = (
        tensor([1.0, 2.0, 99.0], [3.0, -99.0, 6.0]),
        torch.tensor([[True, True, False], [True, False, True]]),
    )
    white = whiten(x, counts)
    assert white[counts].mean().item() == pytest.approx(0, abs=1e-12)
    assert white[counts].square().mean().item() == pytest.approx(1, rel=1e-6)
    assert not white[~counts].any()


# --- the clipped losses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [
        (1.1, 2.0, -2.2, True),  # within the clip: the ratio counts
        (1.5, 2.0, -2.4, False),  # good and already likelier by half: nothing more to gain
        (0.5, 2.0, -1.0, True),  # good and less likely: come back, from however far
        (0.5, -2.0, 1.6, False),  # bad and already less likely
        (1.5, -2.0, 3.0, True),  # bad and likelier: come back
    ],
)
def test_the_policys_loss_by_hand(ratio, advantage, loss, moves):
    logprob = tensor(math.log(ratio) - 1.0).requires_grad_()
    found = policy_losses(logprob, tensor(-1.0), tensor(advantage))
    assert found.item() == pytest.approx(loss)
    found.sum().backward()
    assert (logprob.grad.item() != 0) == moves


def test_at_the_first_step_the_gradient_is_that_of_reinforce():
    logprobs, advantages = tensor(-0.3, -2.0).requires_grad_(), tensor(1.5, -0.5)
    policy_losses(logprobs, logprobs.detach(), advantages).sum().backward()
    assert logprobs.grad.tolist() == pytest.approx([-1.5, 0.5])


def test_the_values_loss_by_hand():
    """From 0 to 1 with a return of 1: no error, but held within 0.2 of the old value it would be 0.32."""
    losses = value_losses(tensor(1.0, 0.1, -1.0), tensor(0.0, 0.0, 0.0), tensor(1.0, 1.0, 1.0))
    assert losses.tolist() == pytest.approx([0.8**2 / 2, 0.9**2 / 2, 2.0**2 / 2])


def test_explained_variance():
    returns, all_ = tensor([1.0, 2.0, 3.0, 50.0]), torch.tensor([[True, True, True, False]])
    assert explained_variance(returns, returns, all_) == pytest.approx(1)
    assert explained_variance(tensor([2.0, 2.0, 2.0, 0.0]), returns, all_) == pytest.approx(0)


def test_llama_2s_two_rewards():
    """Unsafe answers and questions about safety are judged by the safety model; then logit, then whiten."""
    helpful, safe = tensor(0.9, 0.9, 0.9, 0.2), tensor(0.5, 0.14, 0.15, 0.6)
    about = torch.tensor([True, False, False, False])
    chosen = [0.5, 0.14, 0.9, 0.2]
    logits = np.array([math.log(p / (1 - p)) for p in chosen])
    expected = (logits - logits.mean()) / logits.std()
    np.testing.assert_allclose(llama2_reward(helpful, safe, about), expected, rtol=1e-6)


# --- the loop ------------------------------------------------------------------------------------------

STOP = 5


def task():
    """A Llama of seven tokens that is paid for every 3 it says, and has to end its answer."""
    cfg = shape("llama3", vocab_size=7, dim=16, hidden_dim=24, n_layers=1).with_(max_seq_len=12)
    policy = init_weights(Llama(cfg))
    reward = lambda numbers, examples: torch.tensor([e.ids[1:].count(3) / 2.0 for e in examples])  # noqa: E731
    return policy, reward, [[i] for i in (0, 1, 2, 4)] * 8


def settings_(kl, steps=15):
    return Ppo(Tuning(steps, batch_size=32, lr=3e-3, warmup=2, floor=1.0), minibatch=16, kl=kl, max_tokens=8)


def test_ppo_raises_its_reward_and_a_price_on_leaving_keeps_it_near():
    """And it learns to end answers, since one without an end is worth less than none."""
    found = {}
    for kl in (0.0, 1.0):
        policy, reward, prompts = task()
        found[kl] = ppo(policy, reward, prompts, {STOP}, settings_(kl))
    first, last = found[0.0][0], found[0.0][-1]
    assert first["kl"] == pytest.approx(0, abs=1e-5) and last["reward"] > first["reward"] + 0.5
    assert last["ended"] > first["ended"]
    assert found[1.0][-1]["kl"] < found[0.0][-1]["kl"] / 3


def test_ppo_goes_on_in_the_same_bits(tmp_path):
    whole_policy, reward, prompts = task()
    whole = ppo(whole_policy, reward, prompts, {STOP}, settings_(0.1, 4), tmp_path / "whole")
    policy = task()[0]
    assert ppo(policy, reward, prompts, {STOP}, settings_(0.1, 2), tmp_path / "parts") == whole[:2]
    # a fresh process begins with the reference, not with what is in the checkpoint
    policy = task()[0]
    assert (
        ppo(policy, reward, prompts, {STOP}, settings_(0.1, 4), tmp_path / "parts", resume=True) == whole[2:]
    )
    for a, b in zip(policy.parameters(), whole_policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_nothing_is_learnt_from_prompts_and_padding():
    """Whatever a rollout says of them, both models end in the same weights."""
    policy, reward, _ = task()
    prompts, s = [[0, 1], [2, 4, 6]], settings_(0.1)
    value = with_scalar_head(policy)
    torch.nn.init.normal_(value.output.weight)
    chance = torch.Generator().manual_seed(0)
    out = roll_out(policy, value, forward_of(policy), reward, prompts, [0, 1, 0, 1], {STOP}, s, chance)
    for row, example in zip(out.counts, out.examples, strict=True):
        assert row.sum().item() == sum(example.trained) < len(example.ids) - 1
    np.testing.assert_allclose(out.logprobs, out.reference, atol=1e-6)
    odd = {
        name: torch.where(out.counts, getattr(out, name), 99.0)
        for name in ("returns", "advantages", "values")
    }
    ends = []
    for rollout in (out, out._replace(**odd)):
        both = [Learner.of(copy.deepcopy(model), s.policy) for model in (policy, value)]
        learn_from(rollout, *both, s, 3, torch.Generator().manual_seed(1))
        ends.append([p for learner in both for p in learner.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert not torch.equal(ends[0][0], policy.tok_embeddings.weight)
