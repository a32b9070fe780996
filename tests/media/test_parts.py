"""Files inside files: the pictures of documents, with the document as their source."""

import io
import pickle
import zipfile

import pypdfium2
import pytest

from senseweave.errors import MediaError, PartError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect, split
from senseweave.media.base import local_path, source_name


@pytest.fixture
def report(make, write_docx):
    """A Word document with a heading, a sentence, a picture, and a picture that nothing reads."""
    return write_docx("report.docx", ["# Costs", "We bought bees."], pictures=[make.image(make.picture())])


def test_a_picture_in_a_document_is_media_of_its_own(make, report):
    text, picture = collect(report)
    assert (text.modality, picture.modality) == ("text", "image")
    assert picture.part_name == "!/word/media/image1.png"
    assert picture.mime_type == "image/png"
    assert source_name(picture) == source_name(text) == report
    assert picture.source == f"{report}!/word/media/image1.png"
    assert local_path(picture) is None
    assert picture.sha256 == Image(make.image(make.picture())).sha256
    assert picture.decode().size == (64, 48)


def test_the_words_of_a_part_have_its_source_and_are_stored_under_the_file_around_it(monkeypatch, tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("bees.txt", "The bees fly. " * 20)
    monkeypatch.chdir(tmp_path)
    (text,) = collect("notes.zip")
    passages = list(split(text, characters=50))
    assert len(passages) > 1
    assert {passage.source for passage in passages} == {text.source} == {"notes.zip!/bees.txt"}
    assert {passage.part_name for passage in passages} == {"!/bees.txt"}
    assert {source_name(passage) for passage in passages} == {str(tmp_path / "notes.zip")}


def test_a_part_is_read_again_from_its_source_and_name(report):
    picture = list(collect(report))[1]
    again = Image(report, part=picture.part_name)
    assert again == picture
    assert again != Image(report, part="word/media/image2.png")
    assert Image(report, part="word/media/image1.png") == picture
    assert pickle.loads(pickle.dumps(picture)).decode() == again.decode()
    assert repr(picture).startswith("Image('")


@pytest.mark.parametrize("part", ["word/media/nothing.png", "../secret", "/etc/passwd", "word/media/image1.png!/x"])
def test_a_part_that_is_not_there_is_an_error_that_names_it(report, part):
    with pytest.raises(MediaError, match=r"holds no file|no document reader"):
        Image(report, part=part).decode()


def test_an_empty_part_name_is_an_error(report):
    with pytest.raises(MediaError, match="part must name a file"):
        Image(report, part="")


def test_a_picture_has_no_parts(make, saved):
    with pytest.raises(MediaError, match="which no document reader reads"):
        Image(saved("a.png", make.image(make.picture())), part="b.png").decode()


def test_a_part_that_cannot_be_read_is_an_error_beside_the_rest(write_docx):
    found = list(
        collect(write_docx("a.docx", ["words"], files={"word/media/image9.wmf": b"\xd7\xcd\xc6\x9a" + bytes(60)}))
    )
    assert found[0].decode() == "words"
    assert isinstance(found[1], PartError)
    assert "image9.wmf" in str(found[1])


def test_a_document_of_pictures_alone_gives_no_empty_text(make, write_docx):
    (picture,) = collect(write_docx("a.docx", [], pictures=[make.image(make.picture())]))
    assert picture.modality == "image"


def test_the_policy_limits_parts_and_their_depth(make, write_docx):
    path = write_docx("a.docx", ["words"], pictures=[make.image(make.picture())])
    few = list(collect(path, policy=MediaPolicy(max_parts=3)))
    assert [type(found) for found in few] == [PolicyError]
    assert "max_parts" in str(few[0])
    with pytest.raises(PolicyError, match="max_depth"):
        Image(path, part="a!/b!/c", policy=MediaPolicy(max_depth=2))


def test_a_part_of_another_type_than_allowed_is_refused(make, write_docx):
    path = write_docx("a.docx", ["words"], pictures=[make.image(make.picture())])
    found = list(collect(path, policy=MediaPolicy(mime_types=("application/*",))))
    assert [type(each) for each in found] == [Text.open(path).__class__, PolicyError]


def test_files_attached_to_a_pdf_are_media_of_their_own(make):
    document = pypdfium2.PdfDocument(make.pdf(["an invoice"]))
    for name, data in (("höney.png", make.image(make.picture())), ("items.csv", b"item,price\nwax,2\n")):
        document.new_attachment(name).set_data(data)
    buffer = io.BytesIO()
    document.save(buffer)
    found = list(collect(buffer.getvalue()))
    assert [(media.modality, media.page, media.part_name) for media in found] == [
        ("text", 1, None),
        ("image", 1, None),
        ("image", None, "!/höney.png"),
        ("text", None, "!/items.csv"),
    ]
    assert found[2].decode().size == (64, 48)
    assert found[3].decode() == "item,price\nwax,2\n"
    with pytest.raises(MediaError, match="holds no file"):
        Text.open(buffer.getvalue(), part="nothing.txt").decode()
