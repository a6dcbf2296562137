"""The book as people meet it, in a real browser: chapters in JupyterLab, and the pages of the web book.

Needs Chromium and skips without it (`apt install chromium`); `make test-browser` runs these tests alone.
"""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import build_book
import lab_smoke
import pytest
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
CHAPTERS = ["05_rmsnorm", "06_rope", "07_swiglu", "03_attention", "11_gqa"]  # quick ones, with sliders
pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs Chromium: apt install chromium"
)


@pytest.mark.parametrize("stem", CHAPTERS)
def test_a_chapter_runs_in_jupyterlab_and_its_sliders_move_its_pictures(stem, tmp_path, capsys):
    lab_smoke.smoke(ROOT / "chapters" / f"{stem}.ipynb", tmp_path)
    assert "all cells ran, sliders redrew" in capsys.readouterr().out


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def book(tmp_path):
    """The address of the freshly built web book."""
    assert build_book.build(tmp_path) == 0, "Sphinx had something to say; it stands above"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "html")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_web_book_needs_nobody_else(book):
    """Every chapter's page: no console error, no request elsewhere, mathematics drawn, and search finds."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=lab_smoke.CHROMIUM
        )
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(f"{page.url}: {m.text}") if m.type == "error" else 0)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("request", lambda r: None if local(r.url, book) else complaints.append(f"asked {r.url}"))
        page.route(lambda url: not local(url, book), lambda route: route.abort())
        for path in build_book.chapters().values():
            look_at(page, f"{book}/chapters/{path.stem}.html")
        page.goto(f"{book}/index.html")
        assert "Llama 1, 2 and 3" in page.inner_text("article")
        page.goto(f"{book}/api/llamalite.in_torch.rope.html")
        assert "apply_rope" in page.inner_text("article")
        page.goto(f"{book}/search.html?q=RoPE")
        page.wait_for_selector("#search-results li a", timeout=30_000)
        assert any("06 · RoPE" in found for found in page.locator("#search-results li").all_inner_texts())
        fits_a_phone(browser.new_page(viewport={"width": 390, "height": 844}), book)
        assert not complaints, complaints
        browser.close()


def local(url: str, book: str) -> bool:
    return url.startswith((book, "data:", "blob:"))


def look_at(page: Page, address: str) -> None:
    page.goto(address)
    pictures = page.locator("article img")
    assert pictures.count() and pictures.first.evaluate("i => i.complete && i.naturalWidth > 0"), address
    if page.locator("article .math").count():
        page.wait_for_selector("article mjx-container svg", timeout=30_000, state="attached")
        assert not page.locator("article mjx-merror").count(), f"{address}: a formula cannot be read"


def fits_a_phone(page: Page, book: str) -> None:
    for name in ("index", f"chapters/{CHAPTERS[1]}"):
        page.goto(f"{book}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
