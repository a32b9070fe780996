"""MediaToDocument: files of every modality to Documents with flat meta and ids made from content."""

import logging
import warnings

import pytest
from haystack.dataclasses import ByteStream, Document
from haystack_integrations.common.senseweave import document_to_media
from haystack_integrations.components.converters.senseweave import MediaToDocument

import senseweave as sw
from senseweave.interop import find_word, media_provenance, read_metadata, record_id
from senseweave.media.kinds import picture_text


def test_to_dict_holds_every_parameter_and_from_dict_restores_them(tmp_path):
    converter = MediaToDocument(seconds=5, root_path=tmp_path, on_error="raise", describe_with="starter")
    data = converter.to_dict()
    assert data["init_parameters"] == {
        "seconds": 5,
        "overlap": 0.0,
        "characters": None,
        "character_overlap": 0,
        "root_path": str(tmp_path),
        "network": False,
        "on_error": "raise",
        "encoding": None,
        "ocr": "auto",
        "pages": "separate",
        "progress_bar": False,
        "describe_with": "starter",
        "device": None,
        "api_key": None,
        "load_options": {},
    }
    assert MediaToDocument.from_dict(data).to_dict() == data


def test_each_modality_gives_documents_with_flat_meta(photo, samples, tmp_path):
    text = tmp_path / "note.txt"
    text.write_text("The dog is asleep.")
    video = samples / "video" / "video-01.mp4"
    documents = MediaToDocument(seconds=1000).run(sources=[str(text), photo, video])["documents"]
    assert [document.meta["modality"] for document in documents] == ["text", "image", "video"]
    assert [document.content for document in documents] == ["The dog is asleep.", "", ""]
    for document, path in zip(documents, (text, photo, video), strict=True):
        assert document.meta["file_path"] == str(path)
        assert document.meta["split_id"] == 0
        assert len(document.meta["sha256"]) == 64
        assert all(isinstance(value, str | int | float) for value in document.meta.values())
    assert documents[1].meta["mime_type"] == "image/png"
    assert documents[2].meta["start"] == 0
    assert documents[2].meta["end"] > 1


def test_a_long_recording_gives_one_document_per_window(tmp_path, wave_bytes):
    path = tmp_path / "long.wav"
    path.write_bytes(wave_bytes(5.0))
    documents = MediaToDocument(seconds=2).run(sources=[path])["documents"]
    assert [(document.meta["start"], document.meta["end"]) for document in documents] == [(0, 2), (2, 4), (3, 5)]
    assert [document.meta["split_id"] for document in documents] == [0, 1, 2]
    assert len({document.meta["source_id"] for document in documents}) == 1
    assert len({document.id for document in documents}) == 3


def test_a_long_text_gives_passages_that_join_to_the_whole(tmp_path):
    path = tmp_path / "long.txt"
    whole = "\n\n".join(f"Paragraph {i} tells of a dog and its walk." for i in range(20))
    path.write_text(whole)
    documents = MediaToDocument(characters=200).run(sources=[path])["documents"]
    assert len(documents) > 3
    assert "".join(document.content for document in documents) == whole
    for document in documents:
        start = document.meta["split_idx_start"]
        assert whole[start : start + len(document.content)] == document.content


def test_pages_of_a_pdf_are_counted_from_one(tmp_path, pdf_bytes):
    path = tmp_path / "two.pdf"
    path.write_bytes(pdf_bytes)
    documents = MediaToDocument().run(sources=[path])["documents"]
    assert [(document.meta["modality"], document.meta["page"]) for document in documents] == [
        ("image", 1),
        ("image", 2),
    ]


def test_a_folder_gives_all_its_files(photo, tone):
    documents = MediaToDocument().run(sources=[photo.parent])["documents"]
    assert {document.meta["file_path"] for document in documents} == {str(photo), str(tone)}


def test_ids_depend_on_content_and_source_and_on_nothing_else(photo, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "another-name.png").write_bytes(photo.read_bytes())
    converter = MediaToDocument()
    (first,) = converter.run(sources=[photo], meta={"author": "Ann"})["documents"]
    (again,) = converter.run(sources=[str(photo)])["documents"]
    (moved,) = converter.run(sources=[elsewhere / "another-name.png"])["documents"]
    assert first.id == again.id != moved.id
    assert first.id == record_id(media_provenance(sw.Image(photo)))
    assert first.meta["sha256"] == moved.meta["sha256"]
    photo.write_bytes(photo.read_bytes() + b"\0")
    (changed,) = converter.run(sources=[photo])["documents"]
    assert changed.id != first.id
    streams = [ByteStream((elsewhere / "another-name.png").read_bytes()) for _ in range(2)]
    (first_stream,), (second_stream,) = (converter.run(sources=[stream])["documents"] for stream in streams)
    assert first_stream.id == second_stream.id


