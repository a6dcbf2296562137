"""The loss of a reward model against hand arithmetic and TRL; the head, the accuracy, the calibration."""

import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracle import shape, sharp_weights

from llamalite.align.rlhf.labelling import all_pairs, extremes, mislabelled
from llamalite.align.rlhf.reward import (
    Pair,
    RewardModel,
    accuracy_by,
    calibration,
    pair_scores,
    reward_losses,
    score_examples,
    train_reward,
    with_scalar_head,
)
from llamalite.align.sft import Example, forward_of
from llamalite.align.tuning import Tuning
from llamalite.in_torch.llama import Llama


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_loss_by_hand():
    """σ(log 3) = 3/4; with a margin of log 3 the same pair is a coin toss; equal scores are one without."""
    losses = reward_losses(
        tensor(2.0 + math.log(3), math.log(3), 5.0), tensor(2.0, 0.0, 5.0), tensor(0, math.log(3), 0)
    )
    assert losses.tolist() == pytest.approx([math.log(4 / 3), math.log(2), math.log(2)])


def test_a_wider_margin_asks_for_a_wider_gap():
    score = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    reward_losses(score, torch.zeros_like(score), tensor(0.0, 3.0)).sum().backward()
    assert score.grad.tolist() == pytest.approx([-0.5, -1 / (1 + math.exp(-3))])


def test_the_loss_is_trls():
    trl = pytest.importorskip("trl", reason="TRL is an oracle of the tests only, and not installed")
    chosen, rejected, margin = tensor(0.3, -2.0, 4.0), tensor(1.0, -2.5, 0.0), tensor(1.0, 0.0, 2 / 3)
    same = SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x)
    stub = SimpleNamespace(
        args=SimpleNamespace(center_rewards_coefficient=None), model=SimpleNamespace(training=False),
        accelerator=same, _metrics=defaultdict(lambda: defaultdict(list)), _total_train_tokens=0, _tp_size=1,
    )  # fmt: skip
    scores = SimpleNamespace(logits=torch.cat([chosen, rejected])[:, None])
    for inputs, m in (({"margin": margin}, margin), ({}, torch.zeros_like(margin))):
        theirs = trl.RewardTrainer.compute_loss(stub, lambda **inputs: scores, inputs)
        assert reward_losses(chosen, rejected, m).mean().item() == pytest.approx(theirs.item(), rel=1e-12)


# --- the head ------------------------------------------------------------------------------------------


def llama() -> Llama:
    cfg = shape("llama3", vocab_size=23).with_(max_seq_len=32)
    model = Llama(cfg).double()
    model.load_state_dict({k: torch.tensor(v) for k, v in sharp_weights(cfg).items()})
    return model


@pytest.mark.parametrize("tied", [False, True])
def test_the_head_reads_what_the_norm_writes(tied):
    """One number a position: the product of the head and the normed hidden state, seen from outside."""
    cfg = shape("llama3.2" if tied else "llama3").with_(max_seq_len=32)
    model = Llama(cfg).double()
    model.load_state_dict({k: torch.tensor(v) for k, v in sharp_weights(cfg).items()})
    scored, seen = with_scalar_head(model), []
    assert not scored.output.weight.any() and model.output is (None if tied else model.output)
    torch.nn.init.normal_(scored.output.weight)
    scored.norm.register_forward_hook(lambda module, given, out: seen.append(out))
    tokens = torch.arange(12).view(2, 6)
    values = scored(tokens)
    torch.testing.assert_close(values[..., 0], seen[0] @ scored.output.weight[0])
    assert values.shape == (2, 6, 1) and model(tokens).shape == (2, 6, cfg.vocab_size)


