"""What the commands have in common, and ``llamalite fetch`` from end to end."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from server import CONTENT, Reply, serve
from shell import refused, shell

from llamalite.cli import COMMANDS, main
from llamalite.commands.fetch import parse_size
from llamalite.text import fetch, sources
from llamalite.text.corpus import DATA
from llamalite.text.sources import SOURCES, Source
from llamalite.text.tokenization.ids_file import map_ids

SHA = hashlib.sha256(CONTENT).hexdigest()
STORIES = b"A llama sat.\nIt had a hat.\n<|endoftext|>\nA second llama.\n<|endoftext|>\n" * 100
site = pytest.fixture(serve)


@pytest.fixture
def run(site, tmp_path, monkeypatch, capsys):
    """``run("plays")`` in an empty folder, with a table of one plain text and one of stories."""
    monkeypatch.chdir(tmp_path)
    common = {"bytes": 200_000, "licence": "CC0-1.0", "what": "numbers", "citation": "Nobody 2026"}
    plays = Source(name="plays", url=site.url, file="plays.txt", sha256=SHA, **common)
    stories = replace(
        plays,
        name="stories",
        url=f"{site.address}/linked",
        file="raw.txt",
        sha256=None,
        separator="<|endoftext|>",
    )
    monkeypatch.setattr(sources, "SOURCES", (plays, stories, replace(plays, name="table", file="t.parquet")))
    return lambda line="": shell(f"fetch {line}", capsys)


# --- all commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [kind.__name__.lower() for kind in COMMANDS])
def test_help_teaches(capsys, command):
    code, out, _ = shell(f"{command} --help", capsys)
    assert code == 0 and "For example:" in out and f"llamalite {command}" in out


@pytest.mark.parametrize("line", [["--help"], ["fetch"], ["info"]])
def test_what_needs_no_torch_imports_none(line):
    code = f"import sys; from llamalite.cli import main\ntry: main({line})\nexcept SystemExit: pass\n"
    code += "print('torch' in sys.modules, file=sys.stderr)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "False\n"


# --- fetch ---------------------------------------------------------------------------------------


def test_without_a_name_all_are_listed_with_size_licence_and_origin(capsys):
    code, out, _ = shell("fetch", capsys)
    assert code == 0 and "about 1.12 MB, public domain" in out
    for source in SOURCES:
        assert all(fact in out for fact in (source.name, source.licence, source.url, source.citation))


def test_a_misspelt_name_gets_the_likely_one_and_the_list(capsys):
    result = shell("fetch tinystorys", capsys)
    refused(result, 2, "there is no source 'tinystorys'; did you mean tinystories")
    assert "CDLA-Sharing-1.0" in result.out


def test_a_plain_text_can_be_trained_on_as_it_is(run, site, tmp_path, capsys):
    code, out, err = run("plays")
    assert (code, err) == (0, "")
    assert "plays.txt: fetched; 200,000 bytes, with the sha256 that llamalite knows" in out
    (command,) = (line.removeprefix("next: llamalite ") for line in out.splitlines() if "next:" in line)
    assert command == "train --data downloads/plays.txt --out runs/plays"
    small = "--steps 1 --vocab-size bytes --dim 16 --n-layers 1 --n-heads 2 --n-kv-heads 1 --seq-len 16"
    assert shell(f"{command} {small}", capsys).code == 0


def test_what_is_there_is_not_fetched_again(run, site):
    run("plays")
    assert "there already, nothing to download; 200,000 bytes, with the sha256 that ll" in run("plays").out
    assert len(site.asked) == 1
    assert "fetched" in run("plays --force").out and len(site.asked) == 2


def test_stories_lose_their_marks(run, site, tmp_path):
    site.linked, site.usual = hashlib.sha256(STORIES).hexdigest(), Reply(content=STORIES)
    code, out, err = run("stories --out there")
    assert (code, err) == (0, "") and "with the sha256 that 127.0.0.1 publishes" in out
    assert "next: llamalite train --data there/stories.txt --out runs/stories" in out
    text = (tmp_path / "there" / "stories.txt").read_text()
    assert text == "A llama sat.\nIt had a hat.\n\nA second llama.\n\n" * 100
    assert "with the sha256 written down when it was fetched" in run("stories --out there").out


def test_a_part_of_it_is_made_ready(run, site, tmp_path):
    site.linked, site.usual = hashlib.sha256(STORIES).hexdigest(), Reply(content=STORIES)
    assert "next: llamalite train --data downloads/stories-1kB.txt" in run("stories --size 1kB").out
    text = (tmp_path / "downloads" / "stories-1kB.txt").read_text()
    assert 950 < len(text) <= 1000 and text.endswith(".\n\n")
    run("stories --size 2kB")
    assert len(site.asked) == 1 and len((tmp_path / "downloads" / "stories-2kB.txt").read_text()) > 1900


def test_a_new_download_makes_a_new_text(run, site, tmp_path):
    site.linked, site.usual = hashlib.sha256(STORIES).hexdigest(), Reply(content=STORIES)
    run("stories")
    (tmp_path / "downloads" / "stories.txt").write_text("old")
    assert run("stories --force").code == 0
    assert (tmp_path / "downloads" / "stories.txt").read_text().startswith("A llama sat.")


def test_a_table_asks_for_pyarrow_before_it_is_downloaded(run, site, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(run("table"), 2, "table comes as a Parquet table", "pip install pyarrow")
    assert site.asked == []


@pytest.mark.parametrize("size", ["much", "0", "-3MB", "MB", "nan", "inf"])
def test_a_size_that_is_none(run, site, size):
    refused(run(f"plays --size={size}"), 2, f"--size {size} is no size; write it like 100MB")
    assert site.asked == []


def test_sizes_are_powers_of_a_thousand():
    assert [parse_size(s) for s in ("1kb", "2 MB", "1.5GB", "7b")] == [1000, 2_000_000, 1_500_000_000, 7]


def test_ctrl_c_says_how_to_go_on(run, monkeypatch):
    def interrupt(response):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "read_chunk", interrupt)
    refused(run("plays"), 130, "stopped; what has come is kept in downloads", "goes on from there")


def test_failures_are_sentences_with_exit_code_1(run, site, monkeypatch):
    site.plan = [Reply(status=404), Reply(content=b"wrong")]
    refused(run("plays"), 1, "the server answers 404", "it may have moved")
    assert len(site.asked) == 1
    refused(run("plays"), 1, f"expected sha256 {SHA}, found ", "run the same command again")
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    site.usual = Reply(drop_after=100)
    refused(run("plays"), 1, "500 bytes are kept in downloads/plays.txt.part", "the same command goes on")


def test_mistakes_are_sentences_with_exit_code_2(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(run("plays --out file"), 2, "a file is where its folder should be", "--out")
    (tmp_path / "downloads" / "plays.txt").mkdir(parents=True)
    refused(run("plays"), 2, "downloads/plays.txt is a folder")


# --- plot and recipes ------------------------------------------------------------------------------------

TINY = "--device cpu --dim 32 --n-layers 1 --n-heads 2 --n-kv-heads 1 --vocab-size bytes --steps 4"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert main(f"train --out {folder} {TINY} --eval-every 2 --save-every 0".split()) == 0
    return folder


def test_a_run_knows_the_floor_of_its_text_and_reads_it_by_memory_map(run_folder):
    record = json.loads((run_folder / "train.json").read_text())
    assert 0.06 < record["floor_bits_per_byte"] < 0.09
    ids = map_ids(run_folder / "data" / "train.npy")
    assert ids.dtype == np.uint16 and len(ids) == (DATA / "tales-en.txt").stat().st_size + 1


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot_draws_runs(run_folder, ending, tmp_path, capsys):
    out = tmp_path / "new" / f"loss.{ending}"
    result = shell(f"plot {run_folder} {run_folder} --out {out}", capsys)
    assert result.code == 0 and out.stat().st_size > 10_000
    assert re.search(
        r"4 steps, 4,096 tokens, loss \d\.\d+, held out \d\.\d+ bits/byte \(floor 0\.07", result.out
    )


def test_plot_refuses(run_folder, tmp_path, capsys):
    refused(shell(f"plot {tmp_path}", capsys), 2, "is not the folder of a run")
    refused(shell(f"plot {run_folder} --out {tmp_path}/x.bmp", capsys), 2, "no picture", ".png, .svg, .pdf")
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "train.json").write_text("{}")
    refused(shell(f"plot {fresh}", capsys), 2, "has made no step yet")


def test_a_recipe_is_a_set_of_defaults(tmp_path, capsys):
    tiny = "--dim 36 --n-layers 1 --vocab-size 400 --seq-len 16 --batch-size 4 --steps 2 --eval-every 0"
    result = shell(f"train --recipe stories-15m --out {tmp_path}/run {tiny}", capsys)
    assert result.code == 0 and "1.072 nats a token" in result.out
    record = json.loads((tmp_path / "run" / "train.json").read_text())["args"]
    assert (record["lr"], record["warmup"], record["preset"], record["dim"]) == (
        5e-4,
        1000,
        "stories-15m",
        36,
    )
    refused(shell(f"train --recipe storys-15m --out {tmp_path}/x", capsys), 2, "did you mean stories-15m?")


def test_what_was_half_encoded_can_be_gone_on_with(run_folder, tmp_path, capsys):
    again = tmp_path / "again"
    shutil.copytree(run_folder, again, ignore=shutil.ignore_patterns("checkpoints", "held_out.npy"))
    assert shell(f"train --out {again} --resume", capsys).code == 0
    assert (again / "data" / "held_out.npy").read_bytes() == (
        run_folder / "data" / "held_out.npy"
    ).read_bytes()
    (again / "data" / "train.npy").write_bytes(b"\x93NUMPY")
    refused(shell(f"train --out {again} --resume --steps 5", capsys), 2, "train.npy is damaged")


def test_many_prompts_get_the_texts_that_each_would_get_alone(run_folder, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("A fox\n\nThe old king said\n")
    rules = "--tokens 20 --top-k 40 --min-p 0.01 --repetition-penalty 1.2 --device cpu"
    alone = []
    for prompt in ("A fox", "", "The old king said"):
        assert main(["generate", str(run_folder), "--prompt", prompt, *rules.split()]) == 0
        alone.append(capsys.readouterr().out)
    together = shell(f"generate {run_folder} --prompts-file {prompts} --batch-size 2 {rules}", capsys)
    assert together.code == 0 and together.out == "\n".join(alone) + "\n"


def test_a_stop_string_ends_the_text(run_folder, tmp_path, capsys):
    line = f"generate {run_folder} --prompt A --tokens 40 --device cpu"
    text = shell(line, capsys).out[1:-1]
    stops = text[20:22], text[10:12]
    assert not any(character.isspace() for stop in stops for character in stop)
    stopped = shell(f"{line} --stop {stops[0]} --stop {stops[1]}", capsys).out[1:-1]
    assert stopped == min((text.split(stop)[0] for stop in stops), key=len)


def test_generate_refuses(run_folder, tmp_path, capsys):
    empty = tmp_path / "empty.txt"
    empty.touch()
    refused(shell(f"generate {run_folder} --prompts-file {empty}", capsys), 2, "is empty")
    refused(
        shell(f"generate {run_folder} --prompts-file {empty} --prompt x", capsys), 2, "exclude each other"
    )
    refused(shell(f"generate {run_folder} --prompts-file {empty} --compile", capsys), 2, "for one text")
    refused(shell(f"generate {run_folder} --top-k -1 --device cpu", capsys), 2, "top_k -1")
