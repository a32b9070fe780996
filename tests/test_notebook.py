"""Media, hits and reports show themselves in a notebook, escaped and bounded, at the span that was found."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as PillowImage

import senseweave as sw
from senseweave import notebook
from senseweave.errors import MediaError
from senseweave.retrieval import Index, Report
from senseweave.retrieval.hits import Hits
from senseweave.retrieval.integrity.report import Problem, RepairReport, VerifyReport
from senseweave.testing import sample_files, toy_space

HOSTILE = '<script>alert(1)</script>" onerror="x" \u202etxt & \x1b[2J'


class Page(HTMLParser):
    """The tags with their attributes and the text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def sources(self, tag):
        return [attrs["src"] for name, attrs in self.tags if name == tag]


def data_of(uri):
    head, _, rest = uri.partition(",")
    return head, base64.b64decode(rest.partition("#")[0]), rest.partition("#")[2]


def tone(seconds):
    return (np.sin(np.arange(int(8000 * seconds)) / 5).astype(np.float32), 8000)


def hit(**values):
    given = {"modality": "text", "source": "a.txt", "text": "words", "space": "toy", "calibration": "none"}
    return sw.Hit("id", 1.5, 0.9, **{**given, **values})


def test_an_image_shows_a_small_jpeg(tmp_path):
    PillowImage.new("RGB", (3000, 2000), (200, 30, 30)).save(tmp_path / "large.png")
    (uri,) = Page(sw.Image(tmp_path / "large.png")._repr_html_()).sources("img")
    head, data, _ = data_of(uri)
    picture = PillowImage.open(io.BytesIO(data))
    assert head == "data:image/jpeg;base64"
    assert picture.width * picture.height <= notebook.THUMBNAIL
    assert picture.width / picture.height == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize(("modality", "tag"), [("audio", "audio"), ("video", "video")])
def test_a_recording_and_a_video_play_at_their_span(tmp_path, modality, tag):
    path = sample_files(tmp_path, modality)[0]
    media = {"audio": sw.Audio, "video": sw.Video}[modality](path, span=(0.25, 0.5))
    (uri,) = Page(media._repr_html_()).sources(tag)
    head, data, fragment = data_of(uri)
    assert (data, fragment) == (path.read_bytes(), "t=0.25,0.5")
    assert head == f"data:{media.mime_type};base64"
    assert "#t=" not in type(media)(path)._repr_html_()


def test_a_large_recording_shows_its_span_alone_and_a_large_video_a_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "FILE_BYTES", 10)
    (uri,) = Page(sw.Audio(sample_files(tmp_path, "audio")[0])._repr_html_()).sources("audio")
    assert data_of(uri)[0] == "data:audio/wav;base64"
    page = Page(sw.Video(sample_files(tmp_path, "video")[0])._repr_html_())
    assert [tag for tag, _ in page.tags] == ["img"]


def test_sound_from_memory_plays_at_most_half_a_minute():
    (uri,) = Page(sw.Audio(tone(40))._repr_html_()).sources("audio")
    assert len(data_of(uri)[1]) == pytest.approx(30 * 16_000 * 2, abs=100)


def test_what_cannot_be_read_says_why_and_raises_nothing(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    for media in (sw.Image(tmp_path / "broken.png"), sw.Audio(tmp_path / "gone.wav"), sw.Video(tmp_path / "gone.mp4")):
        assert re.search(r"<em>.*(broken\.png|gone\.wav|gone\.mp4): .+</em>", media._repr_html_())


def test_a_hit_shows_score_place_and_text():
    words = Page(hit(modality="audio", source="/talks/talk.mp3", span=(65.0, 80.0), text="hello")._repr_html_()).words
    assert all(part in words for part in ("1.500", "audio", "/talks/talk.mp3, 1:05.0 to 1:20.0", "hello"))
    assert "page 3" in hit(modality="text", page=3)._repr_html_()


@pytest.mark.parametrize("modality", ["text", "image"])
def test_every_text_is_escaped(tmp_path, modality):
    shown = hit(modality=modality, source=f"/{HOSTILE}.png", text=HOSTILE)._repr_html_()
    report = Report(failed=[MediaError(HOSTILE, HOSTILE)])._repr_html_()
    for html in (shown, report, sw.Text(HOSTILE)._repr_html_(), Hits([hit(text=HOSTILE)])._repr_html_()):
        page = Page(html)
        assert {tag for tag, _ in page.tags} <= {"div", "strong", "code", "em", "ul", "li"}
        assert all(set(attrs) <= {"style"} for _, attrs in page.tags)
        assert "<script>alert(1)</script>" in page.words
        assert "\x1b" not in html
        assert "\u202e" not in html


def test_the_signature_of_an_address_is_not_shown():
    shown = hit(source="https://host/a.png?X-Amz-Signature=abcdef123456")._repr_html_()
    assert "https://host/a.png" in shown
    assert "abcdef123456" not in shown


def test_long_texts_are_cut():
    for html in (sw.Text("word " * 10_000)._repr_html_(), hit(text="word " * 10_000)._repr_html_()):
        assert len(html) < 1000


def test_the_media_of_a_list_are_bounded_and_its_texts_are_all_there(tmp_path, monkeypatch):
    path = sample_files(tmp_path, "audio")[0]
    monkeypatch.setattr(notebook, "BUDGET", int(2.5 * path.stat().st_size))
    hits = Hits([replace(hit(modality="audio", source=str(path)), text=f"number {i}") for i in range(5)])
    page = Page(hits._repr_html_())
    assert len(page.sources("audio")) == 2
    assert all(f"number {i}" in page.words for i in range(5))
    assert page.words.count("too large to show here") == 3
    assert "no hits" in Hits()._repr_html_()


def test_a_search_gives_hits_that_show_themselves_and_are_a_list(tmp_path):
    with Index(tmp_path / "index", spaces=[toy_space()]) as index:
        report = index.add([sw.Text("a dog"), sw.Text("a cat")])
        found = index.search("a dog", k=2)
    assert isinstance(found, list)
    assert found == list(found)
    assert [isinstance(part, Hits) for part in (found, found[:1], found[0])] == [True, True, False]
    assert "a dog" in found._repr_html_()
    assert report._repr_html_() == "<div>2 added, 0 failed</div>"


def test_reports_list_their_problems_and_no_more_than_fit():
    failed = [MediaError(f"{i}.png", "is broken") for i in range(notebook.FAILURES + 3)]
    html = Report(added=2, failed=failed)._repr_html_()
    assert html.count("<li>") == notebook.FAILURES + 1
    assert "0.png: is broken" in html
    assert "and 3 more" in html
    problem = Problem("vector", "is not finite", "starter-text", ["a"])
    assert "is not finite" in VerifyReport("index", problems=[problem])._repr_html_()
    assert "is not finite" in RepairReport("index", lost=[problem])._repr_html_()
