"""Every published Llama, exactly (facts A1, A2, B4, I2, G2); and sentences for impossible ones."""

import pytest

from llamalite.config import LlamaConfig, RopeScaling, ffn_hidden, preset, preset_names

# preset: per layer, embedding matrix, total (facts A2)
COUNTS = {
    "llama1-7b": (202_383_360, 131_072_000, 6_738_415_616),
    "llama2-7b": (202_383_360, 131_072_000, 6_738_415_616),
    "llama1-13b": (317_204_480, 163_840_000, 13_015_864_320),
    "llama2-13b": (317_204_480, 163_840_000, 13_015_864_320),
    "llama1-33b": (535_049_216, 212_992_000, 32_528_943_616),
    "llama1-65b": (809_517_056, 262_144_000, 65_285_660_672),
    "llama2-34b": (692_076_544, 262_144_000, 33_743_970_304),
    "llama2-70b": (855_654_400, 262_144_000, 68_976_648_192),
    "llama3-8b": (218_112_000, 525_336_576, 8_030_261_248),
    "llama3.1-8b": (218_112_000, 525_336_576, 8_030_261_248),
    "llama3-70b": (855_654_400, 1_050_673_152, 70_553_706_496),
    "llama3.1-70b": (855_654_400, 1_050_673_152, 70_553_706_496),
    "llama3.1-405b": (3_187_703_808, 2_101_346_304, 405_853_388_800),
    "llama3.2-1b": (60_821_504, 262_668_288, 1_235_814_400),
    "llama3.2-3b": (100_669_440, 394_002_432, 3_212_749_824),
}

# preset: head_dim, FFN width, norm_eps, theta, scaling factor, context, KV cache bytes a token (facts A1, I2)
ANATOMY = {
    "llama1-7b": (128, 11008, 1e-6, 10_000, None, 2048, 524_288),
    "llama1-13b": (128, 13824, 1e-6, 10_000, None, 2048, 819_200),
    "llama1-33b": (128, 17920, 1e-6, 10_000, None, 2048, 1_597_440),
    "llama1-65b": (128, 22016, 1e-5, 10_000, None, 2048, 2_621_440),
    "llama2-7b": (128, 11008, 1e-5, 10_000, None, 4096, 524_288),
    "llama2-13b": (128, 13824, 1e-5, 10_000, None, 4096, 819_200),
    "llama2-34b": (128, 22016, 1e-5, 10_000, None, 4096, 196_608),
    "llama2-70b": (128, 28672, 1e-5, 10_000, None, 4096, 327_680),
    "llama3-8b": (128, 14336, 1e-5, 500_000, None, 8192, 131_072),
    "llama3-70b": (128, 28672, 1e-5, 500_000, None, 8192, 327_680),
    "llama3.1-8b": (128, 14336, 1e-5, 500_000, 8, 131_072, 131_072),
    "llama3.1-70b": (128, 28672, 1e-5, 500_000, 8, 131_072, 327_680),
    "llama3.1-405b": (128, 53248, 1e-5, 500_000, 8, 131_072, 516_096),
    "llama3.2-1b": (64, 8192, 1e-5, 500_000, 32, 131_072, 32_768),
    "llama3.2-3b": (128, 8192, 1e-5, 500_000, 32, 131_072, 114_688),
}
TINY = {"llama1-tiny", "llama2-tiny", "llama3-tiny", "stories-15m", "stories-110m"}


def test_every_published_model_is_a_preset_and_nothing_else_is():
    assert set(preset_names()) == set(COUNTS) | TINY == set(ANATOMY) | TINY


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_exact(name):
    cfg = preset(name)
    per_layer, embedding, total = COUNTS[name]
    counts = cfg.param_counts()
    assert counts["tok_embeddings"] == embedding
    assert (
        counts["attention"] + counts["feed_forward"] + counts["norms"] - cfg.dim == per_layer * cfg.n_layers
    )
    assert cfg.n_params == total
    assert counts["output"] == (0 if name.startswith("llama3.2") else embedding)


@pytest.mark.parametrize("name", ANATOMY)
def test_anatomy(name):
    cfg = preset(name)
    factor = cfg.rope_scaling and cfg.rope_scaling.factor
    got = (cfg.head_dim, cfg.ffn_dim, cfg.norm_eps, cfg.rope_theta, factor, cfg.max_seq_len)
    assert (*got, cfg.kv_cache_bytes_per_token()) == ANATOMY[name]


