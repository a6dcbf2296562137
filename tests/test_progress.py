"""What is solved is remembered, whatever happens to the file; and the list of exercises shows it."""

import json
from datetime import date

import pytest
from shell import refused, shell

from llamalite.exercises import progress
from llamalite.exercises.engine import chapters, check, exercises_of, find

RIGHT = find("rope.4").solution


@pytest.fixture
def kept(tmp_path, monkeypatch):
    path = tmp_path / "mine" / "exercises.json"
    monkeypatch.setenv("LLAMALITE_PROGRESS", str(path))
    return path


def test_tries_are_counted_and_what_is_solved_stays_solved(kept):
    for answer in (lambda *_: 3.0, RIGHT, lambda *_: 3.0):
        check("rope.4", answer)
    assert progress.recorded() == {"rope.4": {"tries": 3, "solved": date.today().isoformat()}}


def test_a_stub_and_a_misspelt_name_are_no_tries(kept):
    check("rope.4", lambda *_: None)
    check("rope.44", RIGHT)
    assert not kept.exists()


def test_without_a_place_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("LLAMALITE_PROGRESS", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check("rope.4", RIGHT) is True and not list(tmp_path.iterdir())
    monkeypatch.delenv("LLAMALITE_PROGRESS")
    check("rope.4", RIGHT)
    assert json.loads((tmp_path / ".llamalite" / "exercises.json").read_text())["rope.4"]["tries"] == 1


@pytest.mark.parametrize(
    "content", ["{", "[1]", '{"rope.4": 7}', '{"rope.4": {"tries": "many", "solved": 1}}']
)
def test_a_damaged_file_never_costs_an_answer(kept, content, capsys):
    kept.parent.mkdir()
    kept.write_text(content)
    assert check("rope.4", RIGHT) is True
    out = " ".join(capsys.readouterr().out.split())
    assert "[+] rope.4: correct" in out and "your progress was not kept" in out and "remove it" in out
    assert kept.read_text() == content
    refused(shell("exercises", capsys), 2, str(kept), "damaged")


def test_a_folder_that_cannot_be_written_is_said(kept, capsys):
    kept.parent.write_text("a file where the folder should be")
    assert check("rope.4", RIGHT) is True
    assert "your progress was not kept" in " ".join(capsys.readouterr().out.split())


def test_the_list_shows_what_is_solved_tried_and_open(kept, capsys):
    check("rope.4", RIGHT)
    check("rope.1", lambda x, m, theta: x)
    capsys.readouterr()
    code, out, _ = shell("exercises rope", capsys)
    lines = {line[4:].split()[0]: line for line in out.splitlines()[:-1]}
    assert code == 0 and lines.keys() == exercises_of("rope").keys()
    assert lines["rope.4"].startswith("[+]") and f"(solved {date.today()}, 1 try)" in lines["rope.4"]
    assert lines["rope.1"].startswith("[x]") and lines["rope.1"].endswith("(1 try)")
    assert lines["rope.2"].startswith("[ ]") and out.splitlines()[-1] == f"1 of {len(lines)} solved"


def test_all_are_listed_and_a_misspelt_chapter_gets_the_likely_one(kept, capsys):
    out = shell("exercises", capsys).out
    assert all(f" {name} " in out for stem in chapters() for name in exercises_of(stem))
    refused(shell("exercises ropes", capsys), 2, "did you mean rope?")
