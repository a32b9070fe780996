"""The encoding of text files as a caller names it, in the index, the loader and `collect`."""

import io
import zipfile

import pytest

import senseweave as sw
from senseweave.media import collect
from senseweave.retrieval.records.adding import describe_chunk
from senseweave.retrieval.records.loading import ChunkLoader
from senseweave.testing import toy_space

READ = "äöü 5 €"


@pytest.fixture
def folder(tmp_path):
    """A note, a page and a note in an archive in ISO 8859-15, a note in UTF-16 with its mark, and a PDF."""
    (tmp_path / "in").mkdir()
    data = READ.encode("iso8859-15")
    (tmp_path / "in" / "note.txt").write_bytes(data)
    (tmp_path / "in" / "page.html").write_bytes(b"<html><body><p>" + data + b"</p></body></html>")
    (tmp_path / "in" / "marked.txt").write_bytes(READ.encode("utf-16"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.txt", data)
    (tmp_path / "in" / "old.zip").write_bytes(packed.getvalue())
    return tmp_path / "in"


def test_an_index_takes_the_encoding_of_its_files(folder, tmp_path):
    index = sw.Index(tmp_path / "index", spaces=toy_space())
    index.add(folder, encoding="iso8859-15")
    hits = index.search("a", k=9, modalities={"text"})
    assert len(hits) == 1  # the same words in four files
    assert hits[0].text == READ
    assert len(hits[0].sources) == 4
    with pytest.raises(ValueError, match="encoding 'latin-99' is unknown"):
        index.add(folder, encoding="latin-99")


def test_collect_and_the_loader_take_it_too(folder):
    assert {media.decode().strip() for media in collect(folder, encoding="iso8859-15")} == {READ}
    assert {media.decode().strip() for media in collect(folder)} != {READ}
    loaded = ChunkLoader(pytest.fail, encoding="iso8859-15").load(folder, lambda chunk: describe_chunk(chunk.media))
    assert {text.strip() for _, text, _ in loaded} == {READ}
    with pytest.raises(ValueError, match="unknown"):
        ChunkLoader(pytest.fail, encoding="latin-99")


def test_only_what_is_written_in_it_says_so(make_pdf, folder):
    (folder / "a.pdf").write_bytes(make_pdf)
    chosen = {
        media.source.rpartition(".")[2]: [part.metadata.get("encoding") for part in sw.media.split(media)]
        for media in collect(folder, encoding="iso8859-15")
        if media.modality == "text"
    }
    assert chosen["pdf"] == [None]
    assert chosen["html"] == ["iso8859-15"]


@pytest.fixture
def make_pdf():
    from pdf_objects import write_pdf

    drawn = "BT /F1 18 Tf 10 40 Td (words) Tj ET"
    return write_pdf(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Resources << /Font << /F1 3 0 R >> >> "
            "/Contents 5 0 R >>",
            f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        ],
        "1.4",
    )
