"""One call of every drawing and of every exploration, with numbers made up for the purpose."""

import numpy as np
import torch

from llamalite.config import RopeScaling, preset
from llamalite.figures import (
    attention,
    encoder_decoder,
    generation,
    gqa,
    language_model,
    llama,
    rmsnorm,
    rope,
    swiglu,
    tokenization,
    training,
    weights,
)
from llamalite.text.tokenization.bytes import ByteTokenizer

LOSSES = {"right": np.linspace(3, 1, 40), "wrong": np.linspace(3, 2, 40)}
CURVES = {"long": np.geomspace(4, 0.2, 5), "short": np.geomspace(2, 0.3, 2)}
TALE = ["Once", " upon", " a", " t", "ime", " ", "$"] * 9
NATS = {"first": 2.1, "again": 0.5}
SIZES = (512, 1024, 32_000)
MIXED = ["<s>", "▁안녕", " $x$\t", b"\xec\x95", "<0xEC>", "🦙", "\u0301", "", "\x00", " " * 60, "가" * 99]
STEPS = tokenization.merge_steps("▁low", {"lo": 0, "▁low": 2, "low": 1}.get)
LOOKS = np.tri(60) / np.arange(1, 61)[:, None] * np.ones((2, 3, 1, 1))  # (L, N, T, T)
GRADIENTS = {2: {"pre": np.array([2, 1]), "post": np.array([1, 2]), "none": np.array([np.nan, 1])}}
CELL = {"depth": 2, "lr": 0.1}
MAPS = [
    {"name": name, "runs": [CELL | {"losses": losses}]} for name, losses in (("a", [1, 3]), ("b", [None, 1]))
]
RATES = [{"lr": lr, "bits_per_byte": [0.2, 0.3], "mean": 0.25, "std": 0.07} for lr in (1, 2, 3)]
FAMILY = [{"name": name, "runs": RATES} for name in ("ReLU", "SwiGLU")]
MOVES = {
    "one": encoder_decoder.Influence(np.eye(3), ["a", "$", "c"], encoder_decoder.readable("리 본 x").split())
}
STEPS_MADE = [{"tokens": 64 * i, "loss": 3 / i, "spike": int(i == 2)} for i in range(1, 5)]
SCORED = [row | {"val_bits_per_byte": row["loss"] / 2} for row in STEPS_MADE]
SEEDS = [{"bits_per_byte": 0.3, "curve": [2.0, 1.0]}, {"bits_per_byte": None, "curve": [2.0]}]
SURFACE = {
    "settings": {"tokens": 640, "points": 2, "seq_len": 64},
    "runs": [{"batch_size": b, "lr": lr, "seeds": SEEDS[:b]} for b in (1, 2) for lr in (0.1, 0.2, 0.3)],
}
HALVES = np.array([0.5, 0.25, 0.125, 0.125])
SHARED_HEADS = {
    "settings": {"uptrain": [0.0, 0.1], "n_heads": 2},
    "from_the_start": [{"n_kv_heads": n, "scores": [0.1, 0.2]} for n in (1, 2)],
    "converted": [
        {"n_kv_heads": n, "how": how, "bits_per_byte": [0.5, 0.1]}
        for n in (1, 2)
        for how in ("mean", "first", "random")
    ],
}
DRAWINGS = {
    "weights": lambda: attention.draw_weights(LOOKS[0, 0, :3, :3], ["a", "$", "c"], "One head"),
    "heads": lambda: attention.draw_heads(LOOKS),
    "look": lambda: attention.draw_look(LOOKS[0], TALE, 50, "From here"),
    "costs": lambda: attention.draw_costs([128, 256], {"a": np.array([1, 4.0])}, np.array([1e6, 4e6])),
    "masks": lambda: encoder_decoder.draw_masks({"a": np.eye(3) > 0, "b": np.ones((2, 3)) > 0}),
    "influence": lambda: encoder_decoder.draw_influence(MOVES["one"], 1, "What moves what"),
    "learning": lambda: encoder_decoder.draw_learning({"a": np.geomspace(7, 1, 30).tolist()}),
    "rereading": lambda: encoder_decoder.draw_rereading([1, 2], {"again": [3, 9], "once": [3, 6]}),
    "points": lambda: rmsnorm.draw_points(np.eye(2), {"RMSNorm": 2 * np.eye(2), "LayerNorm": -np.eye(2)}),
    "stream": lambda: rmsnorm.draw_stream({"pre": np.ones(4), "none": np.array([1, 9e9, np.inf, np.nan])}),
    "gradients": lambda: rmsnorm.draw_gradients(GRADIENTS[2], "Two blocks"),
    "trainability": lambda: rmsnorm.draw_trainability(MAPS, "Depth against learning rate"),
    "gains": lambda: rmsnorm.draw_gains({"layers.0.ffn_norm": np.ones(5), "norm": np.arange(5)}, "Gains"),
    "activations": lambda: swiglu.draw_activations({"ReLU": lambda z: np.maximum(z, 0)}),
    "surface": lambda: swiglu.draw_surface(-1.5, 2.0, "ReLU (ReGLU)"),
    "family": lambda: swiglu.draw_family(FAMILY, 0.1),
    "unit": lambda: swiglu.draw_unit(TALE, np.arange(len(TALE)), "One unit"),
    "training": lambda: llama.draw_training(np.geomspace(7, 1, 60).tolist(), 0.5),
    "apart": lambda: llama.draw_apart({"float64": np.array([0, 1e-15]), "float32": np.full(2, 1e-6)}, 1e-9),
    "start": lambda: llama.draw_start({"divided": np.ones(5), "wrong": np.ones(5), "not": np.arange(5)}),
    "parameters": lambda: llama.draw_parameters(preset("llama3.2-1b"), "llama3.2-1b", 8192),
    "clock hands": rope.draw_clock_hands,
    "wavelengths": rope.draw_wavelengths,
    "no scaling": lambda: rope.draw_wavelengths(64, (100.0,), None, 2048),
    "small theta": lambda: rope.draw_wavelengths(128, (1e4, 1e3), RopeScaling(32.0), 131_072),
    "score by distance": rope.draw_score_by_distance,
    "float32 cost": rope.draw_float32_cost,
    "layouts": rope.draw_layouts,
    "loss by position": lambda: rope.draw_loss_by_position(LOSSES),
    "bigrams": lambda: language_model.draw_bigrams(np.eye(3), ["a", "b", "c"]),
    "context lengths": lambda: language_model.draw_context_lengths(CURVES, 0.08, chosen=2),
    "surprise": lambda: language_model.draw_surprise(TALE, np.linspace(0, 5, len(TALE))),
    "scores": lambda: language_model.draw_scores({"bigram": 0.6, "Llama": 0.1}, 0.08),
    "mentions": lambda: language_model.draw_mentions({"a": NATS, "b": NATS}, {"first": 2.0, "again": 0.0}),
    "reported": lambda: language_model.draw_reported({"right": 3 - LOSSES["right"]}, 0.2, every=10),
    "runs": lambda: training.draw_runs({"a": SCORED, "b": STEPS_MADE}, {"a": 0.1, "b": None}),
    "schedules": lambda: training.draw_schedules({"a": np.ones(9), "b": np.arange(9)}, "Two schedules"),
    "paths": lambda: training.draw_paths(lambda x, y: x**2 + y**2, {"a": np.eye(2)}, "A path"),
    "stuck": lambda: training.draw_stuck({"float32": np.arange(3)}, "A weight"),
    "loss surface": lambda: training.draw_surface(SURFACE, 1, 0.2),
    "choices": lambda: generation.draw_choices(
        {"a": HALVES, "b": np.eye(4)[1]}, [" a", "$", "\n", ""], "Next"
    ),
    "quality": lambda: generation.draw_quality([0.5, 1.0], {"all": [1.0, 0.5]}, {"all": [0.1, 0.3]}),
    "generation rereading": lambda: generation.draw_rereading({"again": [1, 2], "once": [1, 1]}),
    "sharing": lambda: gqa.draw_sharing(8, (8, 2, 1)),
    "caches": lambda: gqa.draw_caches(["llama1-7b", "llama3.1-8b"]),
    "gqa speed": lambda: gqa.draw_speed([1, 2], {"repeat": [1.0, 2.0]}, [0.5, 1.0]),
    "uptraining": lambda: gqa.draw_uptraining(SHARED_HEADS),
    "gqa scores": lambda: gqa.draw_scores(SHARED_HEADS),
    "rows": lambda: weights.draw_rows(8),
    "wrong loads": lambda: weights.draw_loss_by_position({"right": [3.0, 1.0], "wrong": [3.0, 2.0]}),
    "errors": lambda: weights.draw_errors(
        [1, 100], {"right": [0.0, 1e-6], "wrong": [0.1, 0.3]}, [1e-4, 1e-3]
    ),
    "cuts": lambda: weights.draw_cuts("llama3-70b", 8),
    "batches": lambda: generation.draw_batches([1, 2, 4], [10.0, 19.0, 35.0], [0.1, 0.105, 0.114]),
    "tokens": lambda: tokenization.draw_tokens([("all sorts of $ and \\frac", MIXED), ("nothing", [])]),
    "merges": lambda: tokenization.draw_merges(STEPS, {"lo": 0, "low": 1, "▁low": 2}),
    "byte merges": lambda: tokenization.draw_merges([[b"\xec", b"\x95", b"\x88"], [b"\xec\x95", b"\x88"]]),
    "compression": lambda: tokenization.draw_compression({"Korean": np.array([1, 2, np.nan])}, SIZES),
    "cost": lambda: tokenization.draw_cost(SIZES, *np.arange(15).reshape(5, 3) * 1e6),
    "bits per byte": lambda: tokenization.draw_bits_per_byte(SIZES, {"a": np.eye(3)}, 0.08),
    "digits": lambda: tokenization.draw_digits([1e5, 2e5], {"by one": np.eye(2), "by three": np.eye(2)}),
    "growth": lambda: tokenization.draw_growth({"tied": (10**9, 0, 10**10), "8B": (10**9, 10**9, 10**10)}),
}
EXPLORATIONS = {name: getattr(rope, name) for name in dir(rope) if name.startswith("explore_")} | {
    "heads": lambda: attention.explore_heads(LOOKS, TALE, 3),
    "influence": lambda: encoder_decoder.explore_influence(MOVES),
    "depth": lambda: rmsnorm.explore_depth(GRADIENTS | {4: GRADIENTS[2]}),
    "surface": swiglu.explore_surface,
    "parameters": llama.explore_parameters,
    "context length": lambda: language_model.explore_context_length(
        CURVES, 0.08, TALE, np.ones((2, len(TALE)))
    ),
    "loss surface": lambda: training.explore_surface(SURFACE),
    "cuts of a file": lambda: weights.explore_cuts(["llama2-13b"]),
    "memory": lambda: gqa.explore_memory(["llama2-70b", "llama3-8b"]),
    "next token": lambda: generation.explore_choice({"A": torch.arange(4.0)}, ["a", "b", "c", "d"]),
    "tokens": lambda: tokenization.explore_tokens({"bytes": ByteTokenizer()}, ["a tale", "옛날"]),
    "merges": lambda: tokenization.explore_merges("옛날 옛날", [(236, 152), (256, 155)], 2),
}
