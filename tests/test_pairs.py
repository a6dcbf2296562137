"""Answers are learnt and nothing else is: counted by hand, and against one pair at a time."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from llamalite.config import LlamaConfig
from llamalite.in_torch.encoder_decoder import EncoderDecoder
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.train.pairs import (
    Pair,
    encoder_decoder_answer,
    encoder_decoder_losses,
    fit,
    pad,
    prefix_mask,
    prompted_answer,
    prompted_losses,
)

BEGIN, END = 1, 2
CFG = LlamaConfig(dim=8, n_layers=2, n_heads=2, vocab_size=20, hidden_dim=12, max_seq_len=32)
PAIRS = [Pair([5, 6, 7], [8, 9]), Pair([10], [11, 12, 13, 14]), Pair([15, 16], [])]


@pytest.fixture
def llama():
    return init_weights(Llama(CFG)).double()


def uniform(tokens, mask=None):
    return torch.zeros(*tokens.shape, 20)


def test_every_token_of_an_answer_counts_once_and_its_end_too():
    losses, counts = prompted_losses(uniform, PAIRS, BEGIN, END)
    assert counts.sum(1).tolist() == [3, 5, 1]
    torch.testing.assert_close(losses[counts], torch.full((9,), math.log(20)))


@pytest.mark.parametrize("prefix", [False, True])
def test_in_a_batch_as_alone(llama, prefix):
    losses, counts = prompted_losses(llama, PAIRS, BEGIN, END, prefix)
    for i, pair in enumerate(PAIRS):
        row = torch.tensor([[*pair.given, BEGIN, *pair.answer, END]])
        n = len(pair.given)
        mask = torch.ones(row.shape[1] - 1, row.shape[1] - 1).tril().bool()
        if prefix:
            mask[:, :n] = True
        logits = llama(row[:, :-1], mask=mask)[0, n:]
        expected = F.cross_entropy(logits, row[0, n + 1 :], reduction="none")
        torch.testing.assert_close(losses[i][counts[i]], expected)


def test_an_encoder_decoder_reads_the_given_and_is_asked_for_the_answer():
    torch.manual_seed(0)
    model = EncoderDecoder(CFG).double()
    losses, counts = encoder_decoder_losses(model, PAIRS, BEGIN, END)
    assert counts.sum(1).tolist() == [3, 5, 1]
    for i, pair in enumerate(PAIRS):
        target = torch.tensor([[BEGIN, *pair.answer, END]])
        source = torch.tensor([list(pair.given)])
        logits = model(source, target[:, :-1], torch.ones_like(source, dtype=torch.bool))[0]
        expected = F.cross_entropy(logits, target[0, 1:], reduction="none")
        torch.testing.assert_close(losses[i][counts[i]], expected)


def test_a_prefix_is_open_and_the_answer_is_not():
    mask = prefix_mask(torch.tensor([2, 0]), 4)
    assert mask[0].int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert torch.equal(mask[1], torch.ones(4, 4).tril().bool())


def test_padding_stands_behind():
    tokens, real = pad([[3], [4, 5, 6]])
    assert tokens.tolist() == [[3, 0, 0], [4, 5, 6]] and real.sum(1).tolist() == [1, 3]


def test_fit_learns_what_it_is_asked_and_says_so():
    """Two biases, pulled to 3 and never asked: one learns, one stays."""
    model = nn.Linear(1, 2, bias=True)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    model.weight.requires_grad_(False)

    def losses_of(batch):
        out = model(torch.zeros(len(batch), 1))
        return (out - 3) ** 2, torch.tensor([[True, False]]).expand(len(batch), -1)

    heard = []
    losses = fit(
        model, losses_of, range(5), steps=300, batch_size=8, lr=0.2, after_step=lambda *a: heard.append(a)
    )
    assert len(losses) == len(heard) == 300 and heard[-1] == (300, losses[-1])
    assert losses[0] == pytest.approx(9) and losses[-1] < 0.01
    assert model.bias[0].item() == pytest.approx(3, abs=0.1) and abs(model.bias[1].item()) < 1e-6
    again = fit(
        nn.Linear(1, 2), lambda b: (torch.zeros(1, 1, requires_grad=True), torch.ones(1, 1)), [1], steps=2
    )
    assert again == [0, 0]


# --- answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [False, True])
def test_a_prompted_answer_is_the_likeliest_with_a_cache_and_without(prefix):
    model = init_weights(Llama(CFG), seed=4)
    given, text = [5, 6, 7, 8], [5, 6, 7, 8, BEGIN]
    for _ in range(6):
        mask = prefix_mask(torch.tensor([4 if prefix else 0]), len(text))
        text.append(int(model(torch.tensor([text]), mask=mask)[0, -1].argmax()))
    expected = text[5 : text.index(END)] if END in text else text[5:]
    for cached in (True, False):
        assert prompted_answer(model, given, BEGIN, END, 6, prefix, cached) == expected


def test_an_encoder_decoders_answer_is_the_likeliest_with_a_cache_and_without():
    torch.manual_seed(3)
    model, given, told = EncoderDecoder(CFG), [5, 6, 7], [BEGIN]
    for _ in range(6):
        logits = model(torch.tensor([given]), torch.tensor([told]), torch.ones(1, 3, dtype=torch.bool))
        told.append(int(logits[0, -1].argmax()))
    expected = told[1 : told.index(END)] if END in told else told[1:]
    for cached in (True, False):
        assert encoder_decoder_answer(model, given, BEGIN, END, 6, cached) == expected
