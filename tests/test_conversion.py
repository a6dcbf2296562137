"""Weights from each format into each: bit for bit, read alike by transformers, and one weight at a time."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from oracle import SHAPES, shape, sharp_weights
from transformers import LlamaForCausalLM

from llamalite.config import RopeScaling, preset
from llamalite.in_torch.llama import build_table
from llamalite.in_torch.weights.conversion import FORMATS, convert, load_model, open_weights
from llamalite.in_torch.weights.folders import Weights
from llamalite.in_torch.weights.hugging_face import INDEX, write_hugging_face
from llamalite.in_torch.weights.meta import PUBLISHED_FILES, part_of, shard_axis
from llamalite.in_torch.weights.names import meta_names

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def even_shape(name):
    """A shape of the oracle that two GPUs can share."""
    return shape(name, vocab_size=104)


def synthetic(cfg, dtype=torch.float32):
    state = {name: torch.tensor(w, dtype=dtype) for name, w in sharp_weights(cfg).items()}
    return state, Weights(cfg, "run", state.__getitem__)


def assert_same_weights(weights, state):
    for name, expected in state.items():
        found = weights.read(name)
        assert found.dtype == expected.dtype and torch.equal(found, expected), name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_there_and_back_again_bit_for_bit(tmp_path, name, dtype):
    state, source = synthetic(even_shape(name), dtype)
    shards = 2 if source.cfg.n_kv_heads % 2 == 0 else 1
    convert(source, tmp_path / "a", "meta", shards=shards)
    convert(open_weights(tmp_path / "a"), tmp_path / "b", "hugging-face")
    convert(open_weights(tmp_path / "b"), tmp_path / "c", "meta")
    assert len(list((tmp_path / "a").glob("*.pth"))) == shards
    for folder in "abc":
        assert_same_weights(open_weights(tmp_path / folder), state)


@pytest.mark.parametrize("name", SHAPES)
def test_configs_come_back(tmp_path, name):
    _, source = synthetic(even_shape(name))
    convert(source, tmp_path / "theirs", "hugging-face")
    assert open_weights(tmp_path / "theirs").cfg == source.cfg
    convert(source, tmp_path / "metas", "meta")
    found = open_weights(tmp_path / "metas").cfg  # by the rule, and without the length of the context
    assert found.ffn_dim == source.cfg.ffn_dim
    same = {"hidden_dim": 136, "multiple_of": 256, "ffn_dim_multiplier": None}
    assert found.with_(max_seq_len=source.cfg.max_seq_len, **same) == source.cfg.with_(**same)


@pytest.mark.parametrize("rope", ["old", "new"])
@pytest.mark.parametrize("name", SHAPES)
def test_transformers_reads_what_we_write_and_we_what_it_writes(tmp_path, name, rope):
    """At long positions, where a wrong base or scaling shows; old entries are ours, new ones are theirs."""
    _, source = synthetic(even_shape(name))
    convert(source, tmp_path / "old", "hugging-face")
    theirs = LlamaForCausalLM.from_pretrained(tmp_path / "old", dtype=torch.float64)
    theirs.save_pretrained(tmp_path / "new")
    written = json.loads((tmp_path / "new" / "config.json").read_text())
    assert "rope_parameters" in written and "rope_theta" not in written
    ours, cfg = load_model(tmp_path / rope, dtype=torch.float64)
    tokens = torch.randint(0, cfg.vocab_size, (1, 30), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(3000, 3030)
    with torch.no_grad():
        a = ours(tokens, build_table(cfg, 4096, torch.float64), positions)
        b = theirs(tokens, position_ids=positions[None]).logits
    assert ((a - b).abs().max() / b.abs().max()) < 2e-4  # their tables are float32, and 3000 is far
    wrong = build_table(cfg.with_(rope_theta=cfg.rope_theta * 1.1), 4096, torch.float64)
    with torch.no_grad():
        assert ((ours(tokens, wrong, positions) - b).abs().max() / b.abs().max()) > 0.01


def test_many_files_with_an_index(tmp_path):
    state, source = synthetic(even_shape("llama2-gqa"))
    write_hugging_face(tmp_path, source.cfg, source.read, file_bytes=100_000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 3 and (tmp_path / INDEX).is_file()
    assert_same_weights(open_weights(tmp_path), state)
    theirs = LlamaForCausalLM.from_pretrained(tmp_path).state_dict()
    assert torch.equal(theirs["lm_head.weight"], state["output.weight"])


@pytest.mark.parametrize(("name", "axis"), [("llama2-gqa", 1), ("llama3", 0)])
def test_the_embedding_is_split_by_width_until_llama_2_and_by_words_from_llama_3(tmp_path, name, axis):
    _, source = synthetic(even_shape(name))
    convert(source, tmp_path / "out", "meta", shards=2)
    part = torch.load(tmp_path / "out" / "consolidated.01.pth", weights_only=True)
    whole = source.read("tok_embeddings.weight")
    assert torch.equal(part["tok_embeddings.weight"], whole.chunk(2, dim=axis)[1])
    assert torch.equal(
        part["layers.1.attention.wo.weight"], source.read("layers.1.attention.wo.weight").chunk(2, 1)[1]
    )
    assert torch.equal(part["norm.weight"], source.read("norm.weight"))


def test_metas_files_as_they_are_with_tables_and_an_open_vocabulary(tmp_path):
    state, source = synthetic(even_shape("llama1"))
    convert(source, tmp_path / "out", "meta", shards=2)
    for file in (tmp_path / "out").glob("*.pth"):
        extra = {
            "rope.freqs": torch.ones(12),
            "layers.0.attention.inner_attention.rope.freqs": torch.ones(12),
        }
        torch.save(torch.load(file, weights_only=True) | extra, file)
    params = json.loads((tmp_path / "out" / "params.json").read_text())
    (tmp_path / "out" / "params.json").write_text(json.dumps(params | {"vocab_size": -1}))
    found = open_weights(tmp_path / "out")
    assert found.cfg.vocab_size == 104
    assert_same_weights(found, state)


def test_only_llama_31s_scaling_is_written_as_metas(tmp_path):
    _, source = synthetic(even_shape("llama3.1").with_(rope_scaling=RopeScaling()))
    convert(source, tmp_path / "a", "meta")
    params = json.loads((tmp_path / "a" / "params.json").read_text())
    assert params["use_scaled_rope"] is True and "rope_scaling" not in params
    assert open_weights(tmp_path / "a").cfg.rope_scaling == RopeScaling()


def test_a_factor_is_that_of_the_file_that_is_read(tmp_path):
    """Llama 3.2: 32 in Hugging Face's configs; Meta's params say only that RoPE is scaled (facts A1)."""
    _, source = synthetic(even_shape("llama3.2").with_(rope_scaling=RopeScaling(factor=32.0)))
    for to in FORMATS:
        convert(source, tmp_path / to, to)
    params = json.loads((tmp_path / "meta" / "params.json").read_text())
    assert params.pop("rope_scaling")["factor"] == 32  # an entry of our own
    (tmp_path / "meta" / "params.json").write_text(json.dumps(params))
    assert open_weights(tmp_path / "meta").cfg.rope_scaling == RopeScaling(factor=8.0)
    assert open_weights(tmp_path / "hugging-face").cfg.rope_scaling.factor == 32


def test_heads_that_are_stored_twice_are_read_as_twice_as_many(tmp_path):
    """As the 405B in sixteen files seems to be: the same logits, from twice the cache."""
    state, source = synthetic(shape("llama3", vocab_size=104, n_heads=8, n_kv_heads=2), torch.float64)
    cfg = source.cfg

    def read(name):
        if not name.endswith(("wk.weight", "wv.weight")):
            return state[name]
        return state[name].unflatten(0, (cfg.n_kv_heads, -1)).repeat_interleave(2, 0).flatten(0, 1)

    twice = cfg.with_(n_kv_heads=2 * cfg.n_kv_heads)
    convert(Weights(twice, "run", read), tmp_path / "twice", "meta", shards=2 * cfg.n_kv_heads)
    convert(source, tmp_path / "once", "meta")
    (once, _), (model, found) = (load_model(tmp_path / name) for name in ("once", "twice"))
    tokens = torch.arange(20)[None]
    table = build_table(cfg, 20, torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(tokens, table), once(tokens, table), rtol=1e-12, atol=1e-12)
    assert found.kv_cache_bytes_per_token() == 2 * cfg.kv_cache_bytes_per_token()


@pytest.mark.parametrize("name", PUBLISHED_FILES)
def test_every_published_llama_falls_into_its_files(name):
    cfg = preset(name)
    for ours, theirs in meta_names(cfg).items():
        if ours in cfg.param_shapes():
            part_of(cfg.param_shapes()[ours], shard_axis(theirs, 0), PUBLISHED_FILES[name], theirs)
    assert cfg.n_kv_heads % PUBLISHED_FILES[name] == 0


@pytest.mark.parametrize("to", FORMATS)
def test_rounding_is_asked_for(tmp_path, to):
    state, source = synthetic(even_shape("llama3"))
    convert(source, tmp_path / "out", to, dtype=torch.bfloat16)
    assert_same_weights(open_weights(tmp_path / "out"), {k: w.bfloat16() for k, w in state.items()})


def test_what_cannot_be_converted_is_refused_and_leaves_nothing_behind(tmp_path):
    _, source = synthetic(shape("llama3"))  # 101 words
    with pytest.raises(ValueError, match="does not fall into 2 equal parts"):
        convert(source, tmp_path / "out", "meta", shards=2)
    with pytest.raises(ValueError, match=r"choose one of \[1, 2\]"):
        convert(source, tmp_path / "out", "meta", shards=4)
    with pytest.raises(ValueError, match="3 shards"):
        convert(source, tmp_path / "out", "hugging-face", shards=3)
    with pytest.raises(ValueError, match="no format 'gguf'"):
        convert(source, tmp_path / "out", "gguf")
    assert not any(tmp_path.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        convert(source, tmp_path / "full", "meta")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]


MEASURE = """
import re, sys, torch
from pathlib import Path
from llamalite.in_torch.weights.conversion import load_model, open_weights, convert
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
load_model(sys.argv[3])[0](torch.ones(1, 1, dtype=torch.long))   # what every first use costs
start = peak()
if sys.argv[2] == "load":
    model, cfg = load_model(sys.argv[1])
    total = sum(p.sum() for p in model.parameters())     # every page of it is looked at
else:
    convert(open_weights(sys.argv[1]), sys.argv[1] + ".out", "hugging-face")
print(peak() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("what", ["load", "convert"])
@pytest.mark.parametrize("to", FORMATS)
def test_memory_is_that_of_the_model_once(tmp_path, to, what):
    """Reading a file whole and then filling a model takes twice as much, and with float32 defaults more."""
    cfg = shape("llama3", dim=768, hidden_dim=2048, n_layers=6, n_heads=12, n_kv_heads=4, vocab_size=2000)
    convert(Weights(cfg, "run", lambda name: torch.ones(cfg.param_shapes()[name])), tmp_path / "big", to)
    _, small = synthetic(even_shape("llama3"))
    convert(small, tmp_path / "small", to)
    size = 4 * cfg.n_params
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "big"), what, str(tmp_path / "small")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(tmp_path / "big")
    # A conversion holds the file it writes (its own limit is 2 GB) beside the pages it has read.
    assert 0.9 * size < int(done.stdout) < (1.35 if what == "load" else 2.3) * size, (
        f"{int(done.stdout) / size:.2f}"
    )
