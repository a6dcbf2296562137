"""``llamalite info``: numbers of published models, from their configs alone."""

import pytest
from shell import shell

from llamalite.config import preset, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_info_counts_every_parameter(capsys, name):
    code, out, _ = shell(f"info {name}", capsys)
    assert code == 0 and f"{preset(name).n_params:,} parameters" in out


def test_info_of_llama_3_8b(capsys):
    """Facts A2, G2 and I2: 6N + 12·32·4096·8192 = 61.1 G to train on a token of a full context."""
    out = shell("info llama3-8b", capsys).out
    for line in ("feed-forward width   14,336", "131,072 bytes (128 KiB)", "full context         1 GiB"):
        assert line in out
    assert "at 8,192 tokens      20.4 G to read, 61.1 G to train" in out
    assert "tok_embeddings           525,336,576    6.5%" in out


def test_info_lists_all(capsys):
    out = shell("info", capsys).out
    assert all(name in out for name in preset_names())
