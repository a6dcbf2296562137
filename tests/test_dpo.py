"""DPO against hand arithmetic, against TRL, and against a bandit whose optimum is known in closed form."""

import math
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from oracle import shape, sharp_weights

from llamalite.align.dpo import (
    Dpo,
    answer_logprobs,
    dpo,
    dpo_logits,
    dpo_losses,
    pair_logprobs,
    reference_logprobs,
    regularised_optimum,
    without_end,
)
from llamalite.align.rlhf.reward import Pair
from llamalite.align.sft import Example, forward_of
from llamalite.align.tuning import Tuning
from llamalite.in_torch.llama import Llama


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- by hand -------------------------------------------------------------------------------------------


def test_the_loss_by_hand():
    """The chosen answer rose by 2 nats, the rejected fell by 1, β 0.5: -log σ(1.5)."""
    logits = dpo_logits(tensor(-8.0), tensor(-13.0), tensor(-10.0), tensor(-12.0), beta=0.5)
    assert logits.item() == pytest.approx(1.5)
    assert dpo_losses(logits).item() == pytest.approx(math.log(1 + math.exp(-1.5)))
    smooth = 0.9 * math.log(1 + math.exp(-1.5)) + 0.1 * math.log(1 + math.exp(1.5))
    assert dpo_losses(logits, 0.1).item() == pytest.approx(smooth)


def test_it_begins_at_log_2_and_pushes_apart():
    chosen, rejected = tensor(-3.0).requires_grad_(), tensor(-4.0).requires_grad_()
    loss = dpo_losses(dpo_logits(chosen, rejected, chosen.detach(), rejected.detach(), beta=0.3))
    loss.sum().backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert (chosen.grad.item(), rejected.grad.item()) == pytest.approx((-0.15, 0.15))


def test_sums_means_and_the_end_left_out():
    logprobs = tensor([-1.0, -2.0, -4.0, -50.0])
    counts = torch.tensor([[False, True, True, False]])
    assert answer_logprobs(logprobs, counts).item() == -6
    assert answer_logprobs(logprobs, counts, average=True).item() == -3
    assert answer_logprobs(logprobs, without_end(counts)).item() == -2
    assert without_end(torch.tensor([[False, False, True]])).sum() == 0


# --- the bandit ----------------------------------------------------------------------------------------


def test_the_optimum_of_the_rlhf_objective():
    """No other policy has more reward less β KL: neither steps around it nor any of a thousand."""
    reference, rewards, beta = tensor(0.4, 0.3, 0.2, 0.1), tensor(0.0, 1.0, -1.0, 2.0), 0.7
    best = regularised_optimum(reference, rewards, beta)

    def objective(p):
        return ((p * rewards).sum(-1) - beta * (p * (p / reference).log()).sum(-1)).max().item()

    others = torch.distributions.Dirichlet(torch.ones(4, dtype=torch.float64)).sample((1000,))
    assert objective(best) > objective(others)
    log_z = (reference * (rewards / beta).exp()).sum().log()
    implied = beta * (best / reference).log() + beta * log_z
    torch.testing.assert_close(implied, rewards)
    assert objective(best) == pytest.approx(beta * log_z.item())


def test_dpo_finds_the_optimum_of_the_bandit_without_seeing_a_reward():
    """All pairs, labelled as Bradley and Terry would: the minimum of the expected loss is the optimum."""
    reference, rewards, beta = tensor(0.4, 0.3, 0.2, 0.1), tensor(0.0, 1.0, -1.0, 2.0), 0.7
    logits = reference.log().clone().requires_grad_()
    i, j = torch.combinations(torch.arange(4)).T
    wins = torch.sigmoid(rewards[i] - rewards[j])
    optimizer = torch.optim.LBFGS(
        [logits], lr=1.0, max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15
    )

    def loss():
        optimizer.zero_grad()
        p, q = logits.log_softmax(-1), reference.log()
        total = (wins * dpo_losses(dpo_logits(p[i], p[j], q[i], q[j], beta))).sum()
        total = total + ((1 - wins) * dpo_losses(dpo_logits(p[j], p[i], q[j], q[i], beta))).sum()
        total.backward()
        return total

    optimizer.step(loss)
    torch.testing.assert_close(
        logits.softmax(-1), regularised_optimum(reference, rewards, beta), rtol=1e-6, atol=1e-8
    )


# --- against TRL ---------------------------------------------------------------------------------------


def llama(seed=0) -> Llama:
    cfg = shape("llama3", vocab_size=23).with_(max_seq_len=32)
    model = Llama(cfg).double()
    model.load_state_dict({k: torch.tensor(v) for k, v in sharp_weights(cfg, seed).items()})
    return model


def pairs(n=3) -> list[Pair]:
    g = torch.Generator().manual_seed(0)
    ids = lambda k: torch.randint(0, 23, (k,), generator=g).tolist()  # noqa: E731
    made = []
    for i in range(n):
        prompt = ids(2 + i)
        sides = [
            Example(prompt + (a := ids(1 + (i + k) % 4)), [False] * len(prompt) + [True] * len(a))
            for k in (2, 1)
        ]
        made.append(Pair(*sides))
    return made


