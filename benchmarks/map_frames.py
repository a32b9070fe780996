"""Frames a second of a map while it is moved and zoomed, in headless Chromium.

    python benchmarks/map_frames.py                       # 100,000 points
    python benchmarks/map_frames.py --points 20000 --seconds 3

The page is the one that `index.map("map.html")` writes, with made places and texts, so that nothing is embedded and
nothing placed. Chromium without a head and without a GPU draws WebGL on the processor (SwiftShader): a screen with a
GPU is quicker. Frames are counted by the browser's own clock while real mouse events move and zoom the map, and a
script keeps asking for the next frame; what is measured is how many it draws and how long the longest took.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import sync_playwright

from senseweave.explore.map.page import Column, write_page

WIDTH, HEIGHT = 1280, 800
SPREAD: Final = 0.06
"""Standard deviation of a group's places on a map from -1 to 1."""
GROUPS: Final = 40
WORDS: Final = ("dog", "snow", "harbor", "violin", "bread", "train", "garden", "lamp", "river", "letter")
COUNT: Final = """() => {
    window.times = [];
    const tick = (now) => { window.times.push(now); window.counting = requestAnimationFrame(tick); };
    window.counting = requestAnimationFrame(tick);
}"""
TAKE: Final = "() => { cancelAnimationFrame(window.counting); return window.times; }"


def make_page(points: int, seed: int = 0) -> str:
    """Return a map of some points in groups, with a text of 200 characters each."""
    random = np.random.default_rng(seed)
    centers = random.uniform(-0.85, 0.85, (GROUPS, 2))
    groups = random.integers(0, GROUPS, points)
    places = np.clip(centers[groups] + random.normal(scale=SPREAD, size=(points, 2)), -1, 1).astype(np.float32)
    chosen = random.integers(0, len(WORDS), (points, 33))
    texts = [" ".join(WORDS[word] for word in row) for row in chosen]
    kinds = ["text", "image", "audio", "video"]
    columns: list[Column] = [
        {"title": "modality", "names": kinds, "codes": random.integers(0, 4, points).tolist()},
        {"title": "cluster", "names": [f"group {at}" for at in range(GROUPS)], "codes": groups.tolist()},
    ]
    titles = [f"file-{at}.txt" for at in range(points)]
    return write_page("A map", places, columns, titles, texts, {}, f"{points} contents")


def pan(page: Any) -> None:
    """Drag the map in a circle."""
    page.mouse.move(WIDTH / 2, HEIGHT / 2)
    page.mouse.down()
    for step in range(40):
        angle = step * 2 * np.pi / 40
        page.mouse.move(WIDTH / 2 + 150 * np.sin(angle), HEIGHT / 2 + 150 * (1 - np.cos(angle)) / 2)
    page.mouse.up()


def zoom(page: Any) -> None:
    """Zoom in eightfold and out again."""
    page.mouse.move(WIDTH / 2 + 100, HEIGHT / 2)
    for step in range(40):
        page.mouse.wheel(0, -40 if step < 20 else 40)


def hover(page: Any) -> None:
    """Move the pointer over the points, whose cards open."""
    for step in range(40):
        page.mouse.move(320 + 20 * step, HEIGHT / 2 + 100 * np.sin(step))


def measure(page: Any, act: Callable[[Any], None], seconds: float) -> tuple[float, float]:
    """Return frames a second and the longest frame in milliseconds while something is done over and over."""
    page.evaluate(COUNT)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act(page)
    times = page.evaluate(TAKE)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return 1000 / statistics.mean(gaps), max(gaps)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each kind of movement")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        place = Path(folder) / "map.html"
        place.write_text(make_page(asked.points), encoding="utf-8")
        arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = started.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        began = time.monotonic()
        page.goto(place.as_uri())
        page.locator("#count", has_text="contents").wait_for()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        size = place.stat().st_size / 1e6
        print(f"{asked.points:,} points, {size:.1f} MB, shown after {time.monotonic() - began:.1f} s")
        drawn = page.evaluate("() => document.getElementById('map').getContext('webgl') ? 'WebGL' : 'canvas'")
        print(f"Chromium {browser.version}, headless, {WIDTH} x {HEIGHT}, drawn by {drawn}")
        print("\n| while | frames a second | longest frame, ms |\n| --- | --- | --- |")
        for act in (pan, zoom, hover):
            rate, longest = measure(page, act, asked.seconds)
            print(f"| {act.__name__} | {rate:.0f} | {longest:.0f} |")
        began = time.monotonic()
        page.locator("#find").fill("file-777")
        page.locator("#count", has_text=" of ").wait_for()
        print(f"\na search in the page answers after {(time.monotonic() - began) * 1000:.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
