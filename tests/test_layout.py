"""The house rules that a machine can check: stems, layers, the twin contract, sizes, the README's table."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "llamalite"
CHAPTERS = {path.stem[3:]: path for path in sorted((ROOT / "chapters").glob("*.ipynb"))}

# The book's twenty stems, in reading order.
STEMS = [
    "language_model", "tokenization", "attention", "encoder_decoder", "rmsnorm", "rope", "swiglu", "llama",
    "training", "generation", "gqa", "weights", "scaling", "data", "llama3", "parallel", "sft", "rlhf", "dpo",
    "comparison",
]  # fmt: skip

# Modules that belong to no chapter of their own, and why there may be no more of them than these.
SHARED = {
    "config", "cli", "__main__", "anatomy",  # the package's front door
    "linear", "cross_entropy", "adamw",  # small pieces that several chapters teach
    "corpus", "bytes", "pieces", "tokenizer",  # text in, ids out
    "batches", "schedule", "checkpoint", "device", "metrics", "interruption", "runs",  # around the loop
    "engine",  # of the exercises
    "style", "explore", "ladder",  # of the figures
    "first",  # the first tales, until the world replaces them
}  # fmt: skip

LAYERS = [
    "config",
    "tales text in_numpy in_torch",
    "train",
    "align",
    "exercises figures cli __main__ anatomy",
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer.split()}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def definitions(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


# --- stems -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", CHAPTERS)
def test_a_chapter_has_its_module_test_exercises_and_figures(stem):
    assert stem in STEMS
    assert CHAPTERS[stem].name == f"{STEMS.index(stem) + 1:02d}_{stem}.ipynb"
    assert any(
        stem in (path.stem, path.parent.name)
        for path in modules()
        if not {"exercises", "figures"} & set(path.parts)
    )
    for home in (ROOT / "tests" / f"test_{stem}.py", PACKAGE / "exercises" / f"{stem}.py"):
        assert home.is_file(), f"chapter {stem} has no {home.relative_to(ROOT)}"
    assert (PACKAGE / "figures" / f"{stem}.py").is_file()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_belongs_to_a_chapter_or_to_the_short_list(path):
    belongs = {path.stem, path.parent.name} & set(STEMS)
    assert belongs or path.stem in SHARED, f"{path.name} is neither a chapter's stem nor in SHARED"


def test_the_short_list_has_no_dead_names():
    assert {path.stem for path in modules()} >= SHARED


def test_every_module_of_the_two_halves_is_tested_under_its_own_name():
    for half in ("in_numpy", "in_torch"):
        for path in (PACKAGE / half).glob("*.py"):
            if path.stem not in ("__init__", "linear"):  # linear is tested through everything else
                assert (ROOT / "tests" / f"test_{path.stem}.py").is_file(), path


# --- layers ----------------------------------------------------------------------------------------


def imported(path: Path) -> set[str]:
    """First parts under llamalite that a module imports: ``llamalite.in_numpy.rope`` → ``in_numpy``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            assert node.level == 0, f"{path}: relative import"
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("llamalite.")}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_points_upwards(path):
    home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in imported(path):
        assert RANK[other] <= RANK[home], f"{path} imports {other}, which lies above it"
        if {home, other} == {"in_numpy", "in_torch"}:
            pytest.fail(f"{path}: the two halves never see each other")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_init_files_hold_a_docstring_and_nothing_else(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value.value, str)


# --- the twin contract -----------------------------------------------------------------------------

TWINS = sorted(
    {p.stem for p in (PACKAGE / "in_numpy").glob("[a-z]*.py")}
    & {p.stem for p in (PACKAGE / "in_torch").glob("*.py")}
)

# NumPy functions whose twin is a torch function or an nn.Module: softmax is inside SDPA, and so on.
NUMPY_ONLY = {
    "softmax", "sigmoid", "group_queries", "ungroup_queries", "group_keys",
    "llama", "layer_weights", "block", "attention_layer",
}  # fmt: skip
DIFFERENT_ARGUMENTS = {
    "init_weights",  # NumPy makes a dict from a config, torch fills a module
}
DEVICES = {"device"}  # an argument that only torch has


@pytest.mark.parametrize("stem", TWINS)
def test_twins_share_names_arguments_and_defaults(stem):
    ours, theirs = (definitions(PACKAGE / half / f"{stem}.py") for half in ("in_numpy", "in_torch"))
    for name, function in ours.items():
        if name.endswith("_backward") or name in NUMPY_ONLY | DIFFERENT_ARGUMENTS:
            continue
        assert name in theirs, f"in_torch/{stem}.py has no {name}"
        assert signature(function) == signature(theirs[name]), f"{stem}.{name} differs between the halves"


def signature(function: ast.FunctionDef) -> list[tuple[str, str]]:
    """Names and defaults; ``np.float64`` and ``torch.float64`` count as the same default, float32 too."""
    args, defaults = function.args.args, [ast.unparse(d) for d in function.args.defaults]
    padded = [""] * (len(args) - len(defaults)) + defaults
    pairs = [(arg.arg, default) for arg, default in zip(args, padded, strict=True)]
    pairs += [(arg.arg, "") for arg in function.args.kwonlyargs]
    return [
        (name, re.sub(r"^(np|torch)\.float(32|64)$", "float", default))
        for name, default in pairs
        if name not in DEVICES
    ]


# --- sizes and hygiene -----------------------------------------------------------------------------

SOURCES = [
    path for folder in ("llamalite", "tools", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize(
    "path", [*SOURCES, ROOT / "conftest.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_files_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_no_tracked_text_names_a_path_of_somebodys_machine():
    odd = re.compile(r"/(?:work|root|home/\w+|tmp/\w+)/")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".ipynb", ".yml", ".txt", ".json"} and path.is_file():
            text = path.read_text(encoding="utf-8")
            assert path == Path(__file__) or not odd.search(text), f"{path}: {odd.search(text)}"


# --- the README --------------------------------------------------------------------------------------

README = ROOT / "README.md"
ROW = re.compile(r"^\| (\d\d) \| (?:\[(\w+)\]\((chapters/\w+\.ipynb)\)|(\w+)) \|", re.MULTILINE)


def test_the_readmes_table_is_the_book():
    rows = ROW.findall(README.read_text(encoding="utf-8"))
    assert [(number, linked or plain) for number, linked, _, plain in rows] == [
        (f"{i:02d}", stem) for i, stem in enumerate(STEMS, start=1)
    ]
    assert {linked: ROOT / path for _, linked, path, _ in rows if linked} == CHAPTERS


def repository() -> str:
    """The one place that holds the repository's address is pyproject.toml."""
    address = re.search(
        r'^Repository = "https://github.com/([^"]+)"$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    return address.group(1)


@pytest.mark.parametrize("path", [README, *CHAPTERS.values()], ids=lambda path: path.name)
def test_badges_lead_to_this_repository_and_to_files_that_exist(path):
    text = path.read_text(encoding="utf-8")
    binder = re.findall(r"mybinder\.org/v2/gh/([\w-]+/[\w-]+)/main\?urlpath=lab/tree/([\w/.]+)", text)
    colab = re.findall(r"colab\.research\.google\.com/github/([\w-]+/[\w-]+)/blob/main/([\w/.]+)", text)
    assert binder, f"{path.name} has no Binder badge"
    for home, target in binder + colab:
        assert home == repository()
        assert (ROOT / target).is_file()
