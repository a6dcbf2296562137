"""The floor: how well the best possible model predicts tales, in the units that models are scored in.

A tale's tokens are a function of its text, so no model's expected loss on them is below the entropy of
the text. For BPE a model that also gives weight to other cuts of the same text pays a little more.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

from llamalite.tales.telling import END, Tale, Tales
from llamalite.text.corpus import MANIFEST, shipped_texts
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.tokenizer import Tokenizer


class Floor(NamedTuple):
    """Each with its standard error, which comes from the finite number of tales looked at."""

    nats_per_token: float
    standard_error: float
    bits_per_byte: float
    bits_per_byte_error: float


def floor(tales: Tales, tokenizer: Tokenizer, n_tales: int = 2000, seed: int = 0) -> Floor:
    """Of an endless stream of tales, each followed by a blank line.

    The entropy of a tale is exact; only the mean numbers of tokens and bytes are measured, on
    ``n_tales`` tales.
    """
    rng = Random(seed)
    texts = [tales.tell(rng).text for _ in range(n_tales)]
    nats, nats_error = per(tales.entropy, [n_tokens(text, tokenizer) for text in texts])
    bits, bits_error = per(tales.entropy / math.log(2), [n_bytes(text) for text in texts])
    return Floor(nats, nats_error, bits, bits_error)


def known_floor(source: str | Path) -> float | None:
    """Bits a byte of a text that ships, by its name, or of a corpus of tales; None where it is not known.

    >>> f"{known_floor('tales-en'):.2f}", known_floor("plays.txt")
    ('0.07', None)
    """
    manifest = Path(source) / MANIFEST
    if manifest.is_file():
        whole = json.loads(manifest.read_bytes())
        return whole["nats"] / math.log(2) / whole["bytes"] if "nats" in whole else None
    name = str(source).removeprefix("tales-")
    if Path(source).exists() or str(source) not in shipped_texts():
        return None
    return floor(Tales(name), ByteTokenizer(), n_tales=500).bits_per_byte


def floor_of(told: Iterable[Tale], tokenizer: Tokenizer) -> Floor:
    """Of these very tales: what a model that knows all would score on them.

    For a comparison in pairs, on the tales that a model was scored on. The errors say how far the
    score of other tales would be from it.
    """
    told = list(told)
    nats, nats_error = ratio([-t.logprob for t in told], [n_tokens(t.text, tokenizer) for t in told])
    bits, bits_error = ratio([-t.logprob / math.log(2) for t in told], [n_bytes(t.text) for t in told])
    return Floor(nats, nats_error, bits, bits_error)


def n_tokens(text: str, tokenizer: Tokenizer) -> int:
    """Of a tale in a stream of tales: it follows an end of line, and is followed by two."""
    return len(tokenizer.encode("\n" + text + END)) - len(tokenizer.encode("\n"))


def n_bytes(text: str) -> int:
    """
    >>> n_bytes("옛날")    # three bytes a syllable, and the blank line after it
    8
    """
    return len((text + END).encode())


def per(amount: float, counts: list[int]) -> tuple[float, float]:
    """An exact amount over the mean of ``counts``, and the error of that mean carried through.

    >>> per(12.0, [3, 3, 3])
    (4.0, 0.0)
    """
    mean = statistics.fmean(counts)
    return amount / mean, amount / mean**2 * statistics.stdev(counts) / math.sqrt(len(counts))


def ratio(amounts: list[float], counts: list[int]) -> tuple[float, float]:
    """Sum over sum, and the standard error of that ratio (the delta method).

    >>> ratio([2.0, 4.0, 6.0], [1, 2, 3])
    (2.0, 0.0)
    """
    value, n = sum(amounts) / sum(counts), len(counts)
    residuals = [a - value * c for a, c in zip(amounts, counts, strict=True)]
    return value, math.sqrt(sum(r * r for r in residuals) / (n * (n - 1))) / (sum(counts) / n)
