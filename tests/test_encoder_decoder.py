"""One block, three masks: each against a layer of PyTorch's own, or against what it must not see."""

import pytest
import torch
from torch import nn

from llamalite.config import LlamaConfig
from llamalite.in_torch.attention import KVCache
from llamalite.in_torch.encoder_decoder import (
    CrossAttention,
    Encoder,
    EncoderDecoder,
    both_ways_mask,
    mask_tokens,
)
from llamalite.in_torch.llama import Llama

CFG = LlamaConfig(dim=12, n_layers=2, n_heads=6, n_kv_heads=3, vocab_size=17, hidden_dim=20, max_seq_len=16)
REAL = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])


def drawn(*shape, seed=0, high=CFG.vocab_size):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def sharp(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of size one, in float64: nothing is nearly nought."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.double().parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) / p.shape[-1] ** 0.5)
    return model


@pytest.fixture
def model() -> EncoderDecoder:
    return sharp(EncoderDecoder(CFG))


def test_cross_attention_is_torchs_own():
    """Queries from one text, keys and values from another of another length, some of it padding."""
    ours = sharp(CrossAttention(12, 4, 4))
    theirs = nn.MultiheadAttention(12, 4, bias=False, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.wq.weight, ours.wk.weight, ours.wv.weight]))
        theirs.out_proj.weight.copy_(ours.wo.weight)
    x, read = torch.randn(2, 5, 12).double(), torch.randn(2, 6, 12).double()
    expected, _ = theirs(x, read, read, key_padding_mask=~REAL)
    got = ours(x, *ours.keys_values(read), REAL[:, None, :].expand(-1, 5, -1))
    torch.testing.assert_close(got, expected)


def test_an_encoder_without_padding_is_a_llama_whose_mask_hides_nothing():
    encoder, llama = sharp(Encoder(CFG)), sharp(Llama(CFG))
    llama.load_state_dict(encoder.state_dict(), strict=False)
    seen = []
    llama.norm.register_forward_hook(lambda module, given, out: seen.append(out))
    tokens = drawn(2, 6)
    llama(tokens, mask=torch.ones(6, 6, dtype=torch.bool))
    torch.testing.assert_close(encoder(tokens, torch.ones(2, 6, dtype=torch.bool)), seen[0])


def test_an_encoder_sees_both_ways_and_no_padding():
    encoder, tokens = sharp(Encoder(CFG)), drawn(2, 6)
    before = encoder(tokens, REAL)
    last_changed, padding_changed = tokens.clone(), tokens.clone()
    last_changed[:, 3] = (tokens[:, 3] + 1) % 17
    padding_changed[1, 4:] = (tokens[1, 4:] + 1) % 17
    assert (encoder(last_changed, REAL) - before)[:, 0].abs().amax(-1).min() > 1e-3
    torch.testing.assert_close(encoder(padding_changed, REAL)[1, :4], before[1, :4], rtol=0, atol=0)
    alone = encoder(tokens[1:, :4], torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(alone[0], before[1, :4])


def test_the_answer_depends_on_all_of_the_source_and_on_nothing_of_its_own_future(model):
    source, target = drawn(2, 6), drawn(2, 5, seed=1)
    before = model(source, target, REAL)
    for place in range(4):
        changed = source.clone()
        changed[:, place] = (source[:, place] + 1) % 17
        assert (model(changed, target, REAL) - before).abs().amax((1, 2)).min() > 1e-3, place
    ahead = target.clone()
    ahead[:, 3] = (target[:, 3] + 1) % 17
    after = model(source, ahead, REAL)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=0, atol=0)
    assert (after - before)[:, 3].abs().max() > 1e-3


def test_the_source_arrives_by_cross_attention_alone(model):
    """Without it the answer would be the same whatever was read."""
    with torch.no_grad():
        for layer in model.layers.values():
            layer.cross_attention.wo.weight.zero_()
    target = drawn(2, 5, seed=1)
    torch.testing.assert_close(model(drawn(2, 6), target, REAL), model(drawn(2, 6, seed=5), target, REAL))


def test_with_a_cache_and_the_source_read_once_the_logits_are_the_same(model):
    source, target = drawn(2, 6), drawn(2, 7, seed=1)
    whole = model(source, target, REAL)
    memory = model.encode(source, REAL)
    cache = KVCache(2, 2, 7, 3, 2, dtype=torch.float64)
    parts = [model.decode(part, memory, cache=cache) for part in target.split([3, 1, 1, 2], dim=1)]
    assert cache.length == 7
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_gradients_reach_every_parameter(model):
    model(drawn(2, 6), drawn(2, 5, seed=1), REAL).pow(2).sum().backward()
    unused = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert unused == []


def test_both_ways_mask_hides_padding_from_everybody():
    assert both_ways_mask(REAL)[1].all(0).tolist() == [True] * 4 + [False] * 2


# --- what a masked language model is asked -------------------------------------------------------------


def test_the_rule_of_80_10_10():
    """Of 15% asked for: 80% hidden, 10% exchanged, 10% left; what is not asked for is left alone."""
    tokens = drawn(200, 500, seed=3, high=1000) + 5
    may = tokens % 7 != 0
    shown, asked = mask_tokens(tokens, may, 4, 1005, torch.Generator().manual_seed(0))
    assert not (asked & ~may).any() and torch.equal(shown[~asked], tokens[~asked])
    assert (asked.sum() / may.sum()).item() == pytest.approx(0.15, abs=0.005)
    hidden, kept = shown[asked] == 4, shown[asked] == tokens[asked]
    assert hidden.float().mean().item() == pytest.approx(0.8, abs=0.015)
    assert kept.float().mean().item() == pytest.approx(0.1, abs=0.01)
    noise = shown[asked][~hidden & ~kept]
    assert len(noise.unique()) > 500  # from the whole vocabulary


def test_everything_may_be_asked_for_and_nothing_is_no_rate():
    tokens = drawn(2, 6)
    assert mask_tokens(tokens, REAL, 4, 17, rate=1.0)[1].equal(REAL)
    with pytest.raises(ValueError, match="rate is 0"):
        mask_tokens(tokens, REAL, 4, 17, rate=0)
