"""Scanned pages: their words are read by OCR, or a note says what is missing."""

import io
import sys
import zipfile

import numpy as np
import pytest
from pdf_objects import write_pdf
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from senseweave.media import Image, MediaPolicy, Text, collect, split
from senseweave.media.documents import scans
from senseweave.media.reading import ocr
from senseweave.retrieval.records.adding import describe_chunk
from senseweave.retrieval.records.loading import ChunkLoader

LINES = ["Three jars of honey", "Total 27 euros"]


def sheet(*lines: str) -> PILImage.Image:
    """A sheet of paper with some lines."""
    paper = PILImage.new("RGB", (420, 300), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(paper).text((30, 60 + 80 * number), line, fill="black", font=ImageFont.load_default(32))
    return paper


def scan(*sheets: PILImage.Image) -> bytes:
    """A PDF as scanners write it, with a picture on each page."""
    buffer = io.BytesIO()
    sheets[0].save(buffer, "PDF", save_all=True, append_images=sheets[1:], resolution=72)
    return buffer.getvalue()


def page_with(drawn: str, resources: str = "", *objects: str) -> bytes:
    """A PDF of one page with some content."""
    return write_pdf(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Resources << {resources} >> /Contents 4 0 R >>",
            f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
            *objects,
        ],
        "1.4",
    )


def stamped(words: str) -> bytes:
    """A PDF of one page: a picture that fills it, and words over it."""
    return page_with(
        f"q 200 0 0 100 0 0 cm /Im1 Do Q BT /F1 6 Tf 5 5 Td ({words}) Tj ET",
        "/Font << /F1 5 0 R >> /XObject << /Im1 6 0 R >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>"
        "\nstream\n \nendstream",
    )


class Engine:
    """Stands in for the engine: gives the same lines for every page, and counts the pages."""

    def __init__(self, lines=LINES, complete=True):
        self.pages = 0
        self.answer = lines, complete

    def lines(self, image, seconds=None):
        self.pages += 1
        assert image.mode == "RGB"
        assert seconds is not None
        return self.answer


@pytest.fixture
def engine(monkeypatch):
    """Put an engine in the place of the real one."""

    def use(*args, **options):
        engine = Engine(*args, **options)
        monkeypatch.setattr(scans, "line_reader", lambda: engine)
        monkeypatch.setattr(scans, "is_installed", lambda: True)
        return engine

    return use


def test_the_real_engine_reads_a_scanned_page():
    pytest.importorskip("rapidocr")
    first, second, *rest = collect([scan(sheet(*LINES))])
    assert (first.modality, first.page, second.modality, second.page, rest) == ("text", 1, "image", 1, [])
    (passage,) = split(first)
    assert passage.decode().split("\n") == LINES
    assert (passage.page, passage.metadata["ocr"], passage.metadata["file_sha256"]) == (1, True, first.sha256)
    assert passage.mime_type == "application/pdf"


def test_a_page_is_read_once_whoever_asks(engine):
    counted = engine()
    text, image, *others = collect([scan(sheet(*LINES), sheet("another"))])
    assert [item.page for item in (text, image, *others)] == [1, 1, 2, 2]
    assert counted.pages == 0
    assert text.decode() == text.decode() == "\n".join(LINES)
    assert counted.pages == 1


def test_text_open_reads_scanned_pages_as_collect_does(engine):
    engine()
    data = scan(sheet(*LINES), sheet("another"))
    assert Text.open(data).decode() == "\f".join(["\n".join(LINES)] * 2)
    assert [(part.page, part.metadata["ocr"]) for part in split(Text.open(data))] == [(1, True), (2, True)]


def test_pages_with_words_of_their_own_are_not_scans(engine, make):
    counted = engine()
    (passage,) = split(next(iter(collect([make.pdf(["written words"])]))))
    assert passage.decode().strip() == "written words"
    assert "ocr" not in passage.metadata
    blank = list(collect([make.pdf([""])]))
    assert [item.modality for item in blank] == ["image"]
    assert counted.pages == 0


