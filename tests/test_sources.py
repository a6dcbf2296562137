"""The table of texts: what it says of the one that lies here is true of it."""

import hashlib

import pytest

from llamalite.text.sources import SOURCES, find_source


def test_tinyshakespeare_is_the_file_that_everybody_has(real):
    raw, source = (real / "tinyshakespeare.txt").read_bytes(), find_source("tinyshakespeare")
    assert (len(raw), hashlib.sha256(raw).hexdigest()) == (source.bytes, source.sha256)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_says_what_a_user_must_know(source):
    assert source.url.startswith("https://") and source.bytes > 0
    assert source.licence and source.what and source.citation
    assert source.sha256 is None or len(source.sha256) == 64
    # Only the Hub is known to publish a sha256; a source from elsewhere needs one of its own.
    assert source.sha256 or source.url.startswith("https://huggingface.co/")


def test_names_and_files_are_different():
    assert len({s.name for s in SOURCES}) == len({s.file for s in SOURCES}) == len(SOURCES)


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(ValueError, match="choose one of tinyshakespeare, tinystories, "):
        find_source("war-and-peace")
