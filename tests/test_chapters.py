"""What every chapter promises: run from top to bottom, one common shape, taught code that is tested."""

import ast
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import run_notebooks  # noqa: E402

PATHS = sorted((ROOT / "chapters").glob("*.ipynb"))
chapters = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)

# Between the first and the second come the headings of the build, which are each chapter's own.
# A chapter may add its own words after a colon: "Break it: a good beginning, and wrong".
HEADINGS = [
    "The question",
    "The equivalence ladder",
    "Break it",
    "See it",
    "The Llama connection",
    "Exercises",
    "What you can now say",
    "What could go wrong",
    "Sources",
]


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def prose(path: Path) -> str:
    """All markdown; without fenced code, in which a ``#`` begins a comment, no heading."""
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def outputs(path: Path) -> list[nbformat.NotebookNode]:
    return [output for cell in cells(path, "code") for output in cell.outputs]


def test_there_is_a_chapter():
    assert PATHS


@chapters
def test_it_was_run_from_top_to_bottom_by_the_projects_command(path):
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    assert run_notebooks.canonical_text(path) == path.read_text(encoding="utf-8"), (
        "store it with tools/run_notebooks.py"
    )
    nbformat.validate(nbformat.read(path, 4))


@chapters
def test_outputs_hold_no_error_no_warning_and_no_path(path):
    for output in outputs(path):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        shown = [data for kind, data in output.get("data", {}).items() if not kind.startswith("image/")]
        text = "\n".join(map(str, [output.get("text", ""), *shown]))
        assert not re.search(r"/(work|tmp|root|home|Users)/|\b[A-Z]:\\", text), text


@chapters
def test_shape(path):
    text = prose(path)
    assert re.match(rf"# {path.stem[:2]} · \S", text), "the title begins with the chapter's number"
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, "a second title"
    found = re.findall(r"^## ([^:\n]+)", text, re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS
    assert found[0] == HEADINGS[0] and found.index(HEADINGS[1]) > 2, "the build has headings of its own"
    for promise in ("What you need", "What you will be able to do", "Runtime", "mybinder.org"):
        assert promise in text
    assert "@@" not in text, "a placeholder was left behind"
    assert len(text.split()) >= 900
    assert any("image/png" in output.get("data", {}) for output in outputs(path))


@chapters
def test_claims_are_asserted_and_sliders_are_there(path):
    code = "\n".join(cell.source for cell in cells(path, "code"))
    assert len(re.findall(r"\bassert\b|ladder\(", code)) >= 10
    assert "figures.explore_" in code


@chapters
def test_exercises_are_posed_as_stubs_with_hints_and_solutions(path):
    stem = path.stem[3:]
    text, code = prose(path), "\n".join(cell.source for cell in cells(path, "code"))
    posed = re.findall(rf'check\("({stem}\.\d)"', code)
    assert len(set(posed)) >= 3
    assert code.count("raise NotImplementedError") == len(posed)
    for name in posed:
        assert f'hint("{name}")' in text + code and f'solution("{name}")' in text + code, name
    for cell in cells(path, "code"):
        if 'check("' in cell.source:
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), (
                "a reader who solves it must not fail"
            )
            assert any("not attempted yet" in output.get("text", "") for output in cell.outputs)


# --- taught code is tested code --------------------------------------------------------------------


def taught_cells() -> list[tuple[str, str, str]]:
    """(chapter, file named in the first line, source) of every cell that teaches a definition."""
    found = []
    for path in PATHS:
        for cell in cells(path, "code"):
            first = cell.source.partition("\n")[0]
            if first.startswith("# llamalite/"):
                found.append((path.stem, first.removeprefix("# "), cell.source))
    return found


def shape_of(node: ast.AST) -> str:
    """The syntax tree as text, without docstrings: a cell may leave them out."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
            inner.body = inner.body[1:]
    return ast.dump(node)


def named(source: str) -> dict[str, str]:
    tree = ast.parse(source)
    return {
        node.name: shape_of(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


@chapters
def test_every_chapter_teaches_some_of_the_package(path):
    assert any(chapter == path.stem for chapter, _, _ in taught_cells())


@pytest.mark.parametrize(
    ("chapter", "file", "source"), taught_cells(), ids=lambda value: value.splitlines()[0]
)
def test_taught_code_is_the_modules_own(chapter, file, source):
    assert (ROOT / file).is_file(), f"{chapter}: a cell's first line names {file!r}; let it be a path alone"
    module, cell = named((ROOT / file).read_text(encoding="utf-8")), named(source)
    assert cell, f"{chapter}: a cell names {file} and defines nothing"
    for name, shape in cell.items():
        assert name in module, f"{chapter}: {file} has no {name}"
        assert shape == module[name], f"{chapter}: {name} differs from {file}"


def test_a_changed_definition_would_be_noticed():
    assert named("def f(x):\n    'doc'\n    return x") == named("def f(x):\n    return x")
    assert named("def f(x):\n    return x") != named("def f(x):\n    return -x")


def test_every_chapter_fits_a_minute_and_binder():
    """As measured when the chapters were stored, and as TEACHING.md shows it."""
    measured = json.loads(run_notebooks.MEASURED.read_text(encoding="utf-8"))
    assert list(measured) == [path.stem for path in PATHS]
    assert all(m["seconds"] <= 60 and m["peak_bytes"] <= 1.5e9 for m in measured.values())
    shown = run_notebooks.TABLE.search(run_notebooks.TEACHING.read_text(encoding="utf-8")).group()
    assert shown == run_notebooks.table(measured)
