"""Texts that others made and that are worth a download: where they are, how large, under which licence.

An address names a revision wherever one is known, and ``sha256`` is there only where it was computed
from the file itself. Where it is None, the checksum that the server publishes is held against the
download, and written down beside it for later.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

HUB = "https://huggingface.co/datasets"


@dataclass(frozen=True)
class Source:
    name: str
    url: str
    file: str
    """What the download is called on disk."""
    bytes: int
    """Its size; about, where no sha256 is known."""
    sha256: str | None
    licence: str
    what: str
    citation: str
    separator: str | None = None
    """The line between two documents, if the file has one; training wants a blank line there."""

    @property
    def is_parquet(self) -> bool:
        return self.file.endswith(".parquet")


TINYSTORIES = {
    "licence": "CDLA-Sharing-1.0",
    "citation": "Eldan and Li 2023, TinyStories (arXiv:2305.07759)",
    "separator": "<|endoftext|>",
}
TINYSTORIES_AT = f"{HUB}/roneneldan/TinyStories/resolve/f54c09fd23315a6f9c86f9dc80f725de7d8f9c64"
SHAKESPEARE_AT = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/d1d7aa34fdb3626174bce1d753e6cc6845ce7087"
)

SOURCES = (
    Source(
        name="tinyshakespeare",
        url=f"{SHAKESPEARE_AT}/data/tinyshakespeare/input.txt",
        file="tinyshakespeare.txt",
        bytes=1_115_394,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        licence="public domain",
        what="Shakespeare's plays, 40,000 lines of them: the first text of many a small model",
        citation="Karpathy 2015, The Unreasonable Effectiveness of Recurrent Neural Networks",
    ),
    Source(
        name="tinystories",
        url=f"{TINYSTORIES_AT}/TinyStoriesV2-GPT4-valid.txt",
        file="TinyStoriesV2-GPT4-valid.txt",
        bytes=22_502_601,
        sha256=None,
        what="stories in a small child's words, written by GPT-4: the validation part, enough for a laptop",
        **TINYSTORIES,
    ),
    Source(
        name="tinystories-large",
        url=f"{TINYSTORIES_AT}/TinyStoriesV2-GPT4-train.txt",
        file="TinyStoriesV2-GPT4-train.txt",
        bytes=2_227_753_162,
        sha256=None,
        what="the same kind of stories: the training part, a hundred times as much",
        **TINYSTORIES,
    ),
    Source(
        name="fineweb-edu-sample",
        # No revision of this one could be verified; a changed file is noticed by its checksum.
        url=f"{HUB}/HuggingFaceFW/fineweb-edu/resolve/main/sample/10BT/000_00000.parquet",
        file="fineweb-edu-sample-10BT-000.parquet",
        bytes=2_150_000_000,
        sha256=None,
        licence="ODC-By-1.0",
        what="web pages that a classifier found educational: the first file of a sample of 10 billion tokens",
        citation="Penedo et al. 2024, The FineWeb Datasets (arXiv:2406.17557)",
    ),
)


def find_source(name: str, sources: tuple[Source, ...] = SOURCES) -> Source:
    """
    >>> find_source("shakespear")
    Traceback (most recent call last):
    ValueError: there is no source 'shakespear'; did you mean tinyshakespeare?
    """
    by_name = {source.name: source for source in sources}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name.lower(), by_name, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(by_name)}"
    raise ValueError(f"there is no source {name!r}; {hint}")
