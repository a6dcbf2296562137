"""Open notebooks in a real JupyterLab in headless Chromium, run every cell, move every slider.

    python tools/lab_smoke.py chapters/06_rope.ipynb --shots shots

Needs playwright (from PyPI) and Chromium (from the system). Exit status 0 only if each notebook ran
without an error, a picture changed whenever one of its sliders moved, and the page asked no other machine
for anything. Screenshots and the server's log land in --shots.
"""

import argparse
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect, sync_playwright

CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Clicking Run before the kernel is ready opens a dialog, so we wait for it inside the page.
RUN_ALL = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  const cells = panel.context.model.toJSON().cells.filter(cell => cell.cell_type === 'code');
  return {
    counts: cells.map(cell => cell.execution_count),
    errors: cells.flatMap(cell => cell.outputs).filter(o => o.output_type === 'error').map(o => o.evalue),
  };
}"""
OPENED = "window.jupyterapp?.shell?.currentWidget?.sessionContext"
HANDLE = ".jupyter-widgets .noUi-handle"
MENU = ".jupyter-widgets select"  # of names, where there is nothing to slide along
# JupyterLab takes cells out of the page while they are out of sight; here all stay.
ALL_CELLS_STAY = '{"windowingMode": "none"}'
TRACKER = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"


@contextmanager
def jupyterlab(folder: Path, log: Path) -> Iterator[tuple[str, str]]:
    """A server on ``folder`` with settings of its own: its address and token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
    own = {
        f"JUPYTER{name}_DIR": str(folder / ".lab") for name in ("_CONFIG", "LAB_SETTINGS", "LAB_WORKSPACES")
    }
    settings = folder / ".lab" / TRACKER
    settings.parent.mkdir(parents=True)
    settings.write_text(ALL_CELLS_STAY, encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key != "LLAMALITE_STATIC"} | own
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    with log.open("w") as file:
        server = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT)
        try:
            wait_for(server, f"{url}/api?token={token}", log)
            yield url, token
        finally:
            server.terminate()
            server.wait(30)


def wait_for(server: subprocess.Popen, address: str, log: Path, seconds: int = 60) -> None:
    for _ in range(4 * seconds):
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab stopped; see {log}")
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not answer within {seconds} s; see {log}")


def copy_without_outputs(notebook: Path, folder: Path) -> None:
    """Nothing in the copy can look as if it had run that did not run now."""
    content = nbformat.read(notebook, 4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(content, folder / notebook.name)


def run_notebook(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
    page.wait_for_function(OPENED, timeout=60_000)
    done = page.evaluate(RUN_ALL)
    assert not done["errors"], f"cells failed: {done['errors']}"
    assert all(done["counts"]), f"cells did not run: {done['counts']}"


def move_sliders(page: Page) -> list[str]:
    """Every slider a step to the right, or to the left at its end; each time its picture must change."""
    page.wait_for_selector(f"{HANDLE}, {MENU}", timeout=60_000)
    return [move_slider(page, page.locator(HANDLE).nth(i)) for i in range(page.locator(HANDLE).count())]


def move_slider(page: Page, handle: Locator) -> str:
    box = handle.locator("xpath=ancestor::div[contains(@class, 'widget-vbox')][1]")
    slider = handle.locator("xpath=ancestor::div[contains(@class, 'widget-slider')][1]")
    picture, readout = box.locator("img").first, slider.locator(".widget-readout").first
    handle.scroll_into_view_if_needed()
    expect(picture).to_have_attribute("src", re.compile("."), timeout=60_000)
    before, value = picture.get_attribute("src"), readout.inner_text()
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    if readout.inner_text() == value:
        page.keyboard.press("ArrowLeft")
    # a callback that raises leaves no picture at all, which is not a changed one
    expect(picture).not_to_have_attribute("src", before, timeout=60_000)
    moved = readout.inner_text()
    assert moved != value, "the picture changed, but the slider's number did not"
    return f"{value} → {moved}"


def smoke(notebook: Path, shots: Path) -> None:
    """Everything, for one notebook; an AssertionError or a time-out says what failed."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lab_smoke_") as name, sync_playwright() as playwright:
        copy_without_outputs(notebook, Path(name))
        with jupyterlab(Path(name), shots / "server.log") as (url, token):
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
            page = browser.new_page(viewport={"width": 1200, "height": 1500})
            asked: set[str] = set()
            page.on("request", lambda request: asked.add(request.url))
            run_notebook(page, f"{url}/doc/tree/{notebook.name}?token={token}")
            page.screenshot(path=shots / f"{notebook.stem}_run.png")
            moved = move_sliders(page)
            page.screenshot(path=shots / f"{notebook.stem}_slider.png")
            local = (url, url.replace("http", "ws"), "data:", "blob:")
            others = {address for address in asked if not address.startswith(local)}
            assert not others, f"the page asked other machines: {others}"
            browser.close()
    took = f"{time.perf_counter() - began:.1f} s"
    print(f"{notebook}: all cells ran, sliders redrew ({', '.join(moved)}), {took}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--shots", type=Path, default=Path("shots"), help="folder for screenshots")
    args = parser.parse_args()
    args.shots.mkdir(parents=True, exist_ok=True)
    for notebook in args.notebooks:
        smoke(notebook, args.shots)


if __name__ == "__main__":
    main()
