"""Marks, win rates and distances: by hand, and against distributions that are known."""

import math
from random import Random

import numpy as np
import pytest
import torch
from oracle import shape

from llamalite.align.chat import FORMATS
from llamalite.align.evaluation import Asking, evaluate, judge_answers, sequence_kl, win_rate
from llamalite.align.rlhf.rollouts import as_examples, choose_all, sample
from llamalite.in_torch.generation import generate
from llamalite.in_torch.llama import Llama, build_cache, init_weights
from llamalite.tales.short import short_tales
from llamalite.tales.tasks import request
from llamalite.text.tokenization.ranked import BEGIN, END, HEADERS, RankedTokenizer, byte_order

BYTES = RankedTokenizer(byte_order(), special_tokens=(BEGIN, END, *HEADERS.values()))
ASKING = Asking(BYTES, FORMATS["llama3"], short_tales(), 12)


# --- the oracle ----------------------------------------------------------------------------------------


def test_what_follows_the_request_is_perfect_and_has_to_end():
    made = request(ASKING.tales, Random(3))
    eot = BYTES.special_ids["<|eot_id|>"]
    ids = BYTES.encode(made.answer)
    marks = judge_answers(ASKING, [made] * 3, [[*ids, eot], ids, [*ids[: len(ids) // 2], eot]])
    assert marks.score[0] == 1 and marks.perfect.tolist() == [1, 0, 0]
    assert marks.score[1] == pytest.approx(0.8) and 0 < marks.score[2] < 1


# --- against another -----------------------------------------------------------------------------------


def test_wins_by_hand():
    """Two requests, two answers each: one win, one loss, two ties."""
    ours, theirs = np.array([1.0, 0.5, 0.2, 0.3]), np.array([0.5, 0.5, 0.6, 0.3])
    won = win_rate(ours, theirs, n_requests=2)
    assert won.rate == 0.5 and won.low <= 0.5 <= won.high


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for i in range(100):
        ours = (rng.random(80) < 0.7).astype(float)
        won = win_rate(ours, np.full(80, 0.5), 80, seed=i)
        held += won.low <= 0.7 <= won.high
    assert 88 <= held <= 99


def test_answers_to_one_request_are_not_counted_as_independent():
    """The same 20 outcomes, repeated 50 times, are still 20 outcomes."""
    ours = (np.random.default_rng(0).random(20) < 0.5).astype(float)
    once, often = (win_rate(np.tile(ours, n), np.full(20 * n, 0.5), 20) for n in (1, 50))
    assert often.high - often.low == pytest.approx(once.high - once.low)


# --- rollouts ------------------------------------------------------------------------------------------


def llama(seed=0, vocab_size=11) -> Llama:
    cfg = shape("llama3", vocab_size=vocab_size, dim=32, hidden_dim=48).with_(max_seq_len=48)
    return init_weights(Llama(cfg), seed).eval()


def test_a_batch_of_unequal_prompts_is_each_prompt_alone():
    model, prompts = llama(), [[1, 2, 3, 4], [5], [6, 7]]
    found = sample(model, prompts, 9, {0}, temperature=0.0)
    for prompt, answer in zip(prompts, found, strict=True):
        cache = build_cache(model.cfg, 1)
        alone = list(generate(model, prompt, 9, max_seq_len=48, cache=cache, stop_ids={0}, temperature=0.0))
        assert answer == (alone if len(alone) == 9 else [*alone, 0])


def test_an_answer_ends_with_the_first_stop_and_no_later_than_the_context():
    model = llama()
    found = sample(model, [[1], [2, 3]] * 20, 200, {0, 4}, generator=torch.Generator().manual_seed(0))
    for answer in found:
        assert not {0, 4} & set(answer[:-1]) and (answer[-1] in {0, 4} or len(answer) == 46)
    again = sample(model, [[1], [2, 3]] * 20, 200, {0, 4}, generator=torch.Generator().manual_seed(0))
    assert again == found
    with pytest.raises(ValueError, match="a prompt of 48 tokens fills the context"):
        sample(model, [[1] * 48], 5, {0})


def test_draws_follow_the_temperature():
    logits = torch.tensor([[0.0, math.log(3.0)]]).repeat(20_000, 1)
    for temperature, share in ((1.0, 3 / 4), (0.5, 9 / 10), (0.0, 1.0)):
        drawn = choose_all(logits, temperature, torch.Generator().manual_seed(0))
        assert drawn.float().mean().item() == pytest.approx(share, abs=0.02)


def test_what_counts_of_a_rollout_is_the_answer():
    (example,) = as_examples([[1, 2]], [[3, 4, 0]])
    assert example.ids == [1, 2, 3, 4, 0] and example.trained == [False, False, True, True, True]


def test_the_distance_of_two_models_by_enumeration():
    """All answers of one token: the mean over many draws is the sum of p log (p / q)."""
    ours, theirs = llama(0), llama(1)
    prompt = [3, 5]
    with torch.no_grad():
        p, q = (m(torch.tensor([prompt]))[0, -1].log_softmax(-1) for m in (ours, theirs))
    true = (p.exp() * (p - q)).sum().item()
    answers = sample(ours, [prompt] * 4000, 1, {0}, generator=torch.Generator().manual_seed(0))
    assert sequence_kl(ours, theirs, [prompt] * 4000, answers) == pytest.approx(true, rel=0.1)
    assert sequence_kl(ours, ours, [prompt], [[1]]) == 0


def test_an_evaluation_asks_every_request_as_often_as_it_should():
    requests = [request(ASKING.tales, Random(i)) for i in range(3)]
    cfg = shape("llama3", vocab_size=BYTES.vocab_size, dim=32, hidden_dim=48).with_(max_seq_len=160)
    model = init_weights(Llama(cfg)).eval()
    e = evaluate(model, ASKING, requests, reference=model, repeats=2, seed=1)
    assert len(e.answers) == len(e.judged.score) == 6 and e.kl == pytest.approx(0, abs=1e-6)
    assert e.length == sum(map(len, e.answers)) / 6 <= 12
