"""Documents and media turn into each other without losing what they are."""

from __future__ import annotations

import inspect
import re

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps, loads

from langchain_senseweave import content_blocks, document_from_hit, document_from_media, media_from_document
from langchain_senseweave.items import result_document
from senseweave import Audio, Hit, Image, Index, MediaError, Text, Video


def test_a_piece_of_sound_comes_back_as_the_same_piece(tone_wav):
    media = Audio(tone_wav, span=(1.0, 2.5))
    document = document_from_media(media)
    again = media_from_document(document)
    assert again.span == (1.0, 2.5)
    assert again == media
    assert document.metadata == {
        "source": str(tone_wav),
        "modality": "audio",
        "mime_type": "audio/wav",
        "sha256": media.sha256,
        "start": 1.0,
        "end": 2.5,
    }


def test_images_and_videos_come_back_too(red_png, clip_mp4):
    for media in (Image(red_png), Video(clip_mp4, span=(0.0, 1.0))):
        assert media_from_document(document_from_media(media)) == media


def test_a_document_without_modality_is_its_text_even_if_it_looks_like_a_file(red_png):
    document = Document(str(red_png), metadata={"source": str(red_png)})
    assert media_from_document(document) == Text(str(red_png), source=str(red_png))
    assert media_from_document(Document(str(red_png))) == Text(str(red_png))


def test_the_text_of_media_is_short_unique_and_not_empty(red_png, blue_png, tone_wav):
    pieces = [Image(red_png), Image(blue_png), Audio(tone_wav, span=(0, 1)), Audio(tone_wav, span=(1, 2))]
    texts = [document_from_media(piece).page_content for piece in pieces]
    assert len(set(texts)) == len(texts)
    assert all(0 < len(text) < 300 for text in texts)
    assert re.fullmatch(r"image red\.png #[0-9a-f]{8}", texts[0])
    assert re.fullmatch(r"audio tone\.wav #[0-9a-f]{8} 0:00\.0-0:01\.0", texts[2])


def test_equal_descriptions_still_give_distinct_texts(red_png, blue_png):
    texts = {document_from_media(Image(path), "a photo").page_content for path in (red_png, blue_png)}
    assert len(texts) == 2
    assert all(text.startswith("a photo (image ") for text in texts)


def test_long_descriptions_are_shortened_and_text_is_not(red_png):
    assert len(document_from_media(Image(red_png), "word " * 1000).page_content) < 1200
    assert document_from_media(Text("word " * 1000)).page_content == "word " * 1000


def test_the_id_depends_on_source_content_and_place(tone_wav, high_wav):
    ids = [
        document_from_media(piece).id
        for piece in (Audio(tone_wav, span=(0, 1)), Audio(tone_wav, span=(1, 2)), Audio(high_wav, span=(0, 1)))
    ]
    assert len(set(ids)) == 3
    assert document_from_media(Audio(tone_wav, span=(0, 1)), "other words").id == ids[0]


def test_documents_survive_serialization(red_png):
    document = document_from_media(Image(red_png), "red")
    named = "allowed_objects" in inspect.signature(loads).parameters  # langchain-core 1.0 allows its own classes
    again = loads(dumps(document), **({"allowed_objects": [Document]} if named else {}))
    assert again == document


def test_a_changed_file_is_noticed(red_png, blue_png):
    document = document_from_media(Image(red_png))
    red_png.write_bytes(blue_png.read_bytes())
    with pytest.raises(MediaError, match="has changed"):
        media_from_document(document)


@pytest.mark.parametrize("modality", ["table", "", None, 7, ["image"]])
def test_a_document_of_a_modality_that_does_not_exist_is_its_text(modality):
    document = Document("x", metadata={"modality": modality, "source": "a.png"})
    assert media_from_document(document) == Text("x", source="a.png")
    assert [block["text"] for block in content_blocks([document], mark_data=False)] == ["[1] text, a.png: x"]


def test_metadata_that_makes_no_sense_is_an_error():
    for start, end in (("start", "end"), ("start_s", "end_s")):
        with pytest.raises(ValueError, match=r"a: a span is .* not \(2, 1\)"):
            media_from_document(Document("x", metadata={"modality": "audio", "source": "a", start: 2, end: 1}))
    with pytest.raises(MediaError, match="needs metadata"):
        media_from_document(Document("x", metadata={"modality": "image"}))


