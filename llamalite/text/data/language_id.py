"""Which language is it? Naive Bayes over runs of one to three characters, learnt from any texts.

Llama 1 and 3 use fastText's classifiers for this (facts F1, F3): the same kind of evidence, with learnt
weights. Here the weight of a run is the logarithm of how often it stands in a language's texts, and a
text's score is the mean over its runs. A text whose runs no language knows is in none of them. Left out:
texts in two languages, languages that were not learnt, priors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from llamalite.text.data.shingles import BASE, essence, mix

SIZES = (1, 2, 3)  # characters a run
RUN_BUCKETS = 1 << 14
NONE = ""


class LanguageModel(NamedTuple):
    languages: tuple[str, ...]
    logs: Float[ndarray, "l buckets"]  # log probability of each bucket of runs
    lowest: Float[ndarray, " l"]  # mean log probability below which a text is in none


def runs(text: str, buckets: int = RUN_BUCKETS) -> Int[ndarray, " r"]:
    """The bucket of every run of one to three characters; capitals and kinds of blanks do not count."""
    points = np.frombuffer(f" {essence(text)} ".encode("utf-32-le", "surrogatepass"), np.uint32).astype(
        np.uint64
    )
    found = []
    for n in SIZES:
        code = np.full(max(len(points) - n + 1, 0), np.uint64(n))
        for i in range(n):
            code = mix(code * BASE + points[i : i + len(code)])
        found.append(code)
    return (np.concatenate(found) % np.uint64(buckets)).astype(np.int64)


def learn_languages(
    texts: Mapping[str, Sequence[str]], buckets: int = RUN_BUCKETS, smoothing: float = 0.1, slack: float = 2.0
) -> LanguageModel:
    """From language → texts in it. A text may be ``slack`` nats a run worse than the worst of these."""
    names = tuple(sorted(texts))
    if not names or not all(texts[name] for name in names):
        raise ValueError("every language needs at least one text to be learnt from; give some")
    logs = np.zeros((len(names), buckets))
    for row, name in zip(logs, names, strict=True):
        counts = np.full(buckets, smoothing)
        for text in texts[name]:
            counts += np.bincount(runs(text, buckets), minlength=buckets)
        row[:] = np.log(counts / counts.sum())
    worst = [min(logs[i][runs(text, buckets)].mean() for text in texts[name]) for i, name in enumerate(names)]
    return LanguageModel(names, logs, np.array(worst) - slack)


def scores(text: str, model: LanguageModel) -> Float[ndarray, " l"]:
    """Mean log probability a run, in nats, in each language."""
    return model.logs[:, runs(text, model.logs.shape[1])].mean(axis=1)


def identify(text: str, model: LanguageModel) -> str:
    """The likeliest language, or "" where none is likely."""
    found = scores(text, model)
    best = int(found.argmax())
    return model.languages[best] if found[best] >= model.lowest[best] else NONE
