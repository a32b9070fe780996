"""Documents whose XML is damaged: what can be read is read, and a note says that it may not be all."""

import io
import zipfile

import pytest

from senseweave.media import collect
from tests.media.document_samples import samples

CUT = {
    "docx": ("word/document.xml", b"They fly."),
    "pptx": ("ppt/slides/slide1.xml", b"Bees"),
    "xlsx": ("xl/worksheets/sheet1.xml", b'<row r="2"'),
    "odt": ("content.xml", b"fly."),
    "fb2": (None, b"They fly."),
    "ttml": (None, b"They hum."),
}
"""By kind: the XML that is cut, and behind what."""


def cut(data: bytes, name: str | None, after: bytes) -> bytes:
    if name is None:
        return data[: data.index(after) + len(after)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(buffer, "w") as made:
        for info in whole.infolist():
            inner = whole.read(info)
            made.writestr(info, cut(inner, None, after) if info.filename == name else inner)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", CUT)
def test_damaged_xml_is_read_as_far_as_it_goes_with_a_note(make, kind):
    name, after = CUT[kind]
    text = next(iter(collect([cut(samples(make)[kind], name, after)])))
    assert text.decode().strip()
    (note,) = text.notes
    assert f"{name or 'the XML'} is damaged in line" in note


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "odt", "epub", "fb2", "ttml", "svg"])
def test_whole_documents_have_no_note(make, kind):
    for media in collect([samples(make)[kind]]):
        media.decode()
        assert media.notes == ()


def test_names_of_letters_in_xml_are_no_damage():
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><text>Bees&nbsp;fly</text></svg>'
    text = next(iter(collect([drawing])))
    assert "fly" in text.decode()
    assert text.notes == ()
