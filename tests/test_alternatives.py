"""Parts that Llama does not have: each against a formula written out, or against PyTorch's own layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from llamalite.config import LlamaConfig
from llamalite.in_torch.alternatives import (
    ACTIVATIONS,
    GLU,
    MLP,
    place_feed_forward,
    place_norms,
    place_positions,
    still_table,
)
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.in_torch.swiglu import FeedForward

CFG = LlamaConfig(dim=12, n_layers=3, n_heads=2, vocab_size=11, hidden_dim=9, max_seq_len=8)
TOKENS = torch.tensor([[1, 5, 3, 9]])


def model() -> Llama:
    return init_weights(Llama(CFG).double())


def sublayers(layer, x):
    """The two sub-layers of a block as plain functions."""
    return lambda h: layer.attention(h, build_table(CFG, 4, x.dtype)), layer.feed_forward


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_post_norm_is_the_formula_of_2017(norm):
    m = place_norms(model(), "post", norm)
    normed = {
        "rms": lambda h: h / (h.pow(2).mean(-1, keepdim=True) + CFG.norm_eps).sqrt(),
        "layer": lambda h: F.layer_norm(h, (12,), eps=CFG.norm_eps),
    }[norm]
    x = m.tok_embeddings(TOKENS)
    for layer in m.layers.values():
        attend, feed = sublayers(layer, x)
        x = normed(x + attend(x))
        x = normed(x + feed(x))
    torch.testing.assert_close(m(TOKENS), m.output(x))


def test_without_norms_the_stream_is_the_sum_of_all_sub_layers():
    m = place_norms(model(), "none")
    x = m.tok_embeddings(TOKENS)
    for layer in m.layers.values():
        attend, feed = sublayers(layer, x)
        x = x + attend(x)
        x = x + feed(x)
    torch.testing.assert_close(m(TOKENS), m.output(x))


def test_pre_norm_is_llama_itself_and_the_way_back_is_open():
    before = model()(TOKENS)
    m = place_norms(place_norms(model(), "post"), "pre")
    torch.testing.assert_close(m(TOKENS), before)


def test_an_unknown_place_is_refused():
    with pytest.raises(ValueError, match=r"'before' must be one of .*'pre', 'post', 'none'"):
        place_norms(model(), "before")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_gate_and_a_plain_layer_by_the_papers_formulas(activation):
    """Shazeer 2020, eqs. 2 to 6, with PyTorch's modules for the activations."""
    act = {
        "relu": nn.ReLU(),
        "gelu": nn.GELU(),
        "silu": nn.SiLU(),
        "sigmoid": nn.Sigmoid(),
        "identity": nn.Identity(),
    }
    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    glu, mlp = GLU(4, 7, activation).double(), MLP(4, 7, activation).double()
    gated = (act[activation](x @ glu.w_gate.weight.T) * (x @ glu.w_up.weight.T)) @ glu.w_down.weight.T
    torch.testing.assert_close(glu(x), gated)
    torch.testing.assert_close(mlp(x), act[activation](x @ mlp.w_up.weight.T) @ mlp.w_down.weight.T)


def test_the_gate_with_silu_is_llamas_own():
    x, own, glu = torch.randn(5, 4), FeedForward(4, 7), GLU(4, 7, "silu")
    glu.load_state_dict(own.state_dict())
    torch.testing.assert_close(glu(x), own(x))


def test_placing_what_was_there_changes_nothing_and_other_layers_keep_their_size():
    before = model()(TOKENS)
    torch.testing.assert_close(place_feed_forward(model(), GLU, "silu", 9)(TOKENS), before)
    assert not torch.allclose(place_feed_forward(model(), GLU, "silu", 9, seed=1)(TOKENS), before)
    placed = place_feed_forward(model(), MLP, "relu", 27 // 2)
    assert placed.layers["2"].feed_forward.w_up.weight.shape == (13, 12)


def test_learnt_positions_are_added_once_and_nothing_turns():
    """GPT-2's way written out: token plus position, then attention without rotation, head by head."""
    m = place_positions(model(), seed=3)
    x = m.tok_embeddings.tokens(TOKENS) + m.tok_embeddings.positions(torch.arange(4))
    for layer in m.layers.values():
        h, a = layer.attention_norm(x), layer.attention
        q, k, v = (w(h).unflatten(-1, (2, 6)).transpose(1, 2) for w in (a.wq, a.wk, a.wv))
        scores = (q @ k.transpose(-1, -2) / 6**0.5).masked_fill(~torch.ones(4, 4).bool().tril(), -torch.inf)
        x = x + a.wo((scores.softmax(-1) @ v).transpose(1, 2).flatten(-2))
        x = x + layer.feed_forward(layer.ffn_norm(x))
    torch.testing.assert_close(m(TOKENS, still_table(CFG)), m.output(m.norm(x)))


def test_without_any_positions_the_order_of_what_lies_behind_is_not_seen():
    """All but the last token may change places, in a model of one layer; with positions they may not."""
    one = LlamaConfig(dim=12, n_layers=1, n_heads=2, vocab_size=11, hidden_dim=9, max_seq_len=8)
    m = init_weights(Llama(one).double())
    a, b = torch.tensor([[1, 5, 3, 9]]), torch.tensor([[3, 1, 5, 9]])
    table = still_table(one)
    torch.testing.assert_close(m(a, table)[:, -1], m(b, table)[:, -1])
    place_positions(m)
    assert not torch.allclose(m(a, table)[:, -1], m(b, table)[:, -1])


def test_learnt_positions_end_with_the_context_and_start_alike_whoever_asks():
    m = place_positions(model(), seed=3)
    with pytest.raises(ValueError, match="there are 8, the text has 9"):
        m(torch.zeros(1, 9, dtype=torch.long), still_table(CFG))
    again = place_positions(model(), seed=3).tok_embeddings.positions.weight
    assert torch.equal(m.tok_embeddings.positions.weight, again) and again.dtype == torch.float64
    assert not torch.equal(place_positions(model(), seed=4).tok_embeddings.positions.weight, again)
    assert m.tok_embeddings.weight is m.tok_embeddings.tokens.weight
