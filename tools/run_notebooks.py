"""Run notebooks from top to bottom and store their outputs, so that a second run changes nothing.

    python tools/run_notebooks.py chapters/*.ipynb           # run and store
    python tools/run_notebooks.py --check chapters/*.ipynb   # run nothing; exit 1 if one is not canonical
    python tools/run_notebooks.py --measure chapters/*.ipynb # also keep seconds and peak memory of each

Canonical: stable cell ids, no timings, no widget states, no memory addresses, the same metadata on
every machine. A cell that fails stops the run, and its notebook stays as it was.

Memory is that of the kernel and of all processes that it starts, at its highest. ``--measure`` writes
tools/book/chapters.json, and from it the table in TEACHING.md.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbformat import NotebookNode

MEASURED = Path(__file__).parent / "book" / "chapters.json"
TEACHING = Path(__file__).parent.parent / "TEACHING.md"
TABLE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end of measured -->)", re.DOTALL)

SETTINGS = {  # of the kernels, which inherit them
    "LLAMALITE_STATIC": "1",  # sliders show one ordinary picture
    "OMP_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTHONHASHSEED": "0",
}
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MACHINE_DEPENDENT = (
    (re.compile(r"\bat 0x[0-9a-fA-F]+"), "at <address>"),
    (re.compile(r"\S*ipykernel_\d+/\d+\.py"), "<cell>"),
)


class Watch(threading.Thread):
    """How much memory this process's children and theirs have together, at the highest."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.ended = 0, threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self.ended.wait(0.1):
            self.peak = max(self.peak, sum(map(resident, me.children(recursive=True))))

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.join()


def resident(process: psutil.Process) -> int:
    """Bytes of a process in memory; none, if it has just gone."""
    try:
        # A page that several processes share counts once among them, where the system tells (Linux).
        return getattr(process.memory_full_info(), "pss", None) or process.memory_info().rss
    except psutil.Error:
        return 0


def run(notebook: NotebookNode, folder: Path) -> None:
    """Execute every cell in ``folder``; raises ``CellExecutionError`` at the first that fails."""
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        skip_cells_with_tag="nbval-skip",
        resources={"metadata": {"path": str(folder)}},
    ).execute()


def make_canonical(notebook: NotebookNode, stem: str) -> NotebookNode:
    """Remove, in place, whatever differs between machines and between runs."""
    notebook.metadata = METADATA
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        if cell.get("id") in seen or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell.get("id", "")):
            cell["id"] = f"{stem}-{number:03d}"
        seen.add(cell["id"])
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        for output in cell.get("outputs", []):
            clean_output(output)
    return notebook


def clean_output(output: NotebookNode) -> None:
    if output.output_type in ("display_data", "execute_result"):
        output.metadata = {}
        output.data.pop("application/vnd.jupyter.widget-view+json", None)  # it points at a dead kernel
    for holder in (output, output.get("data", {})):
        for key, value in holder.items():
            if isinstance(value, str) and not key.startswith("image/"):
                for pattern, replacement in MACHINE_DEPENDENT:
                    value = pattern.sub(replacement, value)
                holder[key] = value


def canonical_text(path: Path) -> str:
    """What the file would hold if only its form were put right."""
    return as_text(make_canonical(nbformat.read(path, as_version=4), path.stem))


def as_text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook) + "\n"


def refresh(path: Path) -> dict[str, float]:
    """Run one notebook and store it, if anything in it has changed; seconds, and bytes at the highest."""
    began, before = time.perf_counter(), path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    with Watch() as watch:
        run(notebook, path.parent)
    after = as_text(make_canonical(notebook, path.stem))
    if after != before:
        path.write_text(after, encoding="utf-8")
    changed = "stored" if after != before else "unchanged"
    seconds = time.perf_counter() - began
    print(f"{path}: {seconds:.1f} s, {watch.peak / 1e9:.2f} GB, {changed}", flush=True)
    return {"seconds": round(seconds, 1), "peak_bytes": watch.peak}


def table(measured: dict[str, dict[str, float]]) -> str:
    """Seconds and memory of every chapter in Markdown, as TEACHING.md shows them."""
    rows = [f"| {name} | {m['seconds']:.0f} | {m['peak_bytes'] / 1e9:.2f} |" for name, m in measured.items()]
    total = sum(m["seconds"] for m in measured.values()) / 60
    return "\n".join(
        ["| chapter | seconds | GB |", "|---|---|---|", *rows, f"| all | {total:.1f} min | |", ""]
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="run nothing; say which files are not canonical")
    parser.add_argument("--measure", action="store_true", help="keep seconds and peak memory of each")
    parser.add_argument("notebooks", nargs="+", type=Path)
    args = parser.parse_args()
    if args.check:
        odd = [path for path in args.notebooks if canonical_text(path) != path.read_text(encoding="utf-8")]
        for path in odd:
            print(f"{path} is not canonical; store it with: python tools/run_notebooks.py {path}")
        return 1 if odd else 0
    os.environ.update(SETTINGS)
    found = {path.stem: refresh(path) for path in args.notebooks}
    if args.measure:
        known = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
        measured = dict(sorted((known | found).items()))
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        text = TEACHING.read_text(encoding="utf-8")
        TEACHING.write_text(TABLE.sub(lambda _: table(measured), text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
