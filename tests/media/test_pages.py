"""Pages: all of a TIFF, and all that is written on those of a PDF."""

import io

import numpy as np
import pytest
from pdf_objects import write_pdf
from PIL import Image as PILImage

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect, split


def tiff(make, count: int) -> bytes:
    pages = [PILImage.fromarray(make.picture(40 + number, 30, seed=number)) for number in range(count)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def test_every_page_of_a_tiff_is_a_picture(make):
    data = tiff(make, 3)
    media = list(collect([data]))
    assert [page.page for page in media] == [1, 2, 3]
    for number, page in enumerate(media):
        assert np.array_equal(np.asarray(page.decode()), make.picture(40 + number, 30, seed=number))
    assert [page.page for page in split(Image(data))] == [1, 2, 3]
    assert Image(data).decode().size == (40, 30)
    with pytest.raises(MediaError, match="has no page 4; it has 3"):
        Image(data, page=4).decode()
    (whole,) = collect([tiff(make, 1)])
    assert whole.page is None


def test_the_policy_bounds_the_pages_of_a_tiff(make):
    (error,) = collect([tiff(make, 4)], policy=MediaPolicy(max_pages=3))
    assert isinstance(error, PolicyError)
    assert "max_pages" in error.reason


def form(make) -> bytes:
    """A PDF with a filled text field, a free text and a sticky note."""
    shown = "/Type /XObject /Subtype /Form /BBox [0 0 150 20] /Resources << /Font << /F1 3 0 R >> >>"
    drawn = "/Tx BMC BT /F1 12 Tf 2 5 Td (Filled by Ada) Tj ET EMC"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /DR << /Font << /F1 3 0 R >> >> >> >>",
        "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R "
        "/Annots [6 0 R 8 0 R] >>",
        "<< /Length 47 >>\nstream\nBT /F1 14 Tf 10 170 Td (Name of applicant) Tj ET\nendstream",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Filled by Ada) /Rect [10 100 160 120] /F 4 "
        "/DA (/F1 12 Tf 0 g) /AP << /N 7 0 R >> >>",
        f"<< {shown} /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        "<< /Type /Annot /Subtype /Text /Rect [200 100 220 120] /Contents (please check the date) >>",
    ]
    return write_pdf(objects, "1.7")


def test_a_filled_form_and_remarks_are_words_and_drawn(make):
    data = form(make)
    words = Text.open(data).decode()
    assert "Name of applicant" in words
    assert "Filled by Ada" in words
    assert "please check the date" in words
    page = np.asarray(Image(data, page=1).decode().convert("L"))
    field = page[160:200, 20:320]
    assert (field < 128).sum() > 50


@pytest.mark.parametrize(
    "before", [b"\n\n", b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n", b"\xef\xbb\xbf"]
)
def test_lines_before_a_pdf_do_not_hide_it(make, before):
    data = before + make.pdf(["first words"])
    assert [type(media).__name__ for media in collect([data])] == ["TextFile", "Image"]
    assert "first words" in Text.open(data).decode()


def test_a_text_that_quotes_a_pdf_is_text():
    words = "A PDF begins with a line such as `%PDF-1.4`.\nThen comes 1 0 obj and so on.\n"
    assert Text.open(words.encode()).decode() == words


def test_a_hyphen_at_the_end_of_a_line_joins_its_word(make):
    data = make.pdf(["exam-) Tj 0 -20 Td (ple of words"], size=(200, 100))
    assert Text.open(data).decode().strip() == "example of words"