@pytest.mark.parametrize(
    ("source", "start", "end"),
    [("source", "start", "end"), ("source", "start_s", "end_s"), ("file_path", "start", "end")],
)
def test_the_span_of_every_writer_is_the_span_of_the_media(tone_wav, source, start, end):
    document = Document("a tone", metadata={"modality": "audio", source: str(tone_wav), start: 1.0, end: 2.5})
    assert media_from_document(document) == Audio(tone_wav, span=(1.0, 2.5))
    label, sound = content_blocks([document], mark_data=False)
    assert label["text"] == "[1] audio, tone.wav, 0:01 to 0:02.5: a tone"
    assert sound["type"] == "audio"


def test_a_value_of_the_users_under_a_name_of_the_record_stays_the_users(red_png):
    document = document_from_media(Text("x", source="log"), metadata={"start": "2024-05-01", "modality": "CT"})
    assert document.metadata["start"] == "2024-05-01"
    assert document.metadata["modality"] == "CT"
    assert media_from_document(document) == Text("x", source="log")
    assert document_from_media(Image(red_png), metadata={"modality": "CT"}).metadata["modality"] == "image"
    assert document_from_media(Text("x"), metadata={"modality": "image"}).metadata["modality"] == "text"


def test_a_hit_becomes_a_document_of_the_same_media_and_text(space, tone_wav, red_png, tmp_path):
    with Index(tmp_path / "index", spaces=[space]) as index:
        windows = [Audio(tone_wav, span=(start, start + 1.0)) for start in range(3)]
        index.add([*windows, red_png, Text("the sea", source="sea.txt", metadata={"batch": 1})])
        hits = index.search("sea", k=10)
    documents = [document_from_hit(hit) for hit in hits]
    assert sorted(hit.modality for hit in hits) == ["audio", "audio", "audio", "image", "text"]
    for hit, document in zip(hits, documents, strict=True):
        assert media_from_document(document) == hit.media
        assert document.metadata["score"] == hit.score
        assert document.metadata["raw_score"] == hit.raw_score
        assert (document.metadata.get("start"), document.metadata.get("end")) == (hit.start, hit.end)
        assert document.id == hit.id
    (text,) = [document for document in documents if document.metadata["modality"] == "text"]
    assert (text.page_content, text.metadata["batch"]) == ("the sea", 1)


def image_hit(score, source="red.png", text=""):
    return Hit(
        id="1",
        score=score,
        raw_score=score / 2,
        modality="image",
        source=source,
        text=text,
        space="toy",
        calibration="none",
    )


@pytest.mark.parametrize("version", ["0.1", "now"])
def test_the_place_of_a_chunk_stands_in_its_text_once(red_png, version):
    written = document_from_media(Image(red_png), "a red field").page_content
    hit = image_hit(0.5, str(red_png), f"a red field (image {red_png})" if version == "0.1" else written)
    text = document_from_hit(hit).page_content
    assert re.fullmatch(r"a red field \(image red\.png #[0-9a-f]{8}\)", text)


def test_results_are_equal_whatever_question_found_them(red_png):
    stored = document_from_media(Image(red_png), "a red field")
    first, second = (result_document(stored, image_hit(score), "toy") for score in (0.9, 0.1))
    assert (first.metadata["score"], second.metadata["score"]) == (0.9, 0.1)
    assert first == second
    assert first.metadata == second.metadata
    assert (first.metadata != second.metadata) is False
    assert first != result_document(document_from_media(Image(red_png), "red"), image_hit(0.9), "toy")
    assert first.metadata != result_document(stored, image_hit(0.9), "another space").metadata


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"modality": "CT"}, {"user_modality": "CT"}),
        ({"page": "iv"}, {"page": "iv"}),
        ({"start": "2024-05-01"}, {"start": "2024-05-01"}),
        ({"source": "Reuters"}, {"user_source": "Reuters"}),
        ({"source": 42}, {"user_source": 42}),
    ],
)
def test_words_of_the_record_that_a_user_takes_neither_hide_the_file_nor_vanish(red_png, own, kept):
    document = document_from_media(Image(red_png), metadata=own)
    assert document.metadata.items() >= {**kept, "modality": "image", "source": str(red_png)}.items()
    assert media_from_document(document).sha256 == Image(red_png).sha256


def test_a_source_that_leads_to_the_file_replaces_that_of_the_media(red_png, blue_png):
    link = "https://example.org/red.png"
    assert document_from_media(Image(red_png), metadata={"source": link}).metadata["source"] == link
    assert document_from_media(Image(red_png), metadata={"source": blue_png}).metadata["source"] == str(blue_png)
    assert document_from_media(Text("words"), metadata={"source": "Reuters"}).metadata["source"] == "Reuters"
