"""Packed documents against documents one by one; stretched contexts against Hugging Face; recall."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import frequencies_by_hand, hugging_face, shape, sharp_weights
from torch.nn import functional as F
from transformers import LlamaConfig as HuggingFaceConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from llamalite.config import LlamaConfig, preset
from llamalite.in_torch.llama import Llama, build_cache, build_table
from llamalite.in_torch.llama3 import (
    N_KEYS,
    N_PAIRS,
    N_VALUES,
    RECALL_VOCABULARY,
    WAYS,
    after_blank_lines,
    document_mask,
    document_positions,
    documents,
    loss_by_position,
    memory,
    recall,
    stretched,
)
from llamalite.in_torch.rope import rope_frequencies
from llamalite.in_torch.weights.names import to_hugging_face
from llamalite.train.batches import document_starts

# --- documents in one row ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(flags=st.lists(st.booleans(), min_size=1, max_size=12))
def test_positions_and_mask_are_those_that_a_reader_would_count(flags):
    begins = torch.tensor(flags)
    T, since = len(flags), []
    for i in range(T):  # the last beginning at or before i; the row's start counts as one
        since.append(max([j for j in range(i + 1) if flags[j]], default=0))
    assert document_positions(begins).tolist() == [i - since[i] for i in range(T)]
    sees = [[since[i] <= j <= i for j in range(T)] for i in range(T)]
    assert document_mask(begins).tolist() == sees


def packed(rows):
    """Rows of documents, each a list of lengths, as ``begins``."""
    begins = torch.zeros(len(rows), sum(rows[0]), dtype=torch.bool)
    for row, lengths in zip(begins, rows, strict=True):
        row[np.cumsum([0, *lengths[:-1]])] = True
    return begins


ROWS = [[4, 7, 1, 8], [13, 2, 5]]


def llama(cfg):
    model = Llama(cfg).double()
    model.load_state_dict({name: torch.tensor(w) for name, w in sharp_weights(cfg).items()})
    return model


def tokens_of(cfg, B, T):
    return torch.randint(cfg.vocab_size, (B, T), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["llama1", "llama3", "llama3.1", "llama3.2"])
def test_logits_and_every_gradient_equal_the_documents_one_by_one(name):
    cfg = shape(name)
    model, tokens = llama(cfg), tokens_of(cfg, 2, 20)
    upstream = torch.randn(2, 20, cfg.vocab_size, dtype=torch.float64)
    together = model(tokens, build_table(cfg, 20, torch.float64), *documents(packed(ROWS)))
    (together * upstream).sum().backward()
    gradients = {key: p.grad.clone() for key, p in model.named_parameters()}
    model.zero_grad()
    for row, lengths in enumerate(ROWS):
        for a, b in pairwise(np.cumsum([0, *lengths])):
            alone = model(tokens[row : row + 1, a:b])
            torch.testing.assert_close(alone[0], together[row, a:b], rtol=0, atol=1e-10)
            (alone[0] * upstream[row, a:b]).sum().backward()
    for key, p in model.named_parameters():
        torch.testing.assert_close(p.grad, gradients[key], rtol=1e-9, atol=1e-9, msg=key)


def test_packed_logits_equal_hugging_face_reading_each_document_alone():
    cfg = shape("llama3.1")
    model, tokens = llama(cfg), tokens_of(cfg, 2, 20)
    theirs = hugging_face(cfg, to_hugging_face(model.state_dict(), cfg), float64=True)
    with torch.no_grad():
        ours = model(tokens, build_table(cfg, 20, torch.float64), *documents(packed(ROWS)))
        for row, lengths in enumerate(ROWS):
            for a, b in pairwise(np.cumsum([0, *lengths])):
                alone = theirs(tokens[row : row + 1, a:b]).logits[0]
                torch.testing.assert_close(ours[row, a:b], alone, rtol=1e-8, atol=1e-8)


def test_nothing_said_in_one_document_moves_another_and_without_the_mask_it_does():
    cfg = shape("llama3")
    model, table = llama(cfg), build_table(shape("llama3"), 20, torch.float64)
    tokens, where = tokens_of(cfg, 1, 20), documents(packed([[9, 11]]))
    changed = tokens.clone()
    changed[:, :9] = (tokens[:, :9] + 1) % cfg.vocab_size
    with torch.no_grad():
        apart = [model(ids, table, *where)[:, 9:] for ids in (tokens, changed)]
        leaking = [model(ids, table, where.positions, None)[:, 9:] for ids in (tokens, changed)]
    assert torch.equal(*apart)
    assert (leaking[0] - leaking[1]).abs().max() > 0.5


def test_behind_the_mask_it_does_not_matter_where_positions_restart():
    """Attention knows distances only (chapter 06), and no distance crosses a border."""
    cfg = shape("llama3.1")
    model, tokens, where = llama(cfg), tokens_of(cfg, 2, 20), documents(packed(ROWS))
    table = build_table(cfg, 50_020, torch.float64)
    far = torch.arange(20).expand(2, 20) + 50_000
    with torch.no_grad():
        restarted, running = (model(tokens, table, at, where.mask) for at in (where.positions, far))
    torch.testing.assert_close(running, restarted, rtol=0, atol=1e-8)


def test_blank_lines_are_found_where_training_finds_them():
    ids = torch.tensor([5, 1, 1, 6, 1, 7, 1, 1, 8, 9, 9])
    found = after_blank_lines(ids, newline=1).nonzero()[:, 0]
    assert found.tolist() == [2, 7] == document_starts(ids, 1, seq_len=2).tolist()
    assert after_blank_lines(torch.tensor([[1, 1, 1]]), 1).int().tolist() == [[0, 1, 1]]


# --- longer contexts -----------------------------------------------------------------------------------

PLAIN = LlamaConfig(dim=192, n_heads=6, n_layers=1, vocab_size=11, rope_theta=3000.0, max_seq_len=700)


def frequencies(cfg):
    return rope_frequencies(cfg.head_dim, cfg.rope_theta, cfg.rope_scaling)


def theirs(kind, seq_len=None, **parameters):
    """Hugging Face's own frequencies for the same head and theta."""
    cfg = HuggingFaceConfig(
        hidden_size=PLAIN.dim,
        num_attention_heads=PLAIN.n_heads,
        max_position_embeddings=PLAIN.max_seq_len,
        rope_parameters={"rope_type": kind, "rope_theta": PLAIN.rope_theta} | parameters,
    )
    return ROPE_INIT_FUNCTIONS[kind](cfg, "cpu", seq_len=seq_len)[0].double()


