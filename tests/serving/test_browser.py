"""The page in a real browser: Debian's Chromium, headless."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_server import running
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.serving.app import create_app
from senseweave.serving.settings import ServeSettings
from senseweave.testing import toy_space

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt-get install chromium)"),
]
SEVERE = ("serious", "critical")
STATUS = "the server responded with a status of"
"""What the browser notes of an error that a test asks for; it is no fault of the page."""
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script> dogs & <b>cats</b>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[str]:
    """A server of files of every modality and of a text that is markup."""
    with sw.Index(tmp_path_factory.mktemp("browsed") / "index", spaces=[toy_space()]) as index:
        index.add([files, sw.Text(HOSTILE, source="<b>hostile</b>")])
        settings = ServeSettings(read_only=True)
        with running(create_app(index, settings), settings) as address:
            yield address


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """The page, of which no script may fail and which may ask nobody but its server."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "console", lambda said: faults.append(said.text) if said.type == "error" and STATUS not in said.text else None
    )
    opened.on("request", lambda asked: None if asked.url.startswith((url, "blob:")) else faults.append(asked.url))
    opened.goto(url)
    opened.locator("#status", has_text="records of").wait_for()
    yield opened
    context.close()
    assert faults == []


def search(page: Any, words: str) -> None:
    page.locator("#query").fill(words)
    page.locator("#query").press("Enter")
    page.locator("#status", has_text="hit").wait_for()


def test_a_search_shows_cards_with_pictures_and_players(page: Any) -> None:
    search(page, "dogs in the yard")
    cards = page.locator(".card")
    assert cards.count() > 4
    assert page.locator(".card audio").count() >= 1
    assert page.locator(".card video").count() >= 1
    picture = page.locator(".card a > img").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle())
    assert "dogs" in page.locator("mark").all_inner_texts()[0].lower()
    assert page.url.endswith("?q=dogs+in+the+yard")


def test_a_player_starts_at_the_span(page: Any) -> None:
    search(page, "x")
    sources = page.locator(".card audio").evaluate_all("players => players.map((player) => player.src)")
    assert all("/original#t=" in source for source in sources)
    playing = """player => new Promise((done, fail) => {
        player.muted = true;
        player.addEventListener("timeupdate", () => player.currentTime > 0 && done(player.duration));
        player.addEventListener("error", () => fail(player.error.message));
        player.play().catch(fail);
    })"""
    assert page.locator(".card audio").first.evaluate(playing) > 0


def test_markup_in_documents_is_shown_and_not_run(page: Any) -> None:
    search(page, HOSTILE)
    assert HOSTILE in page.locator(".card .text").all_inner_texts()
    assert page.title() == "senseweave"
    assert page.locator(".card script, .card b b, .card img[src=x]").count() == 0


def test_a_picture_that_is_attached_finds_itself(page: Any, files: Path) -> None:
    picture = next(files.glob("*.png"))
    page.locator("#file").set_input_files(picture)
    page.locator("#status", has_text="hit").wait_for()
    assert page.locator("#parts li span").all_inner_texts() == [picture.name]
    assert page.locator(".card h2").first.inner_text() == picture.name
    page.locator("#parts button").click()
    page.locator("#status", has_text="records of").wait_for()


