"""A library that is not installed fails the files that need it, and nothing else."""

import io
import sys
import zipfile

import pytest

from senseweave.errors import MissingReaderError
from senseweave.media import Image, Text
from senseweave.media.documents.html import HTMLReader
from senseweave.retrieval import Index
from senseweave.retrieval.records.loading import ChunkLoader
from senseweave.stores import Memory


def package(*names):
    """A package with files of these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in names:
            made.writestr(name, "<x/>")
    return buffer.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
LIBRARIES = {
    "lxml": ("report.docx", "documents", package("word/document.xml")),
    "openpyxl": ("sheets.xlsx", "documents", package("xl/workbook.xml")),
    "xlrd": ("old.xls", "documents", OLE + "Workbook\0".encode("utf-16-le")),
    "olefile": ("mail.msg", "documents", OLE + "__properties_version1.0\0".encode("utf-16-le")),
    "striprtf": ("letter.rtf", "documents", b"{\\rtf1 words}"),
    "pypdfium2": ("report.pdf", "documents", b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"),
    "pillow_heif": ("phone.heic", "heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)),
    "resiliparse": ("page.html", "documents", b"<html><body><p>tomatoes</p></body></html>"),
}


@pytest.fixture
def folder(tmp_path, write_picture, monkeypatch):
    """A folder of readable files and of files whose readers are not installed."""
    given = tmp_path / "given"
    given.mkdir()
    (given / "long.txt").write_text("tomatoes need water and sun. " * 60)
    write_picture(given / "red.png", "red")
    for library, (name, _, content) in LIBRARIES.items():
        (given / name).write_bytes(content)
        for module in [library, *(name for name in list(sys.modules) if name.startswith(f"{library}."))]:
            monkeypatch.setitem(sys.modules, module, None)
    return given


def check(failed):
    reasons = {error.source.rpartition("/")[2]: error.reason for error in failed}
    assert sorted(reasons) == sorted(name for name, _, _ in LIBRARIES.values())
    for library, (name, extra, _) in LIBRARIES.items():
        assert f'needs {library}, which is not installed; try: pip install "senseweave[{extra}]"' in reasons[name]
    assert all(isinstance(error, MissingReaderError) for error in failed)


def test_an_index_lists_them_and_adds_the_rest(folder, tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        report = index.add(folder)
        check(report.failed)
        assert {name.rpartition("/")[2] for name in index.sources()} == {"long.txt", "red.png"}


def test_a_loader_leaves_them_out_and_loads_the_rest(folder):
    failed = []
    loader = ChunkLoader(failed.append, "skip", verify=True)
    assert set(loader.load(folder, lambda chunk: chunk.media.modality)) == {"text", "image"}
    check(failed)


def test_a_space_reports_them_and_embeds_the_rest(folder, space):
    media = [Text("tomatoes"), Text.open(folder / "page.html"), Image(folder / "phone.heic")]
    batches = [space.encode(media[:2], on_error="skip"), space.encode(media[2:], on_error="skip")]
    assert [batch.kept for batch in batches] == [[0], []]
    assert all(isinstance(batch.failed[0], MissingReaderError) for batch in batches)
    with pytest.raises(MissingReaderError, match="pip install"):
        space.encode(media[:2])


@pytest.mark.parametrize("method", ["text", "pages_with_text"])
def test_a_reader_of_another_package_that_lacks_a_library_fails_its_files_alone(method, tmp_path, space, monkeypatch):
    def lacking(*_):
        raise ImportError("recipes need cookbook; try: pip install cookbook")

    monkeypatch.setattr(HTMLReader, method, lacking)
    (tmp_path / "a.html").write_bytes(b"<html><body><p>tomatoes</p></body></html>")
    (tmp_path / "b.txt").write_text("tomatoes need water and sun")
    index = Index(Memory(), spaces=[space])
    report = index.add(tmp_path)
    assert (report.added, [error.reason for error in report.failed]) == (
        1,
        ["recipes need cookbook; try: pip install cookbook"],
    )
    assert isinstance(report.failed[0], MissingReaderError)
