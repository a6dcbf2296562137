"""One golden story: the tiny Llama that ships tells it in NumPy and in PyTorch, with a cache and without."""

from pathlib import Path

import numpy as np
import pytest
import torch

from llamalite.in_numpy import llama as in_numpy
from llamalite.in_torch.generation import generate
from llamalite.in_torch.llama import build_cache
from llamalite.text.corpus import DATA
from llamalite.train.runs import load_run

STORY = (Path(__file__).parent / "golden" / "story.txt").read_text(encoding="utf-8")
PROMPT = "\nOnce upon a time"
N = 120


@pytest.fixture(scope="module")
def tiny():
    return load_run(DATA / "tiny-llama3")


def numpy_story(tiny, ids, cached):
    """Greedy decoding in a dozen lines of NumPy."""
    params = {name: w.numpy().astype(np.float64) for name, w in tiny.model.state_dict().items()}
    cache = in_numpy.build_cache(tiny.cfg, batch=1) if cached else None
    ids, unseen = list(ids), list(ids)
    for _ in range(N):
        logits, _ = in_numpy.llama(params, tiny.cfg, np.array([unseen]), cache=cache)
        ids.append(int(logits[0, -1].argmax()))
        unseen = [ids[-1]] if cached else ids
    return ids


def torch_story(tiny, ids, cached, dtype):
    model = tiny.model.to(dtype)
    cache = build_cache(tiny.cfg, batch=1, dtype=dtype) if cached else None
    return ids + list(generate(model, ids, N, max_seq_len=tiny.cfg.max_seq_len, cache=cache, temperature=0.0))


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize("teller", ["numpy", "torch float64", "torch float32"])
def test_everyone_tells_the_same_story(tiny, teller, cached):
    ids = tiny.tokenizer.encode(PROMPT)
    if teller == "numpy":
        told = numpy_story(tiny, ids, cached)
    else:
        told = torch_story(tiny, ids, cached, getattr(torch, teller.removeprefix("torch ")))
    assert tiny.tokenizer.decode(told).strip() == STORY.strip()
