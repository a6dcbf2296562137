"""The best of n: by counting every choice; and that what is kept is the best of all rounds."""

import math
import os
import signal
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import shape

from llamalite.align.rlhf.rejection import (
    Kept,
    Rejection,
    best_of_n,
    best_of_n_kl,
    keep_best,
    read_kept,
    rejection_sampling,
)
from llamalite.align.sft import Example
from llamalite.align.tuning import Tuning
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.train.interruption import Interrupted


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_kl_of_the_best_of_n_is_the_integral(n):
    """The best of n uniform draws has density n u^(n-1): the integral of it times its logarithm."""
    u = (np.arange(400_000) + 0.5) / 400_000
    density = n * u ** (n - 1)
    assert best_of_n_kl(n) == pytest.approx((density * np.log(density)).mean(), abs=1e-5)


def test_and_where_answers_can_repeat_it_is_an_upper_bound():
    """Of two answers with p and 1 - p, the best of n is the first with 1 - (1 - p)^n."""
    for p in (0.5, 0.1):
        for n in (2, 4, 16):
            q = 1 - (1 - p) ** n
            kl = q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p))
            assert kl < best_of_n_kl(n)


@given(st.lists(st.integers(0, 3), min_size=5, max_size=5), st.integers(1, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_the_best_of_n_over_every_choice(rewards, n, seed):
    """Ties are drawn by lot: a choice's worth is the mean over its best."""
    worth = np.random.default_rng(seed).random(5)
    found = []
    for choice in combinations(range(5), n):
        best = max(rewards[i] for i in choice)
        found.append(np.mean([worth[i] for i in choice if rewards[i] == best]))
    # where ties are, the mean over choices equals the mean over an order of the tied drawn by lot
    assert best_of_n(np.array([rewards], float), np.array([worth]), n) == pytest.approx(np.mean(found))


def test_the_best_by_its_own_measure_never_gets_worse():
    rewards = np.random.default_rng(0).random((20, 8))
    curve = [best_of_n(rewards, rewards, n) for n in range(1, 9)]
    assert curve[0] == pytest.approx(rewards.mean()) and curve[-1] == pytest.approx(rewards.max(1).mean())
    assert curve == sorted(curve)


def example(i):
    return Example([i], [True])


def test_the_best_of_all_rounds_is_kept():
    kept = keep_best({}, 5, [example(0), example(1)], [0.1, 0.7], round=0)
    assert kept == {5: Kept(example(1), 0.7, 0)}
    assert keep_best(kept, 5, [example(2)], [0.6], round=1) == kept
    assert keep_best(kept, 5, [example(3)], [0.8], round=1)[5] == Kept(example(3), 0.8, 1)


STOP = 5


def task():
    """A Llama of seven tokens that is to say as many 3s as it can."""
    cfg = shape("llama3", vocab_size=7, dim=16, hidden_dim=24, n_layers=1).with_(max_seq_len=12)
    model = init_weights(Llama(cfg))
    reward = lambda numbers, examples: torch.tensor([e.ids[1:].count(3) / 6 for e in examples])  # noqa: E731
    return model, reward, [[i] for i in (0, 1, 2)] * 4


SETTINGS = Rejection(Tuning(10, batch_size=12, lr=1e-2, warmup=2), k=4, rounds=3, max_tokens=6)


def test_rejection_sampling_raises_its_reward():
    model, reward, prompts = task()
    seen = []
    made = rejection_sampling(
        model, reward, prompts, {STOP}, SETTINGS, after_round=lambda r, rewards: seen.append(rewards)
    )
    assert seen[2].mean() > 2 * seen[0].mean() and seen[0].shape == (12, 4)
    kept = [made[i]["kept"] for i in (0, 10, 20)]
    assert kept == sorted(kept) and kept[0] == pytest.approx(seen[0].max(1).mean())


def test_a_stopped_round_goes_on_with_the_answers_it_had(tmp_path):
    whole_model, reward, prompts = task()
    whole = rejection_sampling(whole_model, reward, prompts, {STOP}, SETTINGS, tmp_path / "whole")
    stopping, calls = task()[0], []

    def interrupts(numbers, examples):
        calls.append(1)
        if len(calls) == 6:  # in the second round
            os.kill(os.getpid(), signal.SIGINT)
        return reward(numbers, examples)

    with pytest.raises(Interrupted):
        rejection_sampling(stopping, interrupts, prompts, {STOP}, SETTINGS, tmp_path / "parts")
    rest_model = task()[0]
    rest = rejection_sampling(rest_model, reward, prompts, {STOP}, SETTINGS, tmp_path / "parts", resume=True)
    assert rest == whole[11:]
    for a, b in zip(whole_model.parameters(), rest_model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert read_kept(tmp_path / "parts" / "kept_2.jsonl") == read_kept(tmp_path / "whole" / "kept_2.jsonl")
