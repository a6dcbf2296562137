"""The door to Hugging Face: names, permutation, and the proof that the logits are theirs."""

import pytest
import torch
from oracle import SHAPES, hugging_face, shape, sharp_weights

from llamalite.in_torch.llama import Llama, build_table
from llamalite.in_torch.rope import apply_rope, relayout, rope_table
from llamalite.in_torch.weights.names import from_hugging_face, rotated_heads, to_hugging_face

T = 40


def both_models(name: str, dtype: torch.dtype):
    cfg = shape(name)
    state = {k: torch.tensor(v, dtype=dtype) for k, v in sharp_weights(cfg).items()}
    theirs = hugging_face(cfg, to_hugging_face(state, cfg), float64=dtype == torch.float64)
    ours = Llama(cfg).to(dtype)
    ours.load_state_dict(from_hugging_face(theirs.state_dict(), cfg))
    return cfg, ours, theirs


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize("name", SHAPES)
def test_logits_equal_hugging_face_in_float64(name):
    """At the start, across the original context's edge, at 131,072 positions, and over all of them."""
    cfg, ours, theirs = both_models(name, torch.float64)
    tokens = torch.randint(0, cfg.vocab_size, (2, T), generator=torch.Generator().manual_seed(1))
    edge = cfg.rope_scaling.original_max_seq_len if cfg.rope_scaling else cfg.max_seq_len
    table = build_table(cfg, 131_072, torch.float64)
    rows = [torch.arange(start, start + T) for start in (0, edge - T // 2, 131_072 - T)]
    for positions in [*rows, torch.linspace(0, 131_071, T).long()]:
        with torch.no_grad():
            a = ours(tokens, table, positions)
            # With a mask, or gaps between positions would pass for the ends of documents.
            given = {"attention_mask": torch.ones_like(tokens), "position_ids": positions[None].expand(2, -1)}
            b = theirs(tokens, **given).logits
        assert b.std() > 0.5, "the logits are too flat to show a difference"
        assert relative(a, b) < 1e-8


@pytest.mark.parametrize("name", SHAPES)
def test_logits_equal_hugging_face_in_float32_as_shipped(name):
    """Nothing of theirs replaced: float32 norms, float32 tables, positions of an ordinary text."""
    cfg, ours, theirs = both_models(name, torch.float32)
    tokens = torch.randint(0, cfg.vocab_size, (2, 100), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert relative(ours(tokens), theirs(tokens).logits) < 3e-5


@pytest.mark.parametrize("name", SHAPES)
def test_the_oracles_float64_frequencies_are_its_own(name):
    """Our stand-in for Hugging Face's rotary tables differs from theirs by float32 rounding only."""
    _, _, shipped = both_models(name, torch.float32)
    _, _, patched = both_models(name, torch.float64)
    torch.testing.assert_close(
        patched.model.rotary_emb.inv_freq.float(), shipped.model.rotary_emb.inv_freq, rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("name", ["llama2-gqa", "llama3.2"])
def test_there_and_back_again(name):
    cfg = shape(name)
    state = {k: torch.tensor(v) for k, v in sharp_weights(cfg).items()}
    back = from_hugging_face(to_hugging_face(state, cfg) | {"rotary_emb.inv_freq": torch.ones(1)}, cfg)
    assert set(back) == set(state)
    assert all(torch.equal(back[k], state[k]) for k in state)


def test_only_q_and_k_are_permuted_and_each_by_its_own_heads():
    cfg = shape("llama2-gqa")
    heads = {
        n.removeprefix("layers.0."): rotated_heads(n, cfg)
        for n in cfg.param_shapes()
        if n.startswith("layers.0")
    }
    assert {n: h for n, h in heads.items() if h} == {"attention.wq.weight": 6, "attention.wk.weight": 2}


def test_a_missing_weight_is_named():
    cfg = shape("llama1")
    with pytest.raises(KeyError, match=r"model\.embed_tokens\.weight"):
        from_hugging_face({}, cfg)


@pytest.mark.parametrize("layout", ["half", "reversed"])
def test_scores_do_not_change_when_queries_and_keys_change_layout_together(layout):
    """Permuting wq and wk alike permutes q and k alike, and a dot product does not care."""
    torch.manual_seed(0)
    heads, H, D = 3, 8, 12
    wq, wk, x = (
        torch.randn(heads * H, D).double(),
        torch.randn(heads * H, D).double(),
        torch.randn(9, D).double(),
    )
    table = rope_table(H, 9)

    def scores(wq, wk):
        q, k = ((x @ w.T).unflatten(-1, (heads, H)) for w in (wq, wk))
        return torch.einsum("tnh,snh->nts", apply_rope(q, *table), apply_rope(k, *table))

    there = [relayout(w, heads, target=layout) for w in (wq, wk)]
    back = [relayout(w, heads, source=layout) for w in there]
    torch.testing.assert_close(scores(*back), scores(wq, wk))
    assert (scores(*there) - scores(wq, wk)).abs().max() > 1, (
        "the other layout under our rotation must differ"
    )
