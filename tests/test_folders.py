"""Three hundred damaged folders of weights: each is one clear sentence, or the very same model."""

import json
import os
import random
import shutil

import pytest
import torch
from oracle import shape, sharp_weights
from safetensors.torch import load_file, save_file
from shell import refused, shell

from llamalite.in_torch.weights.conversion import convert, open_weights
from llamalite.in_torch.weights.folders import Weights
from llamalite.in_torch.weights.hugging_face import INDEX, write_hugging_face

CFG = shape("llama3", vocab_size=104)
STATE = {name: torch.tensor(w, dtype=torch.float32) for name, w in sharp_weights(CFG).items()}
FREE = {"max_seq_len": 9, "hidden_dim": 9, "multiple_of": 1, "ffn_dim_multiplier": None}  # seen in shapes
JUNK = (None, "many", [], {}, True, -3, 0, 1.5, 10**30, float("nan"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    source = Weights(CFG, "run", STATE.__getitem__)
    convert(source, root / "meta", "meta", shards=2)
    convert(source, root / "single", "hugging-face")
    (root / "many").mkdir()
    write_hugging_face(root / "many", CFG, source.read, file_bytes=150_000)
    return root


# --- what can happen to a file -------------------------------------------------------------------------


def pick(folder, rng, *endings):
    return rng.choice(sorted(path for path in folder.iterdir() if path.name.endswith(endings)))


def cut_short(folder, rng):
    path = pick(folder, rng, ".pth", ".safetensors", ".json")
    os.truncate(path, rng.randrange(path.stat().st_size))


def header_of(path):
    """The bytes that say what is in a file: names, shapes and places."""
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        return range(8 + int.from_bytes(content[:8], "little"))
    start = content.index(b"data.pkl")
    return range(start, content.index(b"PK\x07\x08", start))


def flip_a_byte(folder, rng):
    path = pick(folder, rng, ".pth", ".safetensors")
    content = bytearray(path.read_bytes())
    content[rng.choice(header_of(path))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def flip_a_byte_at_the_end(folder, rng):
    """A .pth file ends with the list of its parts."""
    path = pick(folder, rng, ".pth", ".safetensors")
    content = bytearray(path.read_bytes())
    at = len(content) - 1 - rng.randrange(400) if path.suffix == ".pth" else rng.choice(header_of(path))
    content[at] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def lose_a_file(folder, rng):
    pick(folder, rng, ".pth", ".safetensors", ".json").unlink()


def garble(folder, rng):
    pick(folder, rng, ".pth", ".safetensors", ".json").write_bytes(rng.randbytes(rng.randrange(3000)))


def change_json(folder, rng):
    """Take an entry away, misspell it, or put nonsense in its place."""
    path = pick(folder, rng, ".json")
    values = json.loads(path.read_text())
    # What a Llama 1 file may leave open, or may truly have otherwise, is no damage.
    key = rng.choice([key for key in sorted(values) if key not in ("rope_theta", "norm_eps", "rms_norm_eps")])
    value = values.pop(key)
    what = rng.choice(["gone", "misspelt", "junk"])
    if what == "misspelt":
        values[key + "s"] = value
    elif what == "junk":
        values[key] = rng.choice(JUNK)
    path.write_text(json.dumps(values))


def change_tensors(folder, rng):
    path = pick(folder, rng, ".pth", ".safetensors")
    is_meta = path.suffix == ".pth"
    tensors = torch.load(path, weights_only=True) if is_meta else load_file(path)
    name = rng.choice(sorted(tensors))
    tensor = tensors.pop(name)
    match rng.choice(["dropped", "renamed", "reshaped", "cut", "packed", "added"]):
        case "renamed":
            tensors[name + ".bias"] = tensor
        case "reshaped":
            tensors[name] = tensor.reshape(1, *tensor.shape)
        case "cut":
            tensors[name] = tensor[:-1].clone()
        case "packed":
            tensors[name] = tensor.to(torch.int8)
        case "added":
            tensors |= {name: tensor, "layers.7.attention.wq.bias": torch.ones(3)}
    if is_meta:
        torch.save(tensors, path)
    else:
        save_file(tensors, path)


def point_elsewhere(folder, rng):
    path = folder / INDEX
    if not path.is_file():
        return change_json(folder, rng)
    index = json.loads(path.read_text())
    name = rng.choice(sorted(index["weight_map"]))
    others = [
        *sorted(set(index["weight_map"].values()) - {index["weight_map"][name]}),
        "gone.safetensors",
        "../x",
        7,
    ]
    index["weight_map"][name] = rng.choice(others)
    path.write_text(json.dumps(index))
    return None


WAYS = (
    cut_short,
    flip_a_byte,
    flip_a_byte_at_the_end,
    lose_a_file,
    garble,
    change_json,
    change_json,
    change_tensors,
    change_tensors,
    point_elsewhere,
)


@pytest.mark.parametrize("kind", ["meta", "single", "many"])
def test_a_damaged_folder_is_one_sentence_or_the_same_model(sound, tmp_path, kind):
    """A hundred of each kind. What cannot be seen (a flipped bit among the numbers) is left out."""
    refusals = 0
    for seed in range(100):
        rng, folder = random.Random(f"{kind} {seed}"), tmp_path / f"{seed}"
        shutil.copytree(sound / kind, folder)
        way = WAYS[seed % len(WAYS)]
        way(folder, rng)
        try:
            found = open_weights(folder)
        except (ValueError, FileNotFoundError) as error:
            refusals += 1
            assert str(error).count("\n") == 0 and str(folder) in str(error), (way.__name__, seed, error)
            assert error.__class__ in (ValueError, FileNotFoundError), (way.__name__, seed, error)
        else:
            assert found.cfg.with_(**FREE) == CFG.with_(**FREE), (way.__name__, seed, found.cfg)
            assert all(torch.equal(found.read(name), w) for name, w in STATE.items()), (way.__name__, seed)
        shutil.rmtree(folder)
    assert refusals > 70, refusals


def test_nothing_in_a_file_can_run(sound, tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    shutil.copytree(sound / "meta", tmp_path / "evil")
    torch.save({"tok_embeddings.weight": Evil()}, tmp_path / "evil" / "consolidated.00.pth")
    refused(shell(f"verify {tmp_path}/evil", capsys), 2, "consolidated.00.pth holds more than weights")
    assert not (tmp_path / "run").exists()
