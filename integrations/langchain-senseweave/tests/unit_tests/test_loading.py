"""Behaviour of MediaLoader and MediaParser."""

from __future__ import annotations

import copy
import json
from itertools import islice

import pytest
from langchain_core.documents.base import Blob

from langchain_senseweave import MediaLoader, MediaParser, media_from_document
from senseweave import MediaError, MediaPolicy
from senseweave.media.kinds import picture_text


def test_a_folder_gives_a_document_per_piece(tmp_path, red_png, tone_wav, clip_mp4):
    (tmp_path / "note.txt").write_text("A note about the sea.")
    documents = MediaLoader(tmp_path, seconds=1.0).load()
    found = [(document.metadata["modality"], document.metadata.get("start")) for document in documents]
    assert found == [("video", 0.0), ("video", 1.0), ("text", None), ("image", None)] + [
        ("audio", float(start)) for start in range(3)
    ]
    assert documents[2].page_content == "A note about the sea."


def test_metadata_is_flat_and_json(red_png, tone_wav):
    for document in MediaLoader([red_png, tone_wav]).load():
        assert json.loads(json.dumps(document.metadata)) == document.metadata
        assert all(isinstance(value, str | int | float | bool) for value in document.metadata.values())
        assert {"source", "modality", "mime_type", "sha256"} <= set(document.metadata)
        assert document.id


def test_no_document_holds_base64(red_png, tone_wav, clip_mp4):
    for document in MediaLoader([red_png, tone_wav, clip_mp4]).load():
        assert len(document.page_content) < 300


def test_long_text_gives_passages_that_together_are_the_text(tmp_path):
    text = "\n\n".join(f"Paragraph {i} says something about number {i}." for i in range(40))
    (tmp_path / "long.txt").write_text(text)
    documents = MediaLoader(tmp_path / "long.txt", characters=200).load()
    assert len(documents) > 5
    assert "".join(document.page_content for document in documents) == text
    assert {document.metadata["source"] for document in documents} == {str(tmp_path / "long.txt")}
    assert len({document.id for document in documents}) == len(documents)


def test_loading_is_lazy(red_png):
    loader = MediaLoader([*[red_png] * 40, "missing.png"])
    assert len(list(islice(loader.lazy_load(), 3))) == 3
    with pytest.raises(MediaError, match=r"missing\.png"):
        loader.load()


async def test_async_loading_gives_the_same_documents(red_png, tone_wav):
    loader = MediaLoader([red_png, tone_wav], seconds=1.0)
    assert await loader.aload() == loader.load()


