import math

import numpy as np
import pytest
import torch
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.in_numpy import attention as in_numpy
from llamalite.in_torch import attention as in_torch


def qkv(B=2, T=4, S=4, N=4, K=2, H=2, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(s) for s in ((B, T, N, H), (B, S, K, H), (B, S, K, H)))


def by_loops(q, k, v, mask):
    """One batch row, one head, one query at a time, in the words of the paper (eq. 1)."""
    B, T, N, H = q.shape
    group = N // k.shape[2]
    out = np.zeros_like(q)
    for b, t, n in np.ndindex(B, T, N):
        keys = [s for s in range(k.shape[1]) if mask[t][s]]
        weights = [math.exp(q[b, t, n] @ k[b, s, n // group] / math.sqrt(H)) for s in keys]
        out[b, t, n] = sum(w * v[b, s, n // group] for w, s in zip(weights, keys, strict=True)) / sum(weights)
    return out


@pytest.mark.parametrize("K", [1, 2, 4], ids=["mqa", "gqa", "mha"])
@pytest.mark.parametrize("T", [1, 3, 5])
def test_both_halves_equal_the_loops(K, T):
    """Causal, with more keys than queries: the queries are the last ones."""
    q, k, v = qkv(T=T, S=5, K=K)
    expected = by_loops(q, k, v, [[s <= t + 5 - T for s in range(5)] for t in range(T)])
    np.testing.assert_allclose(in_numpy.attention(q, k, v, causal=True)[0], expected)
    np.testing.assert_allclose(
        in_torch.attention(*map(torch.tensor, (q, k, v)), causal=True).numpy(), expected
    )


@pytest.mark.parametrize("K", [1, 2, 4], ids=["mqa", "gqa", "mha"])
@pytest.mark.parametrize("T", [2, 4])
def test_forward_and_backward(K, T):
    check_gradients(
        lambda q, k, v: in_numpy.attention(q, k, v, causal=True),
        in_numpy.attention_backward,
        lambda q, k, v: in_torch.attention(q, k, v, causal=True),
        qkv(T=T, K=K),
    )


def test_an_arbitrary_mask_with_a_batch_axis():
    q, k, v = qkv()
    mask = np.random.default_rng(1).random((2, 4, 4)) < 0.6
    mask |= np.eye(4, dtype=bool)  # a query that may look nowhere has no answer
    ours = in_numpy.attention(q, k, v, mask)[0]
    for b in range(2):
        np.testing.assert_allclose(
            ours[b : b + 1], by_loops(q[b : b + 1], k[b : b + 1], v[b : b + 1], mask[b])
        )
    check_gradients(
        lambda q, k, v: in_numpy.attention(q, k, v, mask),
        in_numpy.attention_backward,
        lambda q, k, v: in_torch.attention(q, k, v, torch.tensor(mask)),
        (q, k, v),
    )


def test_without_a_mask_everyone_is_seen():
    q, k, v = qkv(T=2, S=3)
    expected = by_loops(q, k, v, np.ones((2, 3)))
    np.testing.assert_allclose(in_numpy.attention(q, k, v)[0], expected)
    np.testing.assert_allclose(in_torch.attention(*map(torch.tensor, (q, k, v))).numpy(), expected)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 5), seed=st.integers(0, 10**6))
def test_a_later_key_never_changes_an_earlier_query(cut, seed):
    q, k, v = qkv(T=6, S=6, seed=seed)
    before = in_numpy.attention(q, k, v, causal=True)[0]
    k[:, cut:] += 100
    v[:, cut:] -= 100
    after = in_numpy.attention(q, k, v, causal=True)[0]
    np.testing.assert_array_equal(before[:, :cut], after[:, :cut])
    assert not np.allclose(before[:, cut:], after[:, cut:])


def test_group_queries_keeps_neighbours_together():
    """Query heads 0, 1 belong to key head 0 and 2, 3 to key head 1: repeat-interleave, not tiling."""
    q = np.arange(4.0).reshape(1, 1, 4, 1)
    assert in_numpy.group_queries(q, 2).reshape(2, 2).tolist() == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(in_numpy.ungroup_queries(in_numpy.group_queries(q, 2)), q)


@pytest.mark.parametrize("half", [in_numpy, in_torch], ids=["numpy", "torch"])
def test_mask_and_causal_together_are_refused(half):
    args = qkv() if half is in_numpy else tuple(map(torch.tensor, qkv()))
    with pytest.raises(ValueError, match="not both"):
        half.attention(*args, half.causal_mask(4, 4), causal=True)


@pytest.mark.parametrize("half", [in_numpy, in_torch], ids=["numpy", "torch"])
def test_a_full_cache_says_so(half):
    cache = half.KVCache(1, 1, 2, 1, 2)
    new = np.ones((1, 3, 1, 2)) if half is in_numpy else torch.ones(1, 3, 1, 2)
    with pytest.raises(ValueError, match="it holds 2 positions, 3 are needed; build it longer"):
        cache.update(0, new, new)


@settings(max_examples=25, deadline=None)
@given(
    T=st.integers(1, 5),
    extra=st.integers(0, 3),
    scale=st.sampled_from([1.0, 30.0]),
    seed=st.integers(0, 10**6),
)
def test_equal_values_come_back_whatever_the_scores(T, extra, scale, seed):
    """Weights are shares: they sum to one in every row, also where a mask has taken most of it."""
    q, k, v = qkv(T=T, S=T + extra, seed=seed)
    alike = np.broadcast_to(v[:, :1], v.shape)  # every key says what the first one says
    expected = np.repeat(np.broadcast_to(v[:, :1], (2, T, 2, 2)), 2, axis=2)
    np.testing.assert_allclose(in_numpy.attention(scale * q, k, alike, causal=True)[0], expected)
    ours = in_torch.attention(*(torch.tensor(x.copy()) for x in (scale * q, k, alike)), causal=True)
    np.testing.assert_allclose(ours.numpy(), expected)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(5)), seed=st.integers(0, 10**6))
def test_without_a_mask_keys_have_no_order(order, seed):
    q, k, v = qkv(T=3, S=5, seed=seed)
    out = in_numpy.attention(q, k, v)[0]
    np.testing.assert_allclose(
        in_numpy.attention(q, k[:, order], v[:, order])[0], out, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("half", [in_numpy, in_torch], ids=["numpy", "torch"])
def test_scores_in_the_thousands_are_no_overflow(half):
    """The largest score takes all: e^1000 is never computed."""
    q, k, v = qkv(T=1, S=4, N=2, K=2, seed=3)
    args = (1e5 * q, k, v)
    out = half.attention(*(args if half is in_numpy else map(torch.tensor, args)))
    out = out[0] if half is in_numpy else out.numpy()
    best = np.einsum("bnh,bsnh->bsn", q[:, 0], k).argmax(1)  # (B, N)
    np.testing.assert_allclose(out[:, 0], np.take_along_axis(v, best[:, None, :, None], 1)[:, 0])


def test_the_gradient_of_a_row_of_scores_sums_to_nothing():
    """One number added to all scores of a query changes no weight: with keys that differ by no more than
    that, q has no gradient at all."""
    q, k, v = qkv()
    _, saved = in_numpy.attention(q, np.broadcast_to(k[:, :1], k.shape), v, causal=True)
    dq, _, _ = in_numpy.attention_backward(np.random.default_rng(1).standard_normal(q.shape), saved)
    np.testing.assert_allclose(dq, 0, atol=1e-14)


def test_the_softmax_is_torchs_own():
    scores = np.random.default_rng(4).standard_normal((3, 2, 5)) * 50
    np.testing.assert_allclose(in_numpy.softmax(scores), torch.tensor(scores).softmax(-1).numpy(), rtol=1e-12)