def test_a_picture_that_is_dropped_finds_itself(page: Any, files: Path) -> None:
    picture = next(files.glob("*.png"))
    dropped = page.evaluate_handle(
        """async ([name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            return data;
        }""",
        [picture.name, list(picture.read_bytes())],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    page.locator("#status", has_text="hit").wait_for()
    assert page.locator(".card h2").first.inner_text() == picture.name


def test_filters_narrow_the_results(page: Any) -> None:
    search(page, "x")
    for modality in ("text", "audio", "video"):
        page.locator(f"#modalities input[value={modality}]").uncheck()
    page.wait_for_function("""() => {
        const kinds = [...document.querySelectorAll(".card .place")].map((place) => place.textContent);
        return kinds.length && kinds.every((kind) => kind.startsWith("image"));
    }""")
    page.locator("#until").fill("2001-01-01")
    page.locator("#status", has_text="Nothing found").wait_for()


def test_options_are_sent_with_the_search(page: Any) -> None:
    assert not page.locator("#reranked").is_visible(), "the server was started without a reranker"
    search(page, "x")
    page.locator("summary").click()
    for act, sent in (
        (lambda: page.locator("#varied").check(), '"diversity":0.5'),
        (lambda: page.locator("#fusion").select_option("rrf"), '"fusion":"rrf"'),
        (lambda: page.locator("#words").check(), '"words":true'),
        (lambda: page.locator("#group").check(), '"group":true'),
        (lambda: (page.locator("#least").fill("1e6"), page.locator("#least").blur()), '"min_score":1000000'),
    ):
        with page.expect_request("**/api/search") as asked:
            act()
        assert sent in (asked.value.post_data or "")
    page.locator("#status", has_text="Nothing found").wait_for()


def test_more_like_this_searches_by_the_hit(page: Any) -> None:
    search(page, "x")
    card = page.locator(".card", has=page.locator("a > img")).first
    name = card.locator("h2").inner_text()
    card.locator(".like").click()
    page.locator("#parts", has_text=f"like {name}").wait_for()
    page.locator("#status", has_text="hit").wait_for()
    assert page.locator("#query").input_value() == ""


def test_keys_move_through_the_hits(page: Any) -> None:
    search(page, "x")
    page.locator("#query").evaluate("box => box.blur()")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.card')[0]")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.card')[1]")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.card')[0]")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.press("Escape")
    page.locator("#status", has_text="records of").wait_for()


def test_copies_and_groups_are_shown_and_lead_to_searches(page: Any) -> None:
    groups = {"groups": [{"modality": "text", "kind": "near", "best": copy("<b>one.txt"), "others": [copy("two.txt")]}]}
    page.route("**/api/duplicates", lambda route: route.fulfill(json=groups))
    page.locator("[data-view=duplicates]").click()
    page.locator("#status", has_text="1 group of copies").wait_for()
    assert page.locator(".members button").all_inner_texts() == ["<b>one.txt", "two.txt"]
    clusters = {
        "clusters": [{"name": "dogs yard", "modalities": {"text": 2}, "records": [copy("a.txt") | {"id": "x"}]}],
        "outliers": [copy("alone.txt") | {"id": "y"}],
    }
    page.route("**/api/clusters?*", lambda route: route.fulfill(json=clusters))
    page.locator("[data-view=clusters]").click()
    page.locator(".card h2", has_text="dogs yard").wait_for()
    assert page.locator(".card", has_text="Far from everything").locator("button").all_inner_texts() == ["alone.txt"]
    with page.expect_request("**/api/search") as asked:
        page.locator(".members button", has_text="a.txt").click()
    assert '"like":"x"' in (asked.value.post_data or "")
    page.locator("#error").wait_for()  # there is no such record


def copy(source: str) -> dict[str, Any]:
    return {"source": source, "ids": ["x"], "score": 0.9}


def test_an_error_of_the_server_is_shown(page: Any) -> None:
    page.route(
        "**/api/search", lambda route: route.fulfill(status=503, json={"error": {"message": "the disk is full"}})
    )
    page.locator("#query").fill("x")
    page.locator("#query").press("Enter")
    page.locator("#error", has_text="the disk is full").wait_for()
    page.unroute("**/api/search")


@pytest.mark.parametrize("state", ["empty", "results", "parts", "options", "login"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_with_disabilities_out(page: Any, url: str, files: Path, state: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)
    if state == "results":
        search(page, "dogs")
    elif state == "parts":
        page.locator("#file").set_input_files(next(files.glob("*.png")))
        page.locator("#status", has_text="hit").wait_for()
    elif state == "options":
        page.locator("summary").click()
    elif state == "login":
        page.goto(f"{url}/login")
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["impact"]) for each in found if each["impact"] in SEVERE] == []


def test_a_narrow_screen_needs_no_scrolling_to_the_side(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    search(page, "dogs")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_person_signs_in_with_the_token(browser: Any, tmp_path: Path) -> None:
    PillowImage.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    with sw.Index(tmp_path / "index", spaces=[toy_space()]) as index:
        index.add(tmp_path / "red.png")
        settings = ServeSettings(token="only-for-this-test-1234", read_only=True)
        with running(create_app(index, settings), settings) as address:
            opened = browser.new_context().new_page()
            opened.goto(address)
            assert opened.url.endswith("/login")
            opened.locator("#token").fill("another-token-12345")
            opened.locator("button").click()
            opened.locator("[role=alert]").wait_for()
            opened.locator("#token").fill("only-for-this-test-1234")
            opened.locator("button").click()
            opened.locator("#status", has_text="1 record").wait_for()
            opened.context.close()
