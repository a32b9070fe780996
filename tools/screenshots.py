"""Take the pictures of the page in docs/images: the sample corpus in a server, seen by Chromium.

    python tools/screenshots.py

It needs playwright, Chromium (Debian: apt-get install chromium) and the extras `starter` and `serve`.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "tests"))

from loopback_server import running  # noqa: E402

import senseweave as sw  # noqa: E402
from senseweave.demo.corpus import corpus_folder  # noqa: E402
from senseweave.serving.app import create_app  # noqa: E402
from senseweave.serving.settings import ServeSettings  # noqa: E402

WIDE, NARROW = {"width": 1200, "height": 800}, {"width": 390, "height": 780}


def search(page: Any, words: str) -> None:
    """Search for words, and wait until the pictures on the screen are there."""
    page.locator("#query").fill(words)
    page.locator("#query").press("Enter")
    page.locator("#status", has_text="hit").wait_for()
    page.locator("#query").blur()
    page.wait_for_timeout(1500)


def take(
    browser: Any, url: str, name: str, *, size: dict[str, int] = WIDE, scheme: str = "light", words: str = ""
) -> None:
    """Take a picture of the page after a search."""
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.locator("#status", has_text="record").wait_for()
    if name == "serve-error":
        page.route("**/api/search", lambda route: route.abort())
        page.locator("#query").fill("a dog in the snow")
        page.locator("#query").press("Enter")
        page.locator("#error").wait_for()
    elif words:
        search(page, words)
    if name == "serve-players":
        for modality in ("text", "image"):
            page.locator(f"#modalities input[value={modality}]").uncheck()
        page.wait_for_timeout(2000)
    page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=80)
    context.close()


def main() -> None:
    """Serve the sample corpus and take all pictures."""
    with tempfile.TemporaryDirectory() as folder, sw.Index(Path(folder) / "index") as index:
        index.add([corpus_folder() / kind for kind in ("texts", "images", "audio", "video")])
        settings = ServeSettings(read_only=True)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        with running(create_app(index, settings), settings) as url, sync_playwright() as started:
            browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take(browser, url, "serve-empty")
            take(browser, url, "serve-results", words="a dog in the snow")
            take(browser, url, "serve-players", words="when is the polar bear fed")
            take(browser, url, "serve-error")
            take(browser, url, "serve-dark", scheme="dark", words="a cup of coffee")
            take(browser, url, "serve-narrow", size=NARROW, words="a dog in the snow")
            browser.close()


if __name__ == "__main__":
    main()
