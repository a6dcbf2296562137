"""A cleaning by files: the same bytes in one go, resumed or side by side; bad input ends in one sentence."""

import json
from random import Random

import pytest
from shell import refused, shell

from llamalite.tales.crawl import RUDE, crawl
from llamalite.tales.telling import Tales
from llamalite.tales.world import World
from llamalite.text.corpus import read_text
from llamalite.text.data import funnel, pipeline
from llamalite.text.data.deduplication import deduplicate
from llamalite.text.data.pipeline import Plan, clean
from llamalite.text.data.records import Record, find_files, read_records
from llamalite.text.data.screening import Screen, screen
from llamalite.text.data.unsafe import build_pattern

WORLD = World(64, exponent=1.0, seed=7)
TOLD = {name: Tales(name, WORLD) for name in ("en", "ko", "code")}
DOCUMENTS = list(crawl(TOLD, Random(1), 300, [TOLD["en"].tell(Random(2)).text]))
RECORDS = [Record(d.text, d.claimed) for d in DOCUMENTS]
FILTERS = Screen(unsafe=build_pattern(RUDE))
SMALL = Plan(common=20, part=70)


@pytest.fixture
def crawled(tmp_path):
    path = tmp_path / "crawl.jsonl"
    lines = [json.dumps({"text": d.text, "claimed": d.claimed}) for d in DOCUMENTS]
    path.write_text("\n".join([*lines, "{broken", "[]", ""]))
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_by_files_is_as_in_memory(tmp_path):
    report = clean(RECORDS, tmp_path / "out", FILTERS, SMALL, {})
    screened = [found.text for r in RECORDS if not (found := screen(r, FILTERS)).reason]
    stay = [text for text, why in deduplicate(screened, near=0.6, limit=20) if not why]
    kept = "".join(path.read_text() for path in sorted((tmp_path / "out").glob("clean-*.txt")))
    assert kept == "".join(pipeline.one_document(text) + "\n\n" for text in stay)
    assert report.n_out == len(stay) and report.n_in == 300
    assert read_text(tmp_path / "out") == kept  # what llamalite train will read
    removed = [json.loads(line) for line in (tmp_path / "out" / "removed.jsonl").read_text().splitlines()]
    assert len(removed) == 300 - len(stay) == sum(report.why.values())
    assert {row["why"] for row in removed} == set(report.why) and not (tmp_path / "out" / "parts").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_stopped_and_resumed_is_as_in_one_go(tmp_path, monkeypatch, processes):
    clean(RECORDS, tmp_path / "once", FILTERS, SMALL, {"a": 1})
    done, screen_part = [], pipeline.screen_part

    def stopping(path, records, filters):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(path)
        return screen_part(path, records, filters)

    monkeypatch.setattr(pipeline, "screen_part", stopping)
    with pytest.raises(KeyboardInterrupt):
        clean(RECORDS, tmp_path / "twice", FILTERS, SMALL, {"a": 1})
    monkeypatch.setattr(pipeline, "screen_part", lambda *job: done.append(job[0]) or screen_part(*job))
    clean(RECORDS, tmp_path / "twice", FILTERS, SMALL, {"a": 1}, processes)
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")
    assert len(done) == (5 if processes == 1 else 2)  # nothing twice; children count for themselves
    before = contents(tmp_path / "once")
    again = clean([], tmp_path / "once", FILTERS, SMALL, {"a": 1})  # finished: nobody even reads
    assert contents(tmp_path / "once") == before and again.n_in == 300


def test_a_bucket_bounds_what_is_remembered(tmp_path):
    twice = [Record(d.text) for d in DOCUMENTS if d.kind == "clean"][:60] * 2
    counts = {}
    for name, bucket in (("whole", 1000), ("halves", 60)):
        plan = Plan(common=0, part=60, bucket=bucket)
        counts[name] = clean(twice, tmp_path / name, Screen(), plan, {}).why.get("copy", 0)
    assert counts == {"whole": 60, "halves": 0}


def test_a_funnel_adds_up():
    rows = [
        ("", "en", "abc", 5),
        ("copy", "en", "abcd", 4),
        ("rule: symbols", "ko", "", 9),
        ("", "ko", "a", 1),
    ]
    whole = funnel.count(rows)
    assert whole == funnel.added([funnel.count(rows[:1]), funnel.count(rows[1:])])
    assert (whole.n_in, whole.n_out, whole.size_in, whole.size_out) == (4, 2, 19, 4)
    assert funnel.steps(whole) == [("rule: symbols", 1, 3), ("copy", 1, 2)]
    assert whole.languages == {"en": (2, 1), "ko": (2, 1)}
    assert funnel.from_dict(json.loads(json.dumps(funnel.as_dict(whole)))) == whole