def test_what_cannot_be_read_is_left_out_with_a_warning_when_asked(red_png, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(red_png.read_bytes()[:40])
    with pytest.warns(UserWarning, match="left out"):
        documents = MediaLoader([red_png, tmp_path / "missing.png"], on_error="skip").load()
    assert [document.metadata["source"] for document in documents] == [str(red_png)]


def test_what_cannot_be_described_is_left_out_with_a_warning_when_asked(embeddings, red_png, tone_wav, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(red_png.read_bytes()[:60])
    paths = [red_png, broken, tone_wav]
    with pytest.warns(UserWarning, match=r"left out: .*broken\.png: ") as warned:
        documents = MediaLoader(paths, embeddings=embeddings, on_error="skip").load()
    assert len(warned) == 1
    assert [document.metadata["source"] for document in documents] == [str(red_png), str(tone_wav)]
    with pytest.raises(MediaError, match=r"broken\.png"):
        MediaLoader(paths, embeddings=embeddings).load()


@pytest.mark.parametrize("describe", [None, False])
def test_what_was_cut_short_is_left_out_though_nothing_is_described(embeddings, red_png, tone_wav, tmp_path, describe):
    broken = tmp_path / "broken.png"
    broken.write_bytes(red_png.read_bytes()[:60])
    options = {} if describe is None else {"embeddings": embeddings, "describe": False}
    with pytest.warns(UserWarning, match=r"left out: .*broken\.png: "):
        documents = MediaLoader([red_png, broken, tone_wav], on_error="skip", **options).load()
    assert [document.metadata["source"] for document in documents] == [str(red_png), str(tone_wav)]


def test_a_relative_path_gives_the_same_documents_as_the_absolute_one(red_png, tmp_path, monkeypatch):
    (tmp_path / "long.txt").write_text("The sea is wide. " * 200)
    monkeypatch.chdir(tmp_path)
    relative, absolute = (
        MediaLoader(given).load() for given in (["long.txt", "red.png"], [tmp_path / "long.txt", red_png])
    )
    assert {document.metadata["source"] for document in relative} == {str(tmp_path / "long.txt"), str(red_png)}
    assert relative == absolute


def test_the_policy_holds(red_png, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    for options in ({"root": inside}, {"policy": MediaPolicy(root=inside)}):
        with pytest.raises(MediaError, match="root"):
            MediaLoader(red_png, **options).load()


def test_contradictory_options_are_refused():
    with pytest.raises(ValueError, match="either policy or root"):
        MediaParser(policy=MediaPolicy(), network=True)
    with pytest.raises(ValueError, match="on_error"):
        MediaParser(on_error="ignore")


def test_a_blob_by_path_and_its_file_give_the_same_document(red_png):
    (document,) = MediaParser().parse(Blob.from_path(red_png))
    (loaded,) = MediaLoader(red_png).load()
    assert document == loaded


def test_a_blob_in_memory_keeps_its_source_and_metadata(red_png):
    blob = Blob.from_data(red_png.read_bytes(), metadata={"source": "mail/attachment-1", "sender": "Ann"})
    (document,) = MediaParser().parse(blob)
    assert document.metadata["source"] == "mail/attachment-1"
    assert document.metadata["sender"] == "Ann"
    assert document.metadata["modality"] == "image"


def test_the_modality_of_a_file_is_detected_from_its_content_not_its_name(red_png, tmp_path):
    disguised = tmp_path / "photo.txt"
    disguised.write_bytes(red_png.read_bytes())
    (document,) = MediaLoader(disguised).load()
    assert document.metadata["modality"] == "image"


def test_the_pieces_can_be_read_again_from_the_documents(tone_wav):
    documents = MediaLoader(tone_wav, seconds=1.0).load()
    assert [media_from_document(document).decode().samples.size for document in documents] == [8000] * 3


@pytest.fixture
def mixed_folder(tmp_path, red_png):
    """A folder with a picture, a cut picture and a Thumbs.db."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.png").write_bytes(red_png.read_bytes())
    (folder / "cut.png").write_bytes(red_png.read_bytes()[:60])
    (folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    return folder


def test_files_met_in_a_folder_are_listed_with_a_warning_that_counts_them(mixed_folder):
    loader = MediaLoader([mixed_folder])
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"2 inputs were left out: .*Thumbs\.db: .*cut\.png: "):
            (document,) = loader.load()
        assert document.metadata["source"] == str(mixed_folder / "good.png")
        assert [error.source for error in loader.failed] == [
            str(mixed_folder / "Thumbs.db"),
            str(mixed_folder / "cut.png"),
        ]
    assert copy.deepcopy(loader).failed is not loader.failed


@pytest.mark.parametrize("name", ["Thumbs.db", "cut.png"])
def test_a_file_that_is_named_is_an_error(mixed_folder, name):
    with pytest.raises(MediaError, match=name):
        MediaLoader([mixed_folder, mixed_folder / name]).load()


def test_progress_of_a_loader_is_shown_and_changes_nothing(red_png, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert MediaLoader(red_png, show_progress=True).load() == MediaLoader(red_png).load()
    assert "loading" in capfd.readouterr().err


def test_the_encoding_of_text_files_can_be_named(tmp_path):
    (tmp_path / "note.txt").write_bytes("5 €".encode("iso8859-15"))
    (document,) = MediaLoader(tmp_path, encoding="iso8859-15").load()
    assert document.page_content == "5 €"
    with pytest.raises(ValueError, match="encoding 'latin-99' is unknown"):
        MediaLoader(tmp_path, encoding="latin-99")


class Engine:
    """Stands in for OCR: gives the same words for every picture."""

    def lines(self, image, seconds=None, least_score=None):
        return ["three jars of honey"], True


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(picture_text, "line_reader", Engine)
    monkeypatch.setattr(picture_text, "is_installed", lambda: True)


def test_words_in_pictures_are_documents_beside_them(engine, tmp_path):
    from PIL import Image

    Image.new("RGB", (60, 40), "red").save(tmp_path / "sign.png")
    picture, words = MediaLoader(tmp_path, ocr="on").load()
    assert (picture.metadata["modality"], words.metadata["modality"]) == ("image", "text")
    assert (words.page_content, words.metadata["ocr"]) == ("three jars of honey", True)
    assert words.metadata["source"] == picture.metadata["source"]
    assert len(MediaLoader(tmp_path).load()) == 1
    with pytest.raises(ValueError, match="ocr must be"):
        MediaLoader(tmp_path, ocr="yes")
