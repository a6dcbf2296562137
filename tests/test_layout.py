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
    "config", "cli", "__main__",  # the package's front door
    "train", "generate", "chat", "convert", "verify", "info", "fetch", "plot", "recipes",
    "exercises", "scale",  # one a command
    "align", "align_stages",  # one for all stages
    "linear", "cross_entropy", "adamw",  # small pieces that several chapters teach
    "layernorm", "alternatives", "beam_search",  # what Llama is compared with
    "sampling", "stopping",  # how one token is chosen, and where a text ends
    "decoding", "fused_decoding",  # short ways to one token after others
    "corpus", "files", "bytes", "pieces", "tokenizer",  # text in, ids out
    "sources", "remote", "documents",  # texts that others keep: where, how to ask for them, what is in them
    "batches", "pairs", "schedule", "checkpoint", "device", "metrics", "interruption",
    "runs", "spikes", "tuning", "evaluation",  # around the loop, and that of the stages after it
    "kitchen",  # a world in which two chapters learn from preferences in seconds
    "engine", "progress",  # of the exercises
    "style", "explore", "ladder",  # of the figures
}  # fmt: skip

LAYERS = [
    "config",
    "tales text in_numpy in_torch",
    "train",
    "align",
    "exercises figures cli __main__ commands",
]

# Tests of the house itself; every other test is named after the module or folder that it tests.
HOUSE_TESTS = {
    "browser",
    "chapters",
    "contributing",
    "close_text",
    "golden",
    "imports",
    "layout",
    "mutants",
    "readme",
    "study",
}

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
    belongs = {path.stem, path.parent.name} & {*STEMS, "tales"}  # the world is every chapter's
    assert belongs or path.stem in SHARED, f"{path.name} is neither a chapter's stem nor in SHARED"


def test_the_short_list_has_no_dead_names():
    assert {path.stem for path in modules()} >= SHARED


def test_a_test_file_is_named_after_what_it_tests():
    known = HOUSE_TESTS | {name for path in modules() for name in (path.stem, path.parent.name)}
    known |= {path.stem for path in (ROOT / "tools").glob("*.py")}
    for path in (ROOT / "tests").glob("test_*.py"):
        assert path.stem.removeprefix("test_") in known, f"{path.name}: no module or tool is called so"


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
    "llama", "layer_weights", "block", "attention_layer", "as_model", "pack",
}  # fmt: skip
DIFFERENT_ARGUMENTS = {
    "init_weights",  # NumPy makes a dict from a config, torch fills a module
    "generate",  # a trained model has more ways to choose, and ids that end a text
    "sample",  # top-k and min-p on top of the two that Meta's code has
}
OWN_PRECISION = {"build_table", "build_cache"}  # float64 by hand, float32 in a trained model
DEVICES = {"device"}  # an argument that only torch has


@pytest.mark.parametrize("stem", TWINS)
def test_twins_share_names_arguments_and_defaults(stem):
    ours, theirs = (definitions(PACKAGE / half / f"{stem}.py") for half in ("in_numpy", "in_torch"))
    for name, function in ours.items():
        if name.endswith("_backward") or name in NUMPY_ONLY | DIFFERENT_ARGUMENTS:
            continue
        assert name in theirs, f"in_torch/{stem}.py has no {name}"
        assert signature(function) == signature(theirs[name]), f"{stem}.{name} differs between the halves"


def test_the_twins_exceptions_are_still_needed():
    ours, theirs = {}, {}
    for stem in TWINS:
        ours |= definitions(PACKAGE / "in_numpy" / f"{stem}.py")
        theirs |= definitions(PACKAGE / "in_torch" / f"{stem}.py")
    assert ours.keys() >= NUMPY_ONLY and not theirs.keys() & NUMPY_ONLY
    for name in DIFFERENT_ARGUMENTS | OWN_PRECISION:
        assert ast.unparse(ours[name].args) != ast.unparse(theirs[name].args)


def signature(function: ast.FunctionDef) -> list[tuple[str, str, bool]]:
    """Each argument's name, default and whether it goes by name only; np.float64 is torch.float64."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    found = []
    for arg, default in zip([*positional, *args.kwonlyargs], [*defaults, *args.kw_defaults], strict=True):
        written = re.sub(r"^(np|torch)\.", "", ast.unparse(default)) if default else ""
        if arg.arg == "dtype" and function.name in OWN_PRECISION:
            written = "its own"
        if arg.arg not in DEVICES:
            found.append((arg.arg, written, arg in args.kwonlyargs))
    return found


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


def test_every_folder_of_the_package_is_installed():
    """``data/`` is installed inside the package, so setuptools needs the list, and the list can rot."""
    listed = re.findall(r'^    "(llamalite[\w.]*)",$', (ROOT / "pyproject.toml").read_text(), re.M)
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("*.py")}
    assert set(listed) == folders | {"llamalite.data"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if (path := ROOT / name).is_file()]


def test_no_tracked_text_names_a_path_of_somebodys_machine():
    odd = re.compile(r"/(?:work|root|home/\w+|tmp/\w+)/")
    for path in tracked():
        content = path.read_bytes()
        if b"\0" in content or path == Path(__file__):
            continue  # weights and tokenizers; and this file, which has to name what it forbids
        found = odd.search(content.decode("utf-8"))
        assert not found, f"{path}: {found}"


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


LAUNCHER = re.compile(r"(?:mybinder\.org/v2|colab\.research\.google\.com/github)/[^\s)\"\\]+")


@pytest.mark.parametrize("path", [README, *CHAPTERS.values()], ids=lambda path: path.name)
def test_badges_open_the_chapters_of_this_repository(path):
    """A chapter's badge opens that chapter on Binder, the README's open each, on Colab too."""
    targets = [f"chapters/{p.name}" for p in CHAPTERS.values() if path in (README, p)]
    binder = {f"mybinder.org/v2/gh/{repository()}/main?urlpath=lab/tree/{target}" for target in targets}
    colab = {f"colab.research.google.com/github/{repository()}/blob/main/{target}" for target in targets}
    expected = binder | colab if path == README else binder
    assert set(LAUNCHER.findall(path.read_text(encoding="utf-8"))) == expected