@pytest.mark.parametrize("name", preset_names())
def test_parameter_shapes_add_up_to_the_count(name):
    cfg = preset(name)
    total = 0
    for shape in cfg.param_shapes().values():
        total += shape[0] * (shape[1] if len(shape) == 2 else 1)
    assert total == cfg.n_params


def test_stories_have_the_counts_of_their_models():
    """facts A6; stories are tied."""
    assert preset("stories-15m").n_params == 15_191_712
    assert preset("stories-110m").n_params == 109_529_856


@pytest.mark.parametrize(
    ("dim", "multiple_of", "multiplier", "width"),
    [(4096, 256, None, 11008), (6656, 256, None, 17920), (8192, 4096, 1.3, 28672), (4096, 1024, 1.3, 14336)]
    + [(16384, 4096, 1.2, 53248), (2048, 256, 1.5, 8192), (3072, 256, 1.0, 8192), (64, 4, None, 172)],
)
def test_ffn_rounding_rule(dim, multiple_of, multiplier, width):
    assert ffn_hidden(dim, multiple_of, multiplier) == width


def test_an_explicit_width_wins_over_the_rule():
    assert LlamaConfig(hidden_dim=1000).ffn_dim == 1000


def test_training_flops():
    """6N + 12·L·D·T; attention is 8% of 6N for 7B at 2,048 and 428% for 8B at 131,072 (facts G2)."""
    for name, seq_len, percent in [
        ("llama1-7b", 2048, 8),
        ("llama3.1-8b", 131_072, 428),
        ("llama3.1-405b", 8192, 8),
    ]:
        cfg = preset(name)
        six_n = 6 * cfg.n_params
        assert round(100 * (cfg.train_flops_per_token(seq_len) - six_n) / six_n) == percent
    assert preset("llama1-7b").train_flops_per_token() == 6 * 6_738_415_616 + 12 * 32 * 4096 * 2048


def test_configs_are_frozen_and_travel_as_dicts():
    cfg = preset("llama3.1-8b")
    with pytest.raises(AttributeError):
        cfg.dim = 1
    assert LlamaConfig.from_dict(cfg.to_dict()) == cfg
    assert isinstance(LlamaConfig.from_dict(cfg.to_dict()).rope_scaling, RopeScaling)


def test_changing_heads_keeps_multi_head_attention_multi_head():
    assert preset("llama1-7b", n_heads=64).n_kv_heads == 64
    assert preset("llama3-8b", n_heads=64).n_kv_heads == 8


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict(n_head=8), "no field 'n_head'; did you mean 'n_heads'"),
        (dict(xyzzy=8), "the fields are dim, n_layers"),
        (dict(dim=100, n_heads=3), "dim 100 is not divisible by n_heads 3; change dim to a multiple of 3"),
        (
            dict(dim=96, n_heads=8, n_kv_heads=3),
            "n_heads 8 is not divisible by n_kv_heads 3.*one of \\[1, 2, 4, 8\\]",
        ),
        (dict(dim=12, n_heads=4), "head_dim = dim / n_heads = 3 is odd"),
        (dict(n_layers=0), "n_layers is 0; it must be a whole number of at least 1"),
        (dict(vocab_size=1.5), "vocab_size is 1.5; it must be a whole number"),
        (dict(norm_eps=0.0), "norm_eps is 0.0; it must be positive"),
        (dict(hidden_dim=-4), "hidden_dim is -4; leave it out, or make it positive"),
    ],
)
def test_impossible_configs_say_what_to_change(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        preset("llama1-7b", **changes)


@pytest.mark.parametrize(
    "build", [LlamaConfig, lambda **v: preset("llama1-7b", **v), lambda **v: LlamaConfig.from_dict(v)]
)
def test_a_misspelt_field_is_refused_however_it_comes(build):
    with pytest.raises(ValueError, match="LlamaConfig has no field 'n_head'; did you mean 'n_heads'"):
        build(n_head=8)
    with pytest.raises(ValueError, match="RopeScaling has no field 'factors'; did you mean 'factor'"):
        RopeScaling(factors=8.0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (dict(factor=0.5), "it must be 1 or more"),
        (dict(low_freq_factor=4.0), "0 < low_freq_factor < high_freq_factor"),
    ],
)
def test_impossible_scalings_say_what_to_change(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        RopeScaling(**values)


def test_unknown_presets_name_their_neighbours():
    with pytest.raises(ValueError, match="no preset 'llama3-8B'; did you mean llama3-8b"):
        preset("llama3-8B")
    with pytest.raises(ValueError, match="the presets are llama1-7b"):
        preset("?")
