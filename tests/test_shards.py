"""Corpora of any size: exact sizes, honest manifests, the same bytes whatever happened on the way."""

import hashlib
import json
import math
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import refused, shell

from llamalite.tales.shards import UNFINISHED, Spec, documents, parse_mix, write_corpus
from llamalite.tales.telling import END, Tales
from llamalite.tales.world import World
from llamalite.text.corpus import MANIFEST, read_text

MIX = {"en": 0.6, "ko": 0.1, "code": 0.2, "maths": 0.1}
SPEC = Spec(60_000, MIX, seed=3, shard_size=16_000, n_heroes=64)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "made"
    write_corpus(folder, SPEC)
    return folder


def test_sizes_are_kept(corpus):
    shards = json.loads((corpus / MANIFEST).read_text())["shards"]
    assert [shard["name"] for shard in shards] == [f"tales-0000{i}.txt" for i in range(4)]
    for shard, limit in zip(shards, (16_000, 16_000, 16_000, 12_000), strict=True):
        content = (corpus / shard["name"]).read_bytes()
        assert shard["bytes"] == len(content) and limit - 1500 < len(content) <= limit
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()
        assert sum(shard["bytes_by_language"].values()) == len(content)
    assert sorted(bytes_of(corpus)) == [MANIFEST, *(shard["name"] for shard in shards)]


def test_every_document_is_a_tale_and_their_surprise_is_the_manifests(corpus):
    told = {name: Tales(name, World(64, seed=0)) for name in MIX}
    first = {"def": "code"}
    for shard in json.loads((corpus / MANIFEST).read_text())["shards"]:
        texts = (corpus / shard["name"]).read_text(encoding="utf-8").split(END)[:-1]
        nats, counts = 0.0, dict.fromkeys(MIX, 0)
        for text in texts:
            name = first.get(text[:3]) or ("ko" if not text.isascii() else "maths" if "=" in text else "en")
            nats -= told[name].parse(text).logprob
            counts[name] += 1
        assert {name: n for name, n in counts.items() if n} == shard["n_tales"]
        languages = shard["nats"] - nats  # what is left is the surprise of each document's language
        assert 0 < languages < len(texts) * math.log(len(MIX)) * 1.5


def test_bytes_follow_the_mix():
    told = {name: Tales(name, World(64)) for name in MIX}
    sizes = dict.fromkeys(MIX, 0)
    for tale in islice(documents(told, MIX, Random(1)), 20_000):
        sizes[tale.language] += len((tale.text + END).encode())
    for name, share in MIX.items():
        assert sizes[name] / sum(sizes.values()) == pytest.approx(share, rel=0.05)


@settings(max_examples=15, deadline=None)
@given(stop=st.integers(1, 60_000))
def test_an_interrupted_corpus_ends_in_the_same_bytes(tmp_path_factory, corpus, stop):
    folder, done = tmp_path_factory.mktemp("stopped") / "made", 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        if done >= stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(folder, SPEC, advance)
    assert not (folder / MANIFEST).exists() and (folder / UNFINISHED).exists()
    with pytest.raises(FileNotFoundError, match="unfinished corpus; finish it with the command"):
        read_text(folder)
    write_corpus(folder, SPEC)
    assert bytes_of(folder) == bytes_of(corpus)


def test_a_finished_file_is_kept_and_a_damaged_one_made_again(tmp_path, corpus):
    folder = tmp_path / "made"

    def stop_late(n: int) -> None:
        if (folder / "tales-00001.txt").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(folder, SPEC, stop_late)
    (folder / "tales-00001.txt").write_bytes(b"damaged")
    before = (folder / "tales-00000.txt").stat().st_mtime_ns
    write_corpus(folder, SPEC)
    assert (folder / "tales-00000.txt").stat().st_mtime_ns == before
    assert bytes_of(folder) == bytes_of(corpus)


def test_other_settings_are_refused_and_nothing_is_lost(corpus):
    before = bytes_of(corpus)
    with pytest.raises(FileExistsError, match=r"another --seed \(3, not 4\).*or choose another --out"):
        write_corpus(corpus, SPEC._replace(seed=4))
    with pytest.raises(FileExistsError, match=r"another --heroes \(64, not 32\)"):
        write_corpus(corpus, SPEC._replace(n_heroes=32))
    write_corpus(corpus, SPEC)
    assert bytes_of(corpus) == before


def test_a_strangers_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="in use for something else"):
        write_corpus(tmp_path, SPEC)
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


def test_the_text_of_a_corpus_is_its_files_joined_and_checked(tmp_path, corpus):
    whole = b"".join(content for name, content in bytes_of(corpus).items() if name != MANIFEST)
    assert read_text(corpus) == whole.decode()
    for name, content in bytes_of(corpus).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "tales-00002.txt").write_bytes(b"other words")
    with pytest.raises(ValueError, match=r"tales-00002\.txt has changed since it was made"):
        read_text(tmp_path)
    (tmp_path / "tales-00002.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"tales-00002\.txt is missing"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    "written, message",
    [
        ("english=1", "not told in 'english'; there are en, ko"),
        ("en", "'en' has no share; write it like en=0.5"),
        ("en=much", "'en=much' has no share"),
        ("en=-1", "the share of en is -1; give a number above 0"),
        ("en=nan", "the share of en is nan"),
        ("en=1,en=2", "names en twice"),
        ("", "is empty; write it like"),
    ],
)
def test_a_mix_that_is_none_is_refused(written, message):
    with pytest.raises(ValueError, match=message):
        parse_mix(written, ["en", "ko"])


def test_the_command_makes_a_corpus_and_says_what_to_do_next(tmp_path, capsys):
    out = tmp_path / "corpus"
    command = f"data tales --out {out} --size 20KB --mix en=.7,maths=.3"
    done = shell(command, capsys)
    assert done.code == 0 and f"llamalite train --data {out} --documents --out runs/tales" in done.out
    assert "bits per byte" in done.out and not done.err
    before = bytes_of(out)
    assert shell(command, capsys).code == 0 and bytes_of(out) == before


@pytest.mark.parametrize(
    "options, message",
    [
        ("--size 100XB", "100XB is no size"),
        ("--size all", "there is no end of tales"),
        ("--mix klingon=1", "not told in 'klingon'"),
        ("--heroes 7", "take an even number"),
        ("--exponent -1", "exponent is -1"),
    ],
)
def test_the_command_refuses_in_one_sentence_and_leaves_no_folder(tmp_path, capsys, options, message):
    out = tmp_path / "corpus"
    refused(shell(f"data tales --out {out} {options}", capsys), 2, message)
    assert not out.exists()