def test_equal_files_are_a_document_each_and_one_file_given_twice_is_one(photo, tmp_path, caplog):
    copy = tmp_path / "copy.png"
    copy.write_bytes(photo.read_bytes())
    documents = MediaToDocument().run(sources=[photo, copy])["documents"]
    assert [document.meta["file_path"] for document in documents] == [str(photo), str(copy)]
    assert len({document.meta["source_id"] for document in documents}) == 2
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        documents = MediaToDocument().run(sources=[photo, photo])["documents"]
    assert [document.meta["file_path"] for document in documents] == [str(photo)]
    assert "photo.png holds the same content twice, or was given twice" in caplog.text


def test_meta_are_those_of_the_schema_and_the_users_own(photo, tmp_path):
    text = tmp_path / "note.txt"
    text.write_text(" ".join(f"The dog is asleep on sofa {i}." for i in range(20)))
    own = {"author": "Ann", "start": "2020-01-01", "modality": "CT"}
    passages = MediaToDocument(characters=100).run(sources=[text], meta=own)["documents"]
    provenance = read_metadata(passages[1].meta)
    assert (provenance.modality, provenance.source, provenance.span) == ("text", str(text), None)
    assert {name: provenance.own[name] for name in own} == own
    assert provenance.own["character_start"] == passages[1].meta["split_idx_start"]
    (image,) = MediaToDocument().run(sources=[photo], meta=own)["documents"]
    assert (image.meta["modality"], image.meta["start"]) == ("image", "2020-01-01")
    assert image.meta["source"] == image.meta["file_path"] == str(photo)


@pytest.mark.parametrize("name", ["modality", "source", "sha256", "mime_type"])
def test_a_users_value_under_a_name_of_the_schema_is_kept_beside_it(photo, tmp_path, name):
    (document,) = MediaToDocument().run(sources=[photo], meta={name: "CT"})["documents"]
    assert document.meta[f"user_{name}"] == "CT"
    assert read_metadata(document.meta).modality == "image"


def test_two_byte_streams_keep_their_bytes_and_get_their_own_ids(photo, wave_bytes):
    streams = [ByteStream(photo.read_bytes(), meta={"url": "https://example.org/x"}), ByteStream(wave_bytes(1.0))]
    documents = MediaToDocument().run(sources=streams)["documents"]
    assert [document.blob.data for document in documents] == [stream.data for stream in streams]
    assert documents[0].id != documents[1].id
    assert documents[0].meta["url"] == "https://example.org/x"
    assert "file_path" not in documents[0].meta


def test_meta_is_given_for_all_or_for_each(photo, tone):
    shared = MediaToDocument().run(sources=[photo, tone], meta={"author": "Ann"})["documents"]
    assert [document.meta["author"] for document in shared] == ["Ann", "Ann"]
    own = MediaToDocument().run(sources=[photo, tone], meta=[{"author": "Ann"}, {"author": "Bob"}])["documents"]
    assert [document.meta["author"] for document in own] == ["Ann", "Bob"]


def test_one_bad_file_is_skipped_with_a_warning_and_reported(photo, tmp_path, caplog):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    with caplog.at_level(logging.WARNING):
        result = MediaToDocument(on_error="skip").run(sources=[bad, photo, tmp_path / "absent.wav"])
    assert [document.meta["file_path"] for document in result["documents"]] == [str(photo)]
    assert [failure["position"] for failure in result["failed"]] == [0, 2]
    assert result["failed"][1]["reason"] == "no such file"
    assert "bad.mp4" in caplog.text


def test_one_bad_file_raises_with_its_position(photo, tmp_path):
    with pytest.raises(sw.MediaError, match=r"absent.wav \(item 2 of 2\): no such file"):
        MediaToDocument(on_error="raise").run(sources=[photo, tmp_path / "absent.wav"])


def test_a_file_outside_the_root_is_reported(photo, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.png").symlink_to(photo)
    result = MediaToDocument(root_path=inside, on_error="skip").run(sources=[photo, "link.png", "../photo.png"])
    assert result["documents"] == []
    assert all("outside the policy's root" in failure["reason"] for failure in result["failed"])
    assert len(result["failed"]) == 3


def test_empty_lists_pass():
    assert MediaToDocument().run(sources=[]) == {"documents": [], "failed": []}


@pytest.mark.parametrize("wrong", ["a.png", [3], None])
def test_wrong_input_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="MediaToDocument expects a list of str, Path or ByteStream"):
        MediaToDocument().run(sources=wrong)


async def test_run_async_gives_the_same_as_run(photo, tone):
    converter = MediaToDocument(seconds=1)
    assert await converter.run_async(sources=[photo, tone]) == converter.run(sources=[photo, tone])


