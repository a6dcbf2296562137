"""Does the test stand in the training data? Overlap of word n-grams with the texts that are held out.

A model that has read its exam passes it. Runs of ``n`` words of all held-out texts are kept as hashes;
a document of whose runs more than a share stand there is contaminated. Capitals and line breaks hide
nothing, since words are compared in small letters. Left out: paraphrases and translations of a test,
which no overlap of words finds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt64
from numpy import ndarray

from llamalite.text.data.shingles import hash_shingles

RUN = 13  # words; GPT-3's authors took as many, as we remember their paper


def held_out_runs(texts: Sequence[str], n: int = RUN) -> UInt64[ndarray, " h"]:
    """Every run of ``n`` words of the held-out texts, ascending."""
    return np.unique(hash_shingles(texts, n)[0])


def overlap(texts: Sequence[str], held_out: UInt64[ndarray, " h"], n: int = RUN) -> Float[ndarray, " t"]:
    """Of each text's runs of ``n`` words, the share that stand in the held-out texts.

    >>> runs = held_out_runs(["the cat sat on the mat"], n=3)
    >>> overlap(["THE CAT\\nSAT", "a dog sat on the mat"], runs, n=3).tolist()
    [1.0, 0.5]
    """
    hashes, lengths = hash_shingles(texts, n)
    places = np.searchsorted(held_out, hashes)
    hits = np.append(held_out, np.uint64(0))[places] == hashes  # what would stand behind the last is no hit
    rows = np.repeat(np.arange(len(texts)), lengths)
    return np.bincount(rows, hits, minlength=len(texts)) / np.maximum(lengths, 1)
