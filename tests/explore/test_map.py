"""The map of an index: one page that needs nothing else and obeys no document, and a picture."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.explore.map.page import json_in_html, write_page
from senseweave.explore.map.previews import make_previews
from senseweave.retrieval import Index


class Page(HTMLParser):
    """The elements of a page, with the contents of its scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.contents, self.inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag if tag in ("script", "style") else None
        if self.inside:
            self.contents.append([tag, dict(attributes).get("type"), ""])

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.contents[-1][2] += data

    @property
    def data(self):
        return json.loads(next(text for _, kind, text in self.contents if kind == "application/json"))


@pytest.fixture
def page(index, tmp_path):
    """The page of an index, with what `map` returned."""
    made = index.map(tmp_path / "map.html")
    return Page((tmp_path / "map.html").read_text(encoding="utf-8")), made


def test_a_page_holds_every_content_with_its_place_text_and_preview(page, index):
    shown, made = page
    assert made.points == shown.data["count"] == len(index) == 8
    places = np.frombuffer(base64.b64decode(shown.data["places"]), "<f4").reshape(-1, 2)
    assert np.isfinite(places).all()
    assert np.abs(places).max() == pytest.approx(1)
    assert set(shown.data["titles"]) >= {"red.png", "garden.txt", "low.wav, 0 to 2 s"}
    assert "tomatoes need water and sun" in shown.data["texts"]
    by_title = {shown.data["titles"][int(at)]: uri for at, uri in shown.data["previews"].items()}
    assert by_title["red.png"].startswith("data:image/jpeg;base64,")
    assert by_title["low.wav, 0 to 2 s"].startswith("data:audio/ogg;base64,")
    assert "garden.txt" not in by_title
    assert shown.data["summary"] == "8 contents: 4 text, 3 image, 1 audio"


def test_a_page_is_colored_by_modality_cluster_and_metadata(page, index, tmp_path):
    columns = {column["title"]: column for column in page[0].data["columns"]}
    assert list(columns) == ["modality", "cluster", "year"]
    assert columns["modality"]["names"] == ["text", "image", "audio"]
    year = columns["year"]
    at = page[0].data["titles"].index("red.png")
    assert year["names"][year["codes"][at]] == "2021"
    index.map(tmp_path / "year.html", color="year")
    assert Page((tmp_path / "year.html").read_text()).data["columns"][0]["title"] == "year"
    with pytest.raises(ValueError, match="color must be one of modality, cluster, year, not 'size'"):
        index.map(tmp_path / "size.html", color="size")


def test_a_page_loads_nothing_and_runs_only_its_own_script(page):
    shown, _ = page
    policy = next(values["content"] for tag, values in shown.elements if values.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        (own,) = [text for kind, type_, text in shown.contents if kind == tag and type_ is None]
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    for tag, values in shown.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base"), tag
        assert not {"src", "href", "onload", "onerror", "onclick"} & set(values), (tag, values)
    script = next(text for kind, type_, text in shown.contents if kind == "script" and type_ is None)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|import\(", script)


HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> {{script}} \u202e & \u2028"


def test_what_documents_say_is_shown_and_never_run(tmp_path, space, index):
    safe = Page((index.map(tmp_path / "safe.html").path).read_text(encoding="utf-8"))
    with Index(tmp_path / "hostile", spaces=[space]) as hostile:
        hostile.add(sw.Text(HOSTILE, metadata={HOSTILE: HOSTILE, "kind": HOSTILE}))
        hostile.add(sw.Text("another", metadata={HOSTILE: "other", "kind": "other"}))
        hostile.map(tmp_path / "hostile.html", title=HOSTILE)
    shown = Page((tmp_path / "hostile.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in shown.elements] == [tag for tag, _ in safe.elements]
    text = next(text for text in shown.data["texts"] if "alert(1)" in text)
    assert text.startswith("</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> {{script}}")
    assert "\u202e" not in text
    kinds = next(column for column in shown.data["columns"] if column["title"] == "kind")
    assert len(kinds["names"]) == 2


def test_json_in_a_page_has_no_sign_that_ends_its_element():
    text = json_in_html({"a": HOSTILE})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": HOSTILE}


def test_previews_keep_within_their_bound_and_are_spread_over_all(tmp_path, space):
    random = np.random.default_rng(0)
    with Index(tmp_path / "many", spaces=[space]) as index:
        pictures = [sw.Image(PillowImage.fromarray(random.integers(0, 255, (90, 120, 3), np.uint8))) for _ in range(3)]
        index.add(pictures)
        records = list(index.records())
    assert make_previews(records, 10**6) == {}  # decoded objects, of which an index keeps no copy


def test_a_page_without_previews_and_a_bounded_page(index, tmp_path):
    index.map(tmp_path / "none.html", previews=0)
    assert Page((tmp_path / "none.html").read_text()).data["previews"] == {}
    records = list(index.records())
    everything = make_previews(records, 10**7)
    assert {records[at].modality for at in everything} == {"image", "audio"}
    bound = 6000
    some = make_previews(records, bound)
    assert 0 < len(some) < len(everything)
    assert sum(map(len, some.values())) <= bound


def test_a_picture_shows_the_points_in_their_colors(index, tmp_path):
    made = index.map(tmp_path / "map.png", color="modality", title="All of it")
    with PillowImage.open(tmp_path / "map.png") as image:
        assert image.size == (1600, 1200)
        colors = {color for count, color in image.convert("RGB").getcolors(2**24) if count > 80}
    assert {(0x3B, 0x7D, 0xD8), (0xE0, 0x70, 0x2E), (0x2F, 0x9E, 0x5B)} <= colors
    assert made.path == tmp_path / "map.png"


def test_a_map_says_how_well_modalities_mix(page):
    before, balanced, placed = page[1].mixing
    assert all(0 <= value <= 2 for value in (before, balanced, placed))


def test_wrong_names_and_empty_indexes_are_refused(index, tmp_path, space):
    with pytest.raises(ValueError, match=r"end its name in .html or .png, not 'map.pdf'"):
        index.map(tmp_path / "map.pdf")
    with pytest.raises(ValueError, match="nothing to draw"):
        index.map(tmp_path / "map.html", filter={"year": 1900})
    assert not (tmp_path / "map.html").exists()


def test_a_page_of_many_points_is_small():
    count = 20_000
    column = {"title": "modality", "names": ["text"], "codes": [0] * count}
    page = write_page("many", np.zeros((count, 2)), [column], ["name"] * count, ["text"] * count, {}, "many")
    assert len(page) < 1_000_000