@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_every_way_to_stretch_has_the_frequencies_of_hugging_face(factor):
    ours = {how: frequencies(stretched(PLAIN, factor, how)) for how in WAYS}
    bands = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 700}
    want = {
        "interpolation": theirs("linear", factor=factor),
        "ntk": theirs("dynamic", seq_len=round(700 * factor), factor=1.0),
        "bands": theirs("llama3", factor=factor, **bands),
    }
    for how, freqs in want.items():
        torch.testing.assert_close(ours[how], freqs, rtol=1e-5, atol=0)  # theirs are float32
    assert torch.equal(ours["none"], frequencies(PLAIN))


def test_who_divides_which_wave():
    plain = frequencies(PLAIN)
    ratio = {how: (plain / frequencies(stretched(PLAIN, 8.0, how))).tolist() for how in WAYS}
    assert ratio["interpolation"] == pytest.approx([8] * 16)
    assert ratio["ntk"][0] == 1 and ratio["ntk"][-1] == pytest.approx(8)  # 3000^(1/16) a pair, 8^(1/15) more
    assert ratio["ntk"] == pytest.approx([8 ** (i / 15) for i in range(16)])
    waves = [2 * math.pi / f for f in plain.tolist()]
    assert [r == 1 for r in ratio["bands"]] == [wave < 700 / 4 for wave in waves]
    assert [r == pytest.approx(8) for r in ratio["bands"]] == [wave > 700 for wave in waves]
    np.testing.assert_allclose(
        frequencies_by_hand(stretched(PLAIN, 8.0, "bands")), plain / torch.tensor(ratio["bands"])
    )


