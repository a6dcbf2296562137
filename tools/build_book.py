"""Build the web book: every chapter as it is stored, a page for every module, search, offline mathematics.

    python tools/build_book.py                 # build/book/html/index.html
    python tools/build_book.py --out site      # elsewhere

Nothing is run and no other machine is asked, neither now nor by the pages. A warning is an error. Sphinx
reads a folder that is laid out for it here: the README's beginning, the chapters, and pages written from
the docstrings by parsing the files, so that nothing of the package is imported.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "llamalite"
PARTS = {
    "I. What is to be learnt": range(1, 3),
    "II. The parts of a Llama": range(3, 9),
    "III. A Llama that works": range(9, 13),
    "IV. How big, and on what": range(13, 17),
    "V. What we prefer": range(17, 20),
    "VI. Three generations": range(20, 21),
}
CSS = """/* wide tables scroll by themselves on a phone */
.bd-article table { display: block; overflow-x: auto; }
"""

# A llama's ears and neck, on the blue of the figures.
FAVICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6"
fill="#0072B2"/><path d="M10 28V9l1-6 3 4h4l3-4 1 6v5h4v5h-6v9z" fill="#fff"/></svg>
"""

# --- pages -------------------------------------------------------------------------------------------------


def chapters() -> dict[int, Path]:
    return {int(path.name[:2]): path for path in sorted((ROOT / "chapters").glob("*.ipynb"))}


def index(parts: dict[str, range], found: dict[int, Path]) -> str:
    """The README down to its table, and the contents."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = readme[: readme.index("## `llamalite` in ten commands")]
    elsewhere = r"(?<!!)(\[[^\]]*\])\(((?:data|tools|llamalite|tests)/[^)]*|[\w-]+\.md)\)"  # no page here
    text = re.sub(elsewhere, rf"\1({repository()}/blob/main/\2)", text)
    for caption, numbers in parts.items():
        pages = [f"chapters/{found[n].stem}" for n in numbers if n in found]
        if pages:
            text += toctree(caption, pages)
    return text + toctree("Reference", ["api/index"])


def toctree(caption: str, pages: Sequence[str]) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])


def repository() -> str:
    """The one place that holds the address is pyproject.toml."""
    return re.search(r'^Repository = "([^"]+)"$', (ROOT / "pyproject.toml").read_text(), re.M).group(1)


def api_pages() -> dict[str, str]:
    """Page name → Markdown, for every module that has something public in it, and one that lists them."""
    pages: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem not in ("__init__", "__main__"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            pages[name] = module_page(name, ast.parse(path.read_text(encoding="utf-8")))
    legend = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
    lines = ["# Every module", "", *markdown(legend), ""]
    pages["index"] = "\n".join(lines) + toctree("Modules", list(pages)).replace(":hidden:\n", "")
    return pages


def module_page(name: str, tree: ast.Module) -> str:
    lines = [f"# {name}", "", *markdown(ast.get_docstring(tree) or ""), ""]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            lines += definition(node, level=2)
    return "\n".join(lines)


def definition(node: ast.FunctionDef | ast.ClassDef, level: int) -> Iterator[str]:
    """Heading, signature, docstring; of a class, its fields and its own methods that have a docstring."""
    yield from [f"{'#' * level} {node.name}", "", "```python", signature(node), "```", ""]
    yield from markdown(ast.get_docstring(node) or "")
    yield ""
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and ast.get_docstring(inner):
                yield from definition(inner, level + 1)


def signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    """As it stands in the file, without the body: a function's first lines, a class's fields."""
    if isinstance(node, ast.ClassDef):
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        fields = [f"    {ast.unparse(each)}" for each in node.body if isinstance(each, ast.AnnAssign)]
        return "\n".join([f"class {node.name}{bases}:", *fields]) if fields else f"class {node.name}{bases}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    arguments = ast.unparse(node.args)
    if len(arguments) + len(returns) > 80:
        arguments = "\n    " + ",\n    ".join(separate(node.args)) + ",\n"
    return f"def {node.name}({arguments}){returns}"


def separate(args: ast.arguments) -> list[str]:
    """Every argument with its annotation and default, by parsing the signature one by one."""
    whole, parts, depth, last = ast.unparse(args), [], 0, 0
    for i, letter in enumerate(whole):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0 and whole[:i].count("'") % 2 == 0:
            parts.append(whole[last:i].strip())
            last = i + 1
    return [*parts, whole[last:].strip()]


def markdown(docstring: str) -> list[str]:
    """Paragraphs as they are, with single backticks; what is indented or an example becomes code.

    >>> markdown("Adds ``x``.\\n\\n>>> f(1)\\n2\\n\\nEnd.")
    ['Adds `x`.', '', '```python', '>>> f(1)', '2', '```', '', 'End.']
    """
    out: list[str] = []
    for paragraph in docstring.split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        if not any(line.strip() for line in lines):
            continue
        if lines[0].startswith((" ", ">>>")) or all(line.startswith(" ") for line in lines):
            out += ["```python" if ">>>" in paragraph else "```", *dedented(lines), "```"]
        else:
            out += prose_and_examples(lines)
        out.append("")
    return out[:-1]


def prose_and_examples(lines: list[str]) -> list[str]:
    """A paragraph that ends in an indented list keeps it as it is written."""
    first = next((i for i, line in enumerate(lines) if line.startswith(" ")), len(lines))
    text = [escaped(line) for line in lines[:first]]
    rest = lines[first:]
    return text + (["", "```", *dedented(rest), "```"] if rest else [])


def dedented(lines: list[str]) -> list[str]:
    least = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[least:] for line in lines]


def escaped(line: str) -> str:
    """RST's code marks to Markdown's; what would be markup elsewhere is kept as text."""
    parts = line.split("``")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*_<>\[\]$|#])", r"\\\1", parts[i])
    return "".join(part if i % 2 == 0 else f"`{part}`" for i, part in enumerate(parts))


# --- the build ---------------------------------------------------------------------------------------------


def lay_out(source: Path) -> None:
    """Everything that Sphinx is to read, in one folder."""
    shutil.rmtree(source, ignore_errors=True)
    for folder in ("chapters", "api", "_static"):
        (source / folder).mkdir(parents=True)
    for path in chapters().values():
        shutil.copy(path, source / "chapters")
    for name, text in api_pages().items():
        (source / "api" / f"{name}.md").write_text(text, encoding="utf-8")
    (source / "index.md").write_text(index(PARTS, chapters()), encoding="utf-8")
    for name, text in {"book.css": CSS, "favicon.svg": FAVICON}.items():
        (source / "_static" / name).write_text(text, encoding="utf-8")
    shutil.copy(mathjax(), source / "_static")
    (source / "tools" / "book").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "book" / "chapters.png", source / "tools" / "book")
    shutil.copy(ROOT / "tools" / "book" / "conf.py", source)


def mathjax() -> Path:
    """MathJax as one file, out of a package that brings it along."""
    (path,) = (f for f in files("sphinx-mathjax-offline") or [] if f.name == "tex-svg.js")
    return Path(path.locate())


def build(out: Path) -> int:
    source, pages = out / "source", out / "html"
    lay_out(source)
    environment = os.environ | {"LLAMALITE_REPOSITORY": repository()}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", source, pages]
    done = subprocess.run([*map(str, command)], env=environment)
    if done.returncode == 0:
        print(f"{len(list(pages.rglob('*.html')))} pages: {pages / 'index.html'}")
    return done.returncode


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "book", help="folder (default: build/book)"
    )
    return build(parser.parse_args().out)


if __name__ == "__main__":
    raise SystemExit(main())