class Outputs(torch.nn.Module):
    """Our Llama as TRL wants to see one."""

    is_gradient_checkpointing = False

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, labels, **rest):
        logits = self.model(input_ids)[:, :-1].log_softmax(-1)
        found = labels[:, 1:]
        said = logits.gather(2, found.clamp(min=0)[..., None])[..., 0] * (found >= 0)
        zeros = torch.zeros_like(said)
        return SimpleNamespace(
            log_probs=said, entropy=zeros, mean_logits=zeros, is_top1=zeros > 1, aux_loss=None
        )


def test_the_loss_is_trls():
    """The sigmoid loss plus 0.2 of the likelihood of the chosen answers, with ragged pairs."""
    trl = pytest.importorskip("trl", reason="TRL is an oracle of the tests only, and not installed")
    made, policy, reference = pairs(), llama(), llama(1)
    rows = [p.chosen for p in made] + [p.rejected for p in made]
    longest = max(len(e.ids) for e in rows)
    filled = lambda values: values + [0] * (longest - len(values))  # noqa: E731
    inputs = {
        "input_ids": torch.tensor([filled(e.ids) for e in rows]),
        "attention_mask": torch.tensor([filled([1] * len(e.ids)) for e in rows]),
        "completion_mask": torch.tensor([filled([int(t) for t in e.trained]) for e in rows]),
    }
    same = SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)
    stub = SimpleNamespace(
        model=Outputs(policy).eval(), ref_model=Outputs(reference).eval(), accelerator=same, beta=0.1,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None), aux_loss_enabled=False, ld_alpha=None,
        precompute_ref_logps=False, f_divergence_type="reverse_kl", loss_types=["sigmoid", "sft"],
        loss_weights=[1.0, 0.2], label_smoothing=0.0, use_weighting=False, _total_train_tokens=0,
        _metrics=defaultdict(lambda: defaultdict(list)), _tp_size=1,
    )  # fmt: skip
    try:
        theirs = trl.DPOTrainer._compute_loss(stub, stub.model, inputs, return_outputs=False).item()
    except AttributeError as error:  # a private method, which another version may have changed
        pytest.skip(f"this TRL keeps its loss elsewhere: {error}")
    s = Dpo(beta=0.1)
    said, nll = pair_logprobs(forward_of(policy), made, Dpo(nll_per_token=False))
    base = reference_logprobs(reference, made, s)
    losses = dpo_losses(dpo_logits(said[0], said[1], base[0], base[1], beta=0.1))
    n_tokens = sum(sum(p.chosen.trained) for p in made)
    assert (losses.mean() + 0.2 * nll.sum() / n_tokens).item() == pytest.approx(theirs, rel=1e-10)


# --- the stage -----------------------------------------------------------------------------------------


def test_the_reference_is_asked_in_eval_mode():
    """A reference that drops things at random would answer differently each time."""
    reference = llama()
    reference.norm = torch.nn.Sequential(reference.norm, torch.nn.Dropout(0.5))
    reference.train()
    first, second = (reference_logprobs(reference, pairs(), Dpo()) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first, reference_logprobs(llama(), pairs(), Dpo()))


def test_dpo_learns_the_preference_and_likelihood_alone_only_the_chosen():
    found = {}
    for name, s in (
        ("dpo", Dpo(Tuning(30, batch_size=3, lr=1e-3, warmup=2), beta=0.5)),
        ("likelihood", Dpo(Tuning(30, batch_size=3, lr=1e-3, warmup=2), nll=1.0, preference=0.0)),
        ("unmoved", Dpo(Tuning(2, batch_size=3, lr=1e-9, warmup=0))),
    ):
        found[name] = dpo(llama().float(), pairs(), s)
    assert found["dpo"][0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert found["dpo"][-1]["accuracy"] == 1 and found["dpo"][-1]["rejected"] < found["dpo"][-1]["chosen"]
    assert found["likelihood"][-1]["chosen"] > 1
    assert found["unmoved"][-1]["chosen"] == pytest.approx(0, abs=1e-4)


def test_the_variants_reach_the_loss():
    policy, made = llama(), pairs()
    plain, _ = pair_logprobs(forward_of(policy), made, Dpo())
    masked, nll = pair_logprobs(forward_of(policy), made, Dpo(mask_end=True))
    means, whole = pair_logprobs(forward_of(policy), made, Dpo(average=True, nll_per_token=False))
    lengths = tensor(*([sum(getattr(p, side).trained) for p in made] for side in ("chosen", "rejected")))
    torch.testing.assert_close(means, plain / lengths)
    assert (masked > plain).all()  # the last token's log-probability, which is negative, is left out
    torch.testing.assert_close(whole, -plain[0])  # the NLL keeps the end: stopping must stay learnt
    torch.testing.assert_close(nll, -plain[0] / lengths[0])
