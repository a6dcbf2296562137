"""Corpora of any size: exact sizes, honest manifests, the same bytes whatever happened on the way."""

import hashlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import bench_tales
import pytest
from shell import refused, shell

from llamalite.tales import shards
from llamalite.tales.shards import Spec, documents, make_shard, write_corpus
from llamalite.tales.telling import END, Tales
from llamalite.tales.world import World
from llamalite.text import files
from llamalite.text.corpus import MANIFEST, UNFINISHED, read_text

MIX = {"en": 0.6, "ko": 0.1, "code": 0.2, "maths": 0.1}
SPEC = Spec(60_000, MIX, seed=3, shard_size=16_000, n_heroes=64)
LONGEST = 1500  # bytes; no tale of these languages is longer
FULL = OSError(28, "No space left on device")


@pytest.fixture(scope="module", autouse=True)
def small_sample() -> Iterator[None]:
    """Shares and checksums of tales may come from few tales, but where shares are the point."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SAMPLE", 20)
        yield


@pytest.fixture(scope="module")
def told() -> dict[str, Tales]:
    world = World(64)
    return {name: Tales(name, world) for name in MIX}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "made"
    write_corpus(folder, SPEC)
    return folder


@pytest.fixture
def copy(tmp_path, corpus) -> Path:
    return Path(shutil.copytree(corpus, tmp_path / "copy"))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / MANIFEST).read_text())


def fail_at(monkeypatch, at, error: BaseException) -> None:
    """Write half of a file and raise, where ``at`` is true of its name."""
    write = files.write_durably

    def write_or_fail(path: Path, content: bytes) -> None:
        if at(path.name):
            write(path, content[: len(content) // 2])
            raise error
        write(path, content)

    monkeypatch.setattr(files, "write_durably", write_or_fail)


def test_files_keep_their_size_and_the_whole_is_met_to_one_tale(tmp_path, corpus):
    manifest = manifest_of(corpus)
    assert list(bytes_of(corpus)) == [MANIFEST, *(shard["name"] for shard in manifest["shards"])]
    *full, last = [shard["bytes"] for shard in manifest["shards"]]
    assert all(16_000 - LONGEST < size <= 16_000 for size in full)
    assert 60_000 - LONGEST < sum(full) + last <= 60_000
    spec = Spec(120_000, {"en": 1.0}, shard_size=10_000, n_heroes=64)  # twelve files, each half a tale short
    whole = write_corpus(tmp_path / "many", spec).manifest["total"]["bytes"]
    assert 120_000 - LONGEST < whole <= 120_000


def test_the_manifest_says_what_the_files_say(corpus):
    manifest = manifest_of(corpus)
    for shard in manifest["shards"]:
        content = (corpus / shard["name"]).read_bytes()
        assert (shard["bytes"], shard["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert sum(shard["bytes_by_language"].values()) == len(content)
        assert sum(shard["n_tales"].values()) == content.count(END.encode())
    whole, text = manifest["total"], read_text(corpus)
    assert whole["nats"] == pytest.approx(sum(shard["nats"] for shard in manifest["shards"]), rel=1e-12)
    assert sum(whole["bytes_by_language"].values()) == whole["bytes"] == len(text.encode())
    assert sum(whole["n_tales"].values()) == text.count(END)


def test_every_document_is_a_tale_and_their_surprise_is_the_manifests(corpus, told):
    language = shards.language_choice(MIX, {name: shards.sample(told[name]) for name in MIX})
    for shard in manifest_of(corpus)["shards"]:
        texts, nats, counts = (corpus / shard["name"]).read_text(encoding="utf-8"), 0.0, Counter()
        for text in texts.split(END)[:-1]:
            others = "ko" if not text.isascii() else "maths" if "=" in text else "en"
            name = "code" if text.startswith("def") else others
            nats -= told[name].parse(text).logprob + language.logprob(name, {})
            counts[name] += 1
        assert counts == shard["n_tales"]
        assert shard["nats"] == pytest.approx(nats, rel=1e-9)


@pytest.mark.parametrize("size", [10_000, 32_000, 32_001])
def test_any_size_is_met_and_the_bar_hears_of_every_byte(tmp_path, size):
    spec = Spec(size, {"maths": 1.0}, shard_size=16_000, n_heroes=64)
    for is_new in (True, False):
        heard: list[int] = []
        made = write_corpus(tmp_path / "made", spec, heard.append)
        assert sum(heard) == size and min(heard) >= 0 and (made.n_new > 0) == is_new
    assert size - 170 < made.manifest["total"]["bytes"] <= size  # sums are short
    assert all(0 < shard["bytes"] <= 16_000 for shard in made.manifest["shards"])


def test_a_file_needs_no_other_to_be_made(corpus, told):
    content, facts = make_shard(documents(told, MIX, Random("3 2")), 16_000, lambda n: None)
    assert content == (corpus / "tales-00002.txt").read_bytes()
    assert facts.items() <= manifest_of(corpus)["shards"][2].items()


def test_bytes_follow_the_mix(told, monkeypatch):
    """Within four standard errors: of the mean length, measured on 500 tales, and of the draw."""
    monkeypatch.setattr(shards, "SAMPLE", 500)
    sizes, counts = Counter(), Counter()
    for tale in islice(documents(told, MIX, Random(1)), 5_000):
        sizes[tale.language] += len((tale.text + END).encode())
        counts[tale.language] += 1
    for name, share in MIX.items():
        error = math.hypot(0.2 / math.sqrt(500), 1 / math.sqrt(counts[name]))  # lengths vary by a fifth
        assert sizes[name] / sizes.total() == pytest.approx(share, rel=4 * error)


def test_the_order_of_a_mix_means_nothing_and_tales_must_be_there(told):
    mixes = (MIX, dict(reversed(MIX.items())))
    first, second = ([t.text for t in islice(documents(told, mix, Random(1)), 50)] for mix in mixes)
    assert first == second
    with pytest.raises(ValueError, match="the mix has 'ko'; give Tales in it too, there are en"):
        next(documents({"en": told["en"]}, {"en": 1, "ko": 1}, Random(0)))


# --- what happens on the way -----------------------------------------------------------------------


@pytest.mark.parametrize("stop", [0, 1, 100, 150])
def test_an_interrupted_corpus_ends_in_the_same_bytes(tmp_path, corpus, stop):
    folder, tales = tmp_path / "made", iter(range(stop))

    def interrupted(*args) -> Iterator:
        for tale in stream(*args):
            if next(tales, None) is None:
                raise KeyboardInterrupt
            yield tale

    stream = shards.stream
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shards, "stream", interrupted)
        write_corpus(folder, SPEC)
    with pytest.raises(FileNotFoundError, match="unfinished corpus; finish it with the command"):
        read_text(folder)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("tales-*")}
    assert write_corpus(folder, SPEC).n_new == 4 - len(kept)
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert bytes_of(folder) == bytes_of(corpus)


@pytest.mark.parametrize("write", range(10))
def test_a_failure_at_any_write_is_mended_by_the_same_command(tmp_path, corpus, monkeypatch, write):
    """The record, four times a file and the record, the manifest: the disk is full at one of them."""
    folder, writes = tmp_path / "made", iter(range(10))
    fail_at(monkeypatch, lambda name: next(writes) == write, FULL)
    with pytest.raises(OSError, match="No space left"):
        write_corpus(folder, SPEC)
    assert not (folder / MANIFEST).exists()
    monkeypatch.undo()
    assert write_corpus(folder, SPEC).n_new == 4 - max(write - 1, 0) // 2
    assert bytes_of(folder) == bytes_of(corpus)


@pytest.mark.parametrize("damage", [os.remove, lambda path: os.truncate(path, 9)])
def test_what_reading_complains_of_is_mended_as_it_says(copy, corpus, damage):
    damage(copy / "tales-00002.txt")
    with pytest.raises((FileNotFoundError, ValueError), match=r"00002\.txt .*; give the command that made"):
        read_text(copy)
    assert write_corpus(copy, SPEC).n_new == 1
    assert bytes_of(copy) == bytes_of(corpus)
    assert write_corpus(copy, SPEC).n_new == 0


def test_a_file_that_would_become_another_is_not_made(copy, monkeypatch):
    (copy / "tales-00002.txt").unlink()
    monkeypatch.setattr(shards, "END", "\n\n\n")  # as if llamalite had changed
    with pytest.raises(ValueError, match=r"tales-00002\.txt is lost, and would be made with other tales"):
        write_corpus(copy, SPEC)


def test_a_language_that_has_changed_is_noticed(copy):
    manifest = manifest_of(copy)
    (copy / MANIFEST).write_text(json.dumps(manifest | {"samples": manifest["samples"] | {"ko": "other"}}))
    with pytest.raises(FileExistsError, match=r"when tales in 'ko' were told in other words; choose another"):
        write_corpus(copy, SPEC)


def test_other_settings_are_refused_and_nothing_is_lost(corpus):
    before = bytes_of(corpus)
    with pytest.raises(FileExistsError, match=r"another --seed \(3, not 4\).*or choose another --out"):
        write_corpus(corpus, SPEC._replace(seed=4))
    with pytest.raises(FileExistsError, match=r"another --heroes \(64, not 32\)"):
        write_corpus(corpus, SPEC._replace(n_heroes=32))
    assert bytes_of(corpus) == before


def test_a_strangers_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="in use for something else"):
        write_corpus(tmp_path, SPEC)
    with pytest.raises(ValueError, match=r"cannot be made: .*; choose another --out"):
        write_corpus(tmp_path / "thesis.txt" / "corpus", SPEC)
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


@pytest.mark.parametrize("written", ["{}", "[1", '{"spec": 1, "samples": {}, "shards": []}', "[]"])
@pytest.mark.parametrize("name", [MANIFEST, UNFINISHED])
def test_a_strangers_manifest_is_left_alone(tmp_path, written, name):
    (tmp_path / name).write_text(written)
    with pytest.raises(ValueError, match="tells nothing of tales; choose another --out"):
        write_corpus(tmp_path, SPEC)
    assert bytes_of(tmp_path) == {name: written.encode()}


# --- the command -----------------------------------------------------------------------------------

MISTAKES = {
    "--mix klingon=1": "not told in 'klingon'; there are code",
    "--mix english=1": "not told in 'english'; did you mean en",
    "--mix en": "'en' has no share; write it like en=0.5",
    "--mix en=-1": "the share of en is -1; give a number above 0",
    "--mix en=0": "the share of en is 0; give a number above 0, or leave it out",
    "--mix en=nan": "the share of en is nan",
    "--mix en=1,en=2": "names en twice",
    "--mix ,": "is empty; write it like",
    "--size 100XB": "--size 100XB is no size; write it like 500KB, 100MB or 2GB",
    "--size all": "--size all is no size",
    "--size 1B": "hardly room for a tale; ask for at least 10KB",
    "--shard-size big": "--shard-size big is no size",
    "--shard-size 1KB": "take 10KB to 1GB",
    "--shard-size 2GB": "take 10KB to 1GB",
    "--heroes 7": "take an even number",
    "--exponent -1": "exponent is -1",
}


@pytest.mark.parametrize("options", MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_no_folder(tmp_path, capsys, options):
    refused(shell(f"data tales --out {tmp_path / 'corpus'} {options}", capsys), 2, MISTAKES[options])
    assert not (tmp_path / "corpus").exists()


def test_the_command_makes_a_corpus_and_says_what_to_do_next(tmp_path, capsys):
    out = tmp_path / "corpus"
    command = f"data tales --out {out} --size 20KB --mix en=.7,maths=.3"
    done = shell(command, capsys)
    assert done.code == 0 and f"llamalite train --data {out} --documents --seq-len 256" in done.out
    assert "bits per byte" in done.out and not done.err
    assert "in 1 file, all there already; " in shell(command, capsys).out


def test_the_command_goes_on_from_where_it_was_stopped(tmp_path, capsys, monkeypatch):
    out = tmp_path / "corpus"
    command = f"data tales --out {out} --size 50KB --shard-size 20KB"
    for error, code, sentence in (
        (KeyboardInterrupt(), 130, f"{out} keeps what is finished, and the same command goes on"),
        (FULL, 1, "No space left on device; make room or choose another folder"),
        (
            PermissionError(13, "Permission denied"),
            1,
            "Permission denied; make room or choose another folder",
        ),
    ):
        fail_at(monkeypatch, lambda name: name.startswith("tales-00001"), error)
        refused(shell(command, capsys), code, sentence)
        monkeypatch.undo()
    refused(shell(f"train --data {out} --out {tmp_path / 'run'}", capsys), 2, "is an unfinished corpus")
    assert "in 3 files, 2 of them made now; " in shell(command, capsys).out
    refused(shell(f"{command} --seed 1", capsys), 2, "another --seed (0, not 1)", "or choose another --out")


def test_the_benchmark_runs(capsys):
    assert bench_tales.main(["--rounds", "1", "--size", "10KB"]) == 0
    assert "MB/s" in capsys.readouterr().out
