"""Pictures inside documents in an index: found as pictures, read again from the document, gone with it."""

import io
import shutil
import zipfile

import docx
import pytest

from senseweave.retrieval import Index


@pytest.fixture
def write_report(tmp_path, write_picture):
    """Write a Word document with words and pictures of some colors."""

    def write(name, words, *colors):
        document = docx.Document()
        document.add_heading("Results", 1)
        document.add_paragraph(words)
        for shade, color in enumerate(colors):
            document.add_picture(io.BytesIO(write_picture(tmp_path / "inside.png", color, shade).read_bytes()))
        path = tmp_path / "reports" / name
        path.parent.mkdir(exist_ok=True)
        document.save(path)
        return path

    return write


@pytest.fixture
def index(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as made:
        yield made


def test_a_picture_in_a_document_is_found_and_read_again(index, write_report):
    path = write_report("a.docx", "The bees fly.", "red", "blue")
    report = index.add(path)
    assert (report.added, report.failed) == (3, [])
    hit = index.search("red", modalities={"image"}, k=1)[0]
    assert (hit.source, hit.part, hit.mime_type) == (str(path), "!/word/media/image1.png", "image/png")
    assert hit.media.decode().getpixel((4, 4)) == (220, 30, 30)
    blue = index.search("blue", modalities={"image"}, k=1)[0]
    assert blue.media.decode().getpixel((4, 4)) == (30, 30, 220)
    assert index.search("bees", modalities={"text"}, k=1)[0].text == "Results\n\nThe bees fly."
    assert index.verify(sources=True).problems == []


def test_what_is_unchanged_is_skipped_and_what_changed_is_replaced(index, write_report):
    path = write_report("a.docx", "The bees fly.", "red", "blue")
    index.add(path)
    again = index.add(path)
    assert (again.added, again.replaced) == (0, 0)
    write_report("a.docx", "The bees fly.", "red")
    changed = index.add(path)
    assert changed.replaced >= 1
    assert [hit.part for hit in index.search("blue", modalities={"image"})] == ["!/word/media/image1.png"]
    index.delete(sources=path)
    assert len(index) == 0


def test_a_picture_stands_for_the_same_picture_beside_the_document(index, write_report, write_picture, tmp_path):
    path = write_report("a.docx", "The bees fly.", "red")
    lone = write_picture(tmp_path / "lone.png", "red")
    index.add([path, lone])
    (hit,) = index.search("red", modalities={"image"})
    assert set(hit.sources) == {str(path), str(lone)}
    first, second = hit.sources
    (path if hit.source == str(path) else lone).unlink()
    assert first == hit.source
    assert hit.media.decode().getpixel((4, 4)) == (220, 30, 30)
    assert hit.media.part_name == ("!/word/media/image1.png" if second == str(path) else None)


def test_a_document_given_as_bytes_has_no_pictures_to_read_again(index, write_report):
    index.add(write_report("a.docx", "The bees fly.", "red").read_bytes())
    (hit,) = index.search("red", modalities={"image"})
    with pytest.raises(Exception, match="keeps no copy"):
        _ = hit.media


def test_documents_that_are_gone_take_their_pictures_with_them(index, write_report):
    path = write_report("a.docx", "The bees fly.", "red")
    write_report("b.docx", "The dogs bark.", "blue")
    index.add(path.parent)
    path.unlink()
    assert index.add(path.parent, sync=True).deleted == 2
    assert {hit.source for hit in index.search("red", k=9)} == {str(path.with_name("b.docx"))}


def test_a_moved_document_keeps_its_pictures(index, write_report, tmp_path):
    path = write_report("a.docx", "The bees fly.", "red")
    index.add(path)
    moved = shutil.move(path, tmp_path / "moved.docx")
    index.add(moved)
    (hit,) = index.search("red", modalities={"image"})
    assert hit.source == str(moved)
    assert hit.media.decode().getpixel((4, 4)) == (220, 30, 30)


def test_a_passage_of_a_transcript_plays_the_recording_beside_it(index, write_sound, tmp_path):
    (tmp_path / "talks").mkdir()
    write_sound(tmp_path / "talks" / "talk.wav", ["low", "high", "low"])
    (tmp_path / "talks" / "talk.srt").write_text(
        "1\n00:00:00,000 --> 00:00:02,000\nthe bees fly\n\n2\n00:00:02,000 --> 00:00:04,000\nthe dogs bark "
        + "x" * 1500
    )
    index.add(tmp_path / "talks" / "talk.srt")
    hit = index.search("bees", modalities={"text"}, k=1)[0]
    assert hit.span == (0.0, 2.0)
    assert hit.recording.source == str(tmp_path / "talks" / "talk.wav")
    assert hit.recording.span == (0.0, 2.0)
    assert hit.media.span == (0.0, 2.0)
    assert index.verify(sources=True).ok


def test_a_part_that_cannot_be_read_is_listed_and_the_document_is_indexed(index, write_report):
    path = write_report("a.docx", "The bees fly.", "red")
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("word/media/image9.wmf", b"\xd7\xcd\xc6\x9a" + bytes(60))
    for given in (path, path.parent):
        report = index.add(given)
        assert [error.source for error in report.failed] == [f"{path}!/word/media/image9.wmf"]
    report = index.add(path, on_error="raise")
    assert "Windows metafile" in report.failed[0].reason
    assert len(index) == 2
