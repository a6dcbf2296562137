"""CONTRIBUTING.md is followed to the letter: its exercise, its language, its list of what a chapter has."""

import re
import shutil
from pathlib import Path
from random import Random

import pytest
from test_layout import CHAPTERS, PACKAGE, ROOT

from llamalite.exercises import engine
from llamalite.tales.telling import Tales
from llamalite.text.corpus import DATA

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_exercise_of_the_guide_accepts_its_solution_and_names_its_mistakes(monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    namespace: dict = {}
    exec(compile(block, "CONTRIBUTING.md", "exec"), namespace)
    exercise = namespace["EXERCISE"]
    monkeypatch.setattr(engine, "find", lambda name: exercise)
    assert engine.check("guide.1", exercise.solution) is True
    for mistake in exercise.mistakes:
        assert engine.check("guide.1", mistake.answer) is False
        assert mistake.diagnosis in " ".join(capsys.readouterr().out.split())


def test_a_copied_language_is_told_and_heard(tmp_path):
    """Steps 1 and 2, with one word and one phrasing replaced; en is there for those who begin from it."""
    for path in (DATA / "tales").glob("*.txt"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / "en.txt").read_text(encoding="utf-8")
    changed = re.sub(r"^title:.*", "title: Sailor", text, flags=re.MULTILINE)
    changed = changed.replace("Once upon a time", "In the days of sail")
    assert changed.count("In the days of sail") and changed != text
    (tmp_path / "sailor.txt").write_text(changed, encoding="utf-8")
    tales, rng = Tales("sailor", folder=tmp_path), Random(1)
    told = [tales.tell(rng) for _ in range(200)]
    assert any("In the days of sail" in tale.text for tale in told)
    assert all(tales.parse(tale.text).logprob == pytest.approx(tale.logprob) for tale in told)


def test_a_mistake_in_it_is_reported_with_its_line(tmp_path):
    text = (DATA / "tales" / "en.txt").read_text(encoding="utf-8")
    (tmp_path / "sailor.txt").write_text(text.replace("[home | word]", "[hom | word]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"sailor\.txt, line \d+"):
        Tales("sailor", folder=tmp_path).tell(Random(1))


@pytest.mark.parametrize("stem", CHAPTERS)
def test_every_chapter_has_what_the_guide_lists(stem):
    listed = re.findall(r"`((?:llamalite|tests)/\S*STEM\.py)`", GUIDE)
    homes = {Path(name.replace("STEM", stem)) for name in listed}
    assert len(homes) == 7
    for home in homes:
        if home.parent.name in ("in_torch", "in_numpy"):
            assert any(stem in (path.stem, path.parent.name) for path in PACKAGE.rglob("*.py"))
        elif home.parent.name != "mutants":  # a chapter may have its bugs in another's file
            assert (ROOT / home).is_file(), home