@pytest.mark.parametrize(
    ("words", "is_scan"), [("Page 3 of 10", True), ("What a scanner wrote as a text layer, with many words", False)]
)
def test_few_words_over_a_picture_are_a_stamp(engine, words, is_scan):
    counted = engine(["Page 3 of 10", *LINES])
    (passage,) = split(next(iter(collect([stamped(words)]))))
    assert passage.decode().split("\n") == ([words, *LINES] if is_scan else [words])
    assert passage.metadata.get("ocr", False) is is_scan
    assert counted.pages == is_scan


def test_letters_drawn_as_outlines_are_read_too(engine):
    engine()
    outlines = " ".join(f"{3 * at} 40 m {3 * at + 2} 60 l S" for at in range(60))
    assert [item.modality for item in collect([page_with(outlines)])] == ["text", "image"]
    assert [item.modality for item in collect([page_with("10 40 m 190 40 l S")])] == ["image"]


def test_a_scanned_page_without_words_is_a_picture_alone(engine, make):
    engine([])
    data = scan(PILImage.fromarray(make.picture(200, 100)))
    failed = []
    loaded = list(ChunkLoader(failed.append, verify=True).load([data], lambda chunk: describe_chunk(chunk.media)))
    assert [values["modality"] for _, _, values in loaded] == ["image"]
    assert failed == []


def test_a_note_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    sheets = [sheet("one"), sheet("two"), sheet("three")]
    found = list(collect([scan(*sheets)]))
    assert [item.modality for item in found] == ["image"] * 3
    assert found[0].notes == ('pages 1-3 are pictures; to read the words: pip install "senseweave[ocr]"',)
    (alone,) = collect([scan(sheets[0])])
    assert alone.notes[0].startswith("page 1 is a picture; ")
    loaded = ChunkLoader(pytest.fail).load([scan(sheets[0])], lambda chunk: describe_chunk(chunk.media))
    assert all(values["notes"] == alone.notes[0] for _, _, values in loaded)


def test_an_engine_that_fails_leaves_the_picture_and_a_note(engine, monkeypatch):
    broken = engine()
    monkeypatch.setattr(broken, "lines", lambda image, seconds: 1 / 0)
    text, image = collect([scan(sheet(*LINES))])
    assert text.decode() == ""
    assert image.notes == ("page 1: OCR failed (division by zero)",)


def test_a_page_that_takes_too_long_is_read_in_part_with_a_note():
    pytest.importorskip("rapidocr")
    policy = MediaPolicy(decode_timeout=1e-9)
    text, _ = collect([scan(sheet(*LINES))], policy=policy)
    assert text.decode() == ""
    assert "page 1 was read in part" in text.notes[0]


def test_the_policy_bounds_what_is_drawn_for_ocr(engine):
    counted = engine()
    text, _ = collect([scan(sheet(*LINES))], policy=MediaPolicy(max_pixels=1000))
    assert text.decode() == ""
    assert "max_pixels" in text.notes[0]
    assert counted.pages == 0


def test_a_line_far_too_long_for_words_costs_nothing():
    pytest.importorskip("rapidocr")
    reader = ocr.line_reader()
    rule = np.zeros((4, 2000, 3), np.uint8)
    assert reader._recognize([rule], None) == ([], True)
    assert reader.lines(PILImage.new("RGB", (2000, 1), "white")) == ([], True)


def test_an_attached_scan_is_read(engine):
    engine()
    attached = scan(sheet(*LINES))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("scan.pdf", attached)
    found = list(collect([buffer.getvalue()]))
    assert [(item.modality, item.part_name) for item in found] == [("text", "!/scan.pdf"), ("image", "!/scan.pdf")]
    assert found[0].decode() == "\n".join(LINES)
    assert isinstance(found[1], Image)
