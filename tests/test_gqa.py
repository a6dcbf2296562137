"""Sharing heads after the fact, against loops over heads and against models that share in truth."""

import pytest
import torch
from oracle import shape, sharp_weights

from llamalite.in_torch.gqa import WAYS, merge_heads, same_size, share_heads
from llamalite.in_torch.llama import Llama

N, H, D = 6, 4, 10


@pytest.fixture
def w():
    return torch.randn(N * H, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_neighbours_share(w, groups):
    heads = [w[i * H : (i + 1) * H] for i in range(N)]
    size = N // groups
    mean, first = (merge_heads(w, N, groups, how) for how in ("mean", "first"))
    for j in range(groups):
        members = heads[j * size : (j + 1) * size]
        torch.testing.assert_close(mean[j * H : (j + 1) * H], sum(members) / size, rtol=1e-14, atol=1e-15)
        assert torch.equal(first[j * H : (j + 1) * H], members[0])


def llama(cfg, state):
    model = Llama(cfg).double()
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("how", ["mean", "first"])
def test_heads_that_are_equal_already_lose_nothing(how):
    """Multi-head attention whose neighbours happen to be alike is grouped-query attention."""
    grouped = shape("llama2-gqa")
    state = {k: torch.tensor(v) for k, v in sharp_weights(grouped).items()}
    apart = grouped.with_(n_kv_heads=grouped.n_heads)
    wide = {k: torch.empty(s, dtype=torch.float64) for k, s in apart.param_shapes().items()}
    for name in wide:
        wide[name] = state[name]
        if name.endswith(("wk.weight", "wv.weight")):
            heads = state[name].unflatten(0, (grouped.n_kv_heads, -1))
            wide[name] = heads.repeat_interleave(apart.n_heads // grouped.n_kv_heads, dim=0).flatten(0, 1)
    tokens = torch.arange(20)[None] * 7 % grouped.vocab_size
    shared, cfg = share_heads(wide, apart, grouped.n_kv_heads, how)
    assert cfg == grouped
    with torch.no_grad():
        logits = [llama(c, s)(tokens) for c, s in ((grouped, state), (apart, wide), (cfg, shared))]
    torch.testing.assert_close(logits[1], logits[0], rtol=0, atol=1e-11)
    torch.testing.assert_close(logits[2], logits[0], rtol=0, atol=1e-11)


def test_what_is_not_a_key_or_value_head_stays_the_same_tensor():
    cfg = shape("llama1")
    state = {k: torch.tensor(v) for k, v in sharp_weights(cfg).items()}
    for how in WAYS:
        shared, new = share_heads(state, cfg, 1, how, seed=3)
        assert {name: tuple(w.shape) for name, w in shared.items()} == new.param_shapes()
        moved = {name.split(".")[-2] for name, w in shared.items() if w is not state[name]}
        assert moved == {"wk", "wv"}
    again, _ = share_heads(state, cfg, 1, "random", seed=3)
    assert torch.equal(again["layers.0.attention.wk.weight"], shared["layers.0.attention.wk.weight"])


def test_from_few_heads_to_fewer():
    """4 heads by way of 2 are the mean of the 4: means of equal groups can be taken in two steps."""
    w = torch.randn(4 * H, D, dtype=torch.float64)
    torch.testing.assert_close(merge_heads(merge_heads(w, 4, 2), 2, 1), merge_heads(w, 4, 1))


@pytest.mark.parametrize(("dim", "kv"), [(96, 1), (480, 4)])
def test_the_same_size_to_a_rounding(dim, kv):
    cfg = shape("llama1", dim=dim, hidden_dim=1000).with_(n_heads=8, n_kv_heads=8)
    assert abs(same_size(cfg, kv).n_params - cfg.n_params) <= 1.5 * cfg.n_layers * cfg.dim


@pytest.mark.parametrize("wrong", [{"n_kv_heads": 4}, {"n_kv_heads": 2, "how": "median"}])
def test_what_cannot_be_shared_is_refused(wrong):
    cfg = shape("llama2-gqa").with_(n_kv_heads=6)
    state = {k: torch.tensor(v) for k, v in sharp_weights(cfg).items()}
    with pytest.raises(ValueError, match=r"n_kv_heads must be one of|there are mean, first, random"):
        share_heads(state, cfg, **wrong)