def test_a_score_is_read_at_the_end_and_not_at_padding():
    model = with_scalar_head(llama())
    torch.nn.init.normal_(model.output.weight)
    short, long = Example([3, 4, 5], [True] * 3), Example([6, 7, 8, 9, 10], [True] * 5)
    together = score_examples(forward_of(model), [short, long])
    alone = torch.cat([score_examples(forward_of(model), [e]) for e in (short, long)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(alone[0], model(torch.tensor([[3, 4, 5]]))[0, 2, 0])


def test_whitened_scores_have_mean_0_and_spread_1_and_keep_their_order():
    model = with_scalar_head(llama())
    torch.nn.init.normal_(model.output.weight)
    examples = [Example([i, i + 1], [True, True]) for i in range(10)]
    raw, white = RewardModel(model)(examples), RewardModel(model).whitened(examples)(examples)
    assert white.mean().item() == pytest.approx(0, abs=1e-12) and white.std().item() == pytest.approx(1)
    assert torch.equal(raw.argsort(), white.argsort())


def test_it_learns_which_is_better():
    """Of two texts the one that holds a 7 is better: after training, also in texts never seen."""
    rng = np.random.default_rng(0)
    texts = [[int(i) for i in rng.integers(8, 20, 4)] for _ in range(60)]

    def example(ids, where):
        ids = [*ids[:where], 7, *ids[where + 1 :]] if where >= 0 else ids
        return Example(ids, [True] * len(ids))

    pairs = [Pair(example(t, i % 4), example(t, -1)) for i, t in enumerate(texts)]
    torch.manual_seed(0)
    model = with_scalar_head(llama().float())
    made = train_reward(model, pairs[:40], Tuning(40, batch_size=16, lr=3e-3))
    assert made[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)  # the head is zero at first
    chosen, rejected = pair_scores(RewardModel(model), pairs[40:])
    assert accuracy_by(chosen - rejected, [""] * 20)[""][0] > 0.9


# --- how good it is, and what it learns from -------------------------------------------------------------


def test_calibration_by_hand():
    """Log-odds of log 3 mean 75%: of four such pairs three are right, one way or the other."""
    logits = np.array([1, 1, 1, -1, 0.1, -0.1]) * math.log(3)
    assert calibration(logits, n_bins=2)[1] == (0.75, 0.75, 4)
    assert [n for _, _, n in calibration(logits, n_bins=5)] == [2, 4]


def test_a_model_whose_odds_are_true_is_calibrated():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 40_000)
    won = rng.random(40_000) < 1 / (1 + np.exp(-logits))
    for said, right, n in calibration(np.where(won, logits, -logits)):
        assert abs(said - right) < 5 * math.sqrt(0.25 / n)


def answers(k, p):
    return [[Example([i, j], [False, True]) for j in range(p)] for i in range(k)]


def test_pairs_of_every_two_answers_that_differ():
    worth = np.array([[0.9, 0.5, 0.5], [0.2, 0.2, 0.2]])
    made = all_pairs(answers(3, 2), worth, "small")
    assert [(p.chosen.ids, p.rejected.ids) for p in made] == [([0, 0], [1, 0]), ([0, 0], [2, 0])]
    assert {(p.margin, p.strength) for p in made} == {(1, "significantly better")}
    assert all_pairs(answers(3, 2), worth)[0].margin == 0
    (one,) = extremes(answers(3, 2), np.array([[0.5, 0.6, 0.55], [1.0, 1.0, 1.0]]), "large")
    assert (one.chosen.ids, one.rejected.ids, one.margin) == ([1, 0], [0, 0], 1)


def test_noise_turns_pairs_round_and_more_noise_the_same_ones_too():
    pairs = [Pair(Example([i], [True]), Example([-i], [True])) for i in range(1, 2001)]
    turned = [
        {p.rejected.ids[0] for p in mislabelled(pairs, share) if p.rejected.ids[0] > 0}
        for share in (0, 0.2, 0.4)
    ]
    assert not turned[0] and turned[1] < turned[2]
    assert [len(t) / 2000 for t in turned] == pytest.approx([0, 0.2, 0.4], abs=0.03)