def test_folders_and_both_kinds_of_files_are_read(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_bytes(b"one\r\ntwo\r\n\r\n\xff three\n")
    (tmp_path / "a.jsonl").write_text('{"text": "zero", "claimed": 3}\nnull\n{"text": 1}\n\n')
    (tmp_path / "c.png").write_bytes(b"\x89")
    found = [record.text for record in read_records(find_files(tmp_path))]
    assert found == ["zero", None, None, "one\ntwo", "\ufffd three"]


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_cleans_and_says_what_to_do_next(tmp_path, crawled, capsys):
    (tmp_path / "rude.txt").write_text("\n".join(RUDE))
    out = tmp_path / "clean"
    line = f"data clean {crawled} --out {out} --unsafe-words {tmp_path / 'rude.txt'} --languages en ko code"
    done = shell(f"{line} --held-out tales-en-validation --common 20", capsys)
    assert done.code == 0 and not done.err and f"llamalite train --data {out} --documents" in done.out
    report = json.loads((out / "funnel.json").read_text())
    assert (
        report["documents"]["in"]
        == 302
        == report["documents"]["out"] + sum(s["gone"] for s in report["steps"])
    )
    gone = {step["why"]: step["gone"] for step in report["steps"]}
    assert gone["unreadable"] == 2 and gone["unsafe"] >= sum(d.kind == "rude" for d in DOCUMENTS) - 2
    assert shell(f"{line} --held-out tales-en-validation --common 20", capsys).out == done.out
    refused(shell(f"{line} --common 9", capsys), 2, "another held_out", "choose another --out")


def test_stopping_the_command_loses_nothing(tmp_path, crawled, capsys, monkeypatch):
    out, screen_part = tmp_path / "clean", pipeline.screen_part
    monkeypatch.setattr(
        pipeline, "screen_part", lambda p, r, f: stop() if "1" in p.stem else screen_part(p, r, f)
    )

    def stop():
        raise KeyboardInterrupt

    line = f"data clean {crawled} --out {out} --part 70"
    refused(shell(line, capsys), 130, f"{out} keeps what is finished, and the same command goes on")
    assert (out / "parts" / "part-00000.json").is_file()
    monkeypatch.undo()
    assert (
        shell(line, capsys).code == 0
        and shell(f"data clean {crawled} --out {tmp_path / 'b'}", capsys).code == 0
    )
    assert (out / "funnel.json").read_bytes() == (tmp_path / "b" / "funnel.json").read_bytes()


MISTAKES = {
    "nowhere --out OUT": "there is no nowhere; give a file or folder",
    "IN.png --out OUT": "ends in none of .jsonl",
    "EMPTY --out OUT": "holds no file that ends in",
    "IN --out OUT --near 60": "a similarity between 0 and 1, such as 0.6",
    "IN --out OUT --part 0": "--part is 0; it must be at least 1",
    "IN --out OUT --rules braces commas": "there is no rule 'commas'; there are all, none, too short",
    "IN --out OUT --languages fr": "teach it with fr=FILE",
    "IN --out OUT --languages fr=nowhere": "there is no file nowhere",
    "IN --out OUT --good IN": "--good and --bad go together",
    "IN --out OUT --held-out nowhere": "there is no file nowhere",
    "IN --out EMPTY/..": "in use for something else",
}


@pytest.mark.parametrize("options", MISTAKES)
def test_a_mistake_ends_in_one_sentence(tmp_path, crawled, capsys, options):
    (tmp_path / "empty").mkdir()
    (tmp_path / "crawl.jsonl.png").write_bytes(b"\x89")
    line = options.replace("IN", str(crawled)).replace("OUT", str(tmp_path / "out"))
    refused(
        shell(f"data clean {line.replace('EMPTY', str(tmp_path / 'empty'))}", capsys), 2, MISTAKES[options]
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"bad\n", bytes(range(256)) * 9, b'{"text": ""}\n'])
def test_a_file_without_a_document_is_no_accident(tmp_path, capsys, content):
    for name in ("x.jsonl", "x.txt"):
        (tmp_path / name).write_bytes(content)
        done = shell(f"data clean {tmp_path / name} --out {tmp_path / name[2:]}", capsys)
        assert done.code == 0 and "0 of" in done.out and "next" not in done.out


def test_labels_of_yours_teach_a_filter(tmp_path, crawled, capsys):
    for name, kind in (("good", "clean"), ("bad", "rude")):
        pages = crawl({"en": TOLD["en"]}, Random(5), 200, [], {kind: 1})
        (tmp_path / f"{name}.txt").write_text("\n\n".join(d.text for d in pages))
    options = f"--good {tmp_path / 'good.txt'} --bad {tmp_path / 'bad.txt'} --rules none --near 0 --common 0"
    assert shell(f"data clean {crawled} --out {tmp_path / 'out'} {options}", capsys).code == 0
    removed = [json.loads(line) for line in (tmp_path / "out" / "removed.jsonl").read_text().splitlines()]
    rude = {d.text for d in DOCUMENTS if d.kind == "rude" and d.language == "en"}
    assert len(rude) >= 3 and rude <= {row["text"] for row in removed if row["why"] == "quality"}


def test_help_teaches(capsys):
    told = shell("data clean --help", capsys).out
    assert "llamalite data clean crawl.jsonl --out clean" in told and "--held-out" in told
    assert "llamalite data tales" in shell("data --help", capsys).out