@pytest.mark.integration
def test_a_model_may_cut_and_describe_what_is_not_text(samples, tmp_path):
    text = tmp_path / "note.txt"
    text.write_text("Mine.")
    sources = [samples / "audio" / "recording-05.m4a", text]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Warning)
        *windows, note = MediaToDocument(describe_with="starter").run(sources=sources)["documents"]
    assert len(windows) > 1
    assert "bridge" in windows[0].content
    assert "black pieces" in windows[-1].content
    assert windows[0].meta["start"] <= find_word(windows[0].meta, "bridge") <= windows[0].meta["end"]
    assert windows[-1].meta["start"] <= find_word(windows[-1].meta, "black") <= windows[-1].meta["end"]
    assert note.content == "Mine."


@pytest.mark.integration
def test_a_file_that_breaks_off_is_reported_by_the_model_that_describes(photo, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:90])
    result = MediaToDocument(describe_with="starter", on_error="skip").run(sources=[broken, photo])
    assert [document.meta["file_path"] for document in result["documents"]] == [str(photo)]
    assert [(failure["position"], failure["source"]) for failure in result["failed"]] == [(0, str(broken))]
    with pytest.raises(sw.MediaError, match=r"broken.png \(item 2 of 2\)"):
        MediaToDocument(describe_with="starter", on_error="raise").run(sources=[photo, broken])


def test_files_met_in_a_folder_are_reported_and_a_source_that_is_named_is_an_error(photo, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "good.png").write_bytes(photo.read_bytes())
    (folder / "cut.png").write_bytes(photo.read_bytes()[:80])
    (folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    result = MediaToDocument().run(sources=[folder])
    assert [document.meta["source"] for document in result["documents"]] == [str(folder / "good.png")]
    assert [failure["source"] for failure in result["failed"]] == [str(folder / "Thumbs.db"), str(folder / "cut.png")]
    assert all(failure["reason"] for failure in result["failed"])
    for name in ("Thumbs.db", "cut.png"):
        with pytest.raises(sw.MediaError, match=rf"{name} \(item 2 of 2\)"):
            MediaToDocument().run(sources=[folder, folder / name])


def test_progress_of_a_converter_is_told_and_changes_nothing(photo, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    quiet = MediaToDocument().run(sources=[photo])
    shown = MediaToDocument(progress_bar=True).run(sources=[photo])
    assert [document.id for document in shown["documents"]] == [document.id for document in quiet["documents"]]
    assert "loading" in capfd.readouterr().err


@pytest.mark.parametrize("rooted", [False, True])
def test_a_byte_stream_of_a_file_names_it_so_that_it_is_found_from_another_folder(photo, tmp_path, monkeypatch, rooted):
    stream = ByteStream(photo.read_bytes(), meta={"file_path": photo.name})
    if not rooted:
        monkeypatch.chdir(tmp_path)
    converter = MediaToDocument(root_path=tmp_path if rooted else None)
    (document,) = converter.run(sources=[stream])["documents"]
    assert document.meta["file_path"] == document.meta["source"] == str(photo)
    assert stream.meta == {"file_path": photo.name}
    assert document.id == converter.run(sources=[photo])["documents"][0].id
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    stored = Document(content=document.content, meta=document.meta)
    assert document_to_media(stored, policy=sw.MediaPolicy()).sha256 == document.meta["sha256"]


def test_a_byte_stream_does_not_name_another_file_that_happens_to_have_its_name(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stream = ByteStream(photo.read_bytes(), meta={"file_path": "secret.txt"})
    (tmp_path / "secret.txt").write_text("The old door code is 4711.")
    (document,) = MediaToDocument().run(sources=[stream])["documents"]
    assert document.meta["file_path"] == "secret.txt"


def test_a_path_outside_the_root_is_also_the_error_that_haystack_raises_for_it(photo, tmp_path):
    (tmp_path / "root").mkdir()
    with pytest.raises(ValueError, match="outside the policy's root"):
        MediaToDocument(root_path=tmp_path / "root", on_error="raise").run(sources=[photo])


def test_the_encoding_of_text_files_can_be_named(tmp_path):
    (tmp_path / "note.txt").write_bytes("5 €".encode("iso8859-15"))
    converter = MediaToDocument.from_dict(MediaToDocument(encoding="iso8859-15").to_dict())
    (document,) = converter.run(sources=[tmp_path])["documents"]
    assert document.content == "5 €"


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
    picture, words = MediaToDocument(ocr="on").run(sources=[tmp_path])["documents"]
    assert (words.content, words.meta["ocr"]) == ("three jars of honey", True)
    assert words.meta["file_path"] == picture.meta["file_path"]
    assert len(MediaToDocument().run(sources=[tmp_path])["documents"]) == 1
    with pytest.raises(ValueError, match="ocr must be"):
        MediaToDocument(ocr="yes")
