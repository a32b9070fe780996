"""Scanned pages in an index: found by their words, and read once."""

import sys

import pytest
from PIL import Image as PILImage

import senseweave as sw
from senseweave.media.documents import scans
from senseweave.testing import toy_space


class Engine:
    """Stands in for OCR: gives the same line for every page, and counts the pages."""

    def __init__(self):
        self.pages = 0
        self.found = ["a receipt for three jars of honey " * 40, "total 27 euros"]

    def lines(self, image, seconds=None):
        self.pages += 1
        return self.found, True


@pytest.fixture
def engine(monkeypatch):
    engine = Engine()
    monkeypatch.setattr(scans, "line_reader", lambda: engine)
    monkeypatch.setattr(scans, "is_installed", lambda: True)
    return engine


@pytest.fixture
def folder(tmp_path):
    """A folder with a scan of two pages."""
    (tmp_path / "in").mkdir()
    pages = [PILImage.new("RGB", (400, 300), color) for color in ("white", "yellow")]
    pages[0].save(tmp_path / "in" / "scan.pdf", "PDF", save_all=True, append_images=pages[1:])
    return tmp_path / "in"


def test_a_scan_is_found_by_its_words_and_read_once(engine, folder, tmp_path):
    index = sw.Index(tmp_path / "index", spaces=toy_space())
    report = index.add(folder)
    texts = index.search("honey", k=50, modalities={"text"})
    assert {hit.page for hit in texts} == {1, 2}
    assert len(texts) > 2
    assert all(hit.metadata["ocr"] is True for hit in texts)
    assert report.failed == []
    assert engine.pages == 2
    hit = index.search("total 27 euros", k=1, modalities={"text"})[0]
    assert (hit.source, hit.metadata["ocr"]) == (str(folder / "scan.pdf"), True)

    again = index.add(folder, metadata={"project": "bees"})
    assert (again.added, again.replaced, again.skipped) == (0, 0, len(texts) + 2)
    assert engine.pages == 2
    assert all(hit.metadata["project"] == "bees" for hit in index.search("honey", k=50))


def test_a_page_without_words_is_a_picture_and_no_failure(engine, folder, tmp_path):
    engine.found = []
    report = sw.Index(tmp_path / "index", spaces=toy_space()).add(folder / "scan.pdf")
    assert (report.added, report.failed) == (2, [])


def test_a_space_without_texts_reads_no_words(engine, folder, tmp_path):
    report = sw.Index(tmp_path / "index", spaces=toy_space(modalities=("image",))).add(folder / "scan.pdf")
    assert (report.added, report.failed, engine.pages) == (2, [], 0)


def test_the_report_says_what_is_missing(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    report = sw.Index(tmp_path / "index", spaces=toy_space()).add(folder)
    (notes,) = report.partial.values()
    assert notes == ('pages 1-2 are pictures; to read the words: pip install "senseweave[ocr]"',)
