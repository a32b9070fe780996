"""The map in a real browser: what is drawn, found and shown."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from senseweave.explore.map.page import Column, write_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt-get install chromium)"),
]
BLUE, ORANGE = (0x3B, 0x7D, 0xD8), (0xE0, 0x70, 0x2E)
WAYS = {"WebGL": ["--enable-unsafe-swiftshader"], "canvas": ["--disable-3d-apis"]}
"""How the map is drawn, and what Chromium is started with so that it draws it so."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """What starts Chromium."""
    with playwright.sync_playwright() as started:
        yield started.chromium


@pytest.fixture(scope="module", params=WAYS)
def page(request: pytest.FixtureRequest, chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A map of a text on the left and a picture on the right."""
    places = np.array([[-0.9, 0], [0.9, 0]], np.float32)
    columns: list[Column] = [{"title": "modality", "names": ["text", "image"], "codes": [0, 1]}]
    texts = ["a dog in the snow", "a red boat"]
    file = tmp_path_factory.mktemp("map") / "map.html"
    file.write_text(write_page("A map", places, columns, ["dog.txt", "boat.png"], texts, {}, "2 contents"))
    browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *WAYS[request.param]])
    opened = browser.new_page(viewport={"width": 1000, "height": 600}, color_scheme="light")
    opened.set_default_timeout(30_000)
    opened.goto(file.as_uri())
    made = opened.evaluate("() => document.getElementById('map').getContext('webgl') ? 'WebGL' : 'canvas'")
    assert made == request.param
    yield opened
    browser.close()


def places(page: Any, color: tuple[int, int, int]) -> np.ndarray:
    """Return where pixels of about a color are on the screen right of the panel, shape (n, 2)."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    pixels = np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    pixels[:, :260] = 255
    # A point is drawn at 215 of 255 over white.
    expected = np.array(color) * 215 / 255 + 255 - 215
    rows, columns = np.nonzero(np.abs(pixels - expected).max(axis=2) < 25)
    return np.column_stack([columns, rows])


def test_points_stand_where_they_belong_in_the_colors_of_their_groups(page: Any) -> None:
    blue, orange = places(page, BLUE), places(page, ORANGE)
    assert len(blue) > 9
    assert len(orange) > 9
    assert blue[:, 0].max() < orange[:, 0].min()
    assert np.ptp(blue, axis=0).max() < 16, "a point is small and round"


def test_what_is_not_searched_for_fades(page: Any) -> None:
    page.locator("#find").fill("RED boat")
    page.locator("#count", has_text="1 of").wait_for()
    assert len(places(page, BLUE)) == 0
    assert len(places(page, ORANGE)) > 9
    page.locator("#find").fill("dog.txt")
    page.locator("#count", has_text="1 of").wait_for()
    assert len(places(page, BLUE)) > 9
    page.locator("#find").fill("")
    page.wait_for_function("() => !document.getElementById('count').textContent.includes(' of ')")


def test_a_map_is_zoomed_and_moved(page: Any) -> None:
    before = places(page, ORANGE).mean(axis=0)
    page.mouse.move(620, 300)
    page.mouse.wheel(0, 200)
    after = places(page, ORANGE).mean(axis=0)
    assert 0 < after[0] - 620 < before[0] - 620
    page.mouse.down()
    page.mouse.move(620, 400, steps=4)
    page.mouse.up()
    assert places(page, ORANGE).mean(axis=0)[1] == pytest.approx(after[1] + 100, abs=3)


def test_a_point_shows_its_card(page: Any) -> None:
    x, y = places(page, ORANGE).mean(axis=0)
    page.mouse.move(x, y)
    page.locator("#card", has_text="a red boat").wait_for()


SLOW_FRAMES = """
    const next = window.requestAnimationFrame.bind(window);
    let clock = 0;
    window.requestAnimationFrame = (draw) => next(() => draw(clock += 40));
    window.counts = [];
    const draw = WebGLRenderingContext.prototype.drawArrays;
    WebGLRenderingContext.prototype.drawArrays = function (kind, first, count) {
        window.counts.push(count);
        draw.call(this, kind, first, count);
    };
"""


def test_a_large_map_whose_frames_come_slowly_is_thinned_while_it_moves(chromium: Any, tmp_path: Path) -> None:
    count = 40_000
    places = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)
    columns: list[Column] = [{"title": "modality", "names": ["text"], "codes": [0] * count}]
    file = tmp_path / "map.html"
    file.write_text(write_page("A map", places, columns, ["a"] * count, ["b"] * count, {}, "contents"))
    browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *WAYS["WebGL"]])
    opened = browser.new_page()
    opened.set_default_timeout(30_000)
    opened.add_init_script(SLOW_FRAMES)
    opened.goto(file.as_uri())
    opened.mouse.move(600, 300)
    for _ in range(8):
        opened.mouse.wheel(0, 40)
    opened.wait_for_function(f"() => Math.min(...counts) < {count} && counts.at(-1) === {count}")
    assert opened.evaluate("() => Math.min(...counts)") >= 10_000
    assert opened.evaluate("() => document.getElementById('map').getContext('webgl').getError()") == 0
    browser.close()