def test_llama_3_stretched_by_bands_is_llama_3_1_but_for_how_far_it_reads():
    ours = stretched(preset("llama3-8b"), 8, "bands")
    assert ours.with_(max_seq_len=131_072) == preset("llama3.1-8b") and ours.max_seq_len == 65_536


@pytest.mark.parametrize("cfg, how", [(PLAIN, "yarn"), (preset("llama3.1-8b"), "ntk")])
def test_what_cannot_be_stretched_is_refused(cfg, how):
    with pytest.raises(ValueError, match=r"there are none, interpolation, ntk, bands|stretched already"):
        stretched(cfg, 2, how)


def test_the_mean_loss_of_each_position():
    losses = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    positions = document_positions(packed([[2, 2], [3, 1]]))
    # Position 0: 1, 3, 5, 8; position 1: 2, 4, 6; position 2: 7.
    assert loss_by_position(losses, positions).tolist() == [17 / 4, 4.0, 7.0]
    counts = losses != 8
    assert loss_by_position(losses, positions, counts).tolist() == [3.0, 4.0, 7.0]


# --- what it takes -------------------------------------------------------------------------------------


def test_memory_is_that_of_real_tensors():
    cfg = shape("llama3", max_seq_len=64)
    model, cache = Llama(cfg).bfloat16(), build_cache(cfg, 3, 64, torch.bfloat16)
    want = memory(cfg, context=64, texts=3)
    logits = model(torch.zeros(3, 64, dtype=torch.long), build_table(cfg)).float()
    assert want.weights == sum(p.nbytes for p in model.parameters())
    assert want.cache == cache.k.nbytes + cache.v.nbytes
    assert want.logits == logits.nbytes


def test_memory_of_the_published_models():
    """Facts I2 for the caches; 128,256 logits of four bytes for each of 131,072 tokens are 62.6 GiB."""
    assert memory(preset("llama3.1-405b"), 131_072).cache == 63 * 2**30
    assert memory(preset("llama3-8b"), 8192).cache == 2**30
    assert round(memory(preset("llama3.1-8b"), 131_072).logits / 2**30, 1) == 62.6
    assert memory(preset("llama2-7b"), 4096).weights == 2 * 6_738_415_616


# --- recall --------------------------------------------------------------------------------------------


def pairs_in(noise):
    """key → value, read off the row."""
    keys = [i for i, token in enumerate(noise) if token < N_KEYS]
    return {noise[i]: noise[i + 1] for i in keys}


@pytest.mark.parametrize("n_asked, depth", [(8, None), (1, 0.0), (1, 0.5), (1, 1.0)])
def test_every_question_has_its_answer_in_the_noise(n_asked, depth):
    x = recall(np.random.default_rng(0), 50, 60, n_asked, depth)
    assert x.shape == (50, 60) and x.min() >= 0 and x.max() < RECALL_VOCABULARY
    for row in x.tolist():
        noise, questions = row[: 60 - 2 * n_asked], row[60 - 2 * n_asked :]
        known = pairs_in(noise)
        assert len(known) == N_PAIRS
        assert all(N_KEYS <= value < N_KEYS + N_VALUES for value in known.values())
        assert all(known[key] == value for key, value in zip(questions[::2], questions[1::2], strict=True))
        if depth is None:
            assert set(questions[::2]) == set(known)
        else:
            assert noise.index(questions[0]) == 2 * round(depth * (len(noise) // 2 - 1))


def test_a_reader_who_looks_the_key_up_is_always_right_and_a_short_row_is_refused():
    x = recall(np.random.default_rng(3), 8, 64)
    logits = F.one_hot(torch.tensor([[pairs_in(row[:48])[key] for key in row[48::2]] for row in x.tolist()]))
    assert torch.equal(logits.argmax(-1), x[:, 49::2])
    with pytest.raises(ValueError, match="20 tokens cannot hold 8 pairs and 8 questions"):
        recall(np.random.default_rng(0), 1, 20)
