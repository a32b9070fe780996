"""Documents whose meta the core, LangChain, LlamaIndex, Haystack or version 0.1 wrote are read as the same media."""

import pytest
from haystack import Document
from haystack.dataclasses import ByteStream
from haystack_integrations.common.senseweave import document_to_media, hit_to_document
from haystack_integrations.components.converters.senseweave import MediaToDocument

import senseweave as sw
from senseweave.interop import Provenance, media_provenance, write_metadata

POLICY = sw.MediaPolicy()


def _read(meta, content="x"):
    return document_to_media(Document(content=content, meta=meta), policy=POLICY)


def _same(media, expected):
    return (media, media.source) == (expected, expected.source)


@pytest.mark.parametrize("file_path", [False, True], ids=["core and LangChain", "Haystack and LlamaIndex"])
def test_a_record_is_read_as_its_media_whoever_wrote_it(photo, tone, samples, file_path):
    video = samples / "video" / "video-01.mp4"
    for media in (sw.Image(photo), sw.Audio(tone, span=(1, 2)), sw.Video(video, span=(0.5, 1.5))):
        meta = write_metadata(media_provenance(media, fingerprint="f" * 16, added_at=1.0), file_path=file_path)
        assert ("file_path" in meta) == file_path
        assert _same(_read(meta), media)


def test_a_text_record_keeps_its_words_source_and_page():
    meta = write_metadata(Provenance("text", "/notes/diary.pdf", page=3, own={"author": "Ann"}))
    media = _read(meta, "The dog is asleep.")
    assert (media.decode(), media.source, media.page) == ("The dog is asleep.", "/notes/diary.pdf", 3)
    assert media.metadata["author"] == "Ann"


def test_spans_of_the_first_version_are_read(tone):
    expected = sw.Audio(tone, span=(1, 2))
    assert _same(_read({"modality": "audio", "source": str(tone), "start_s": 1.0, "end_s": 2.0}), expected)
    assert _same(_read({"modality": "audio", "file_path": str(tone), "start": 1.0, "end": 2.0}), expected)
    assert _same(_read({"modality": "audio", "file_path": str(tone), "end": 2.0}), sw.Audio(tone, span=(0, 2)))


def test_page_number_of_haystacks_own_converters_is_the_page(tmp_path, pdf_bytes):
    path = tmp_path / "two.pdf"
    path.write_bytes(pdf_bytes)
    assert _same(_read({"file_path": str(path), "page_number": 2}, content=None), sw.Image(path, page=2))
    text = _read({"file_path": str(path), "page_number": 2}, "words of the page")
    assert (text.modality, text.page, text.source) == ("text", 2, str(path))
    both = _read({"file_path": str(path), "page_number": 1, "page": 2}, content=None)
    assert _same(both, sw.Image(path, page=2))


def test_a_file_path_counts_before_a_source_and_a_field_of_the_users_choice_before_both(photo, tone):
    meta = {"modality": "image", "source": "https://example.org/a-label", "file_path": str(photo)}
    assert _same(_read(meta), sw.Image(photo))
    document = Document(content=None, meta={"where": str(tone), "file_path": str(photo)})
    chosen = document_to_media(document, policy=POLICY, file_path_meta_field="where")
    assert _same(chosen, sw.Audio(tone))
    fallback = document_to_media(
        Document(content=None, meta={"source": str(tone)}), policy=POLICY, file_path_meta_field="where"
    )
    assert _same(fallback, sw.Audio(tone))


def test_a_modality_that_is_none_is_the_users_own(photo):
    media = _read({"modality": "CT", "start": "2020-01-01"}, "a scan of the knee")
    assert (media.modality, media.span, media.metadata["modality"]) == ("text", None, "CT")
    assert _same(_read({"modality": "CT", "file_path": str(photo)}, content=None), sw.Image(photo))


def test_a_document_with_nothing_to_read_says_where_it_was_looked_for():
    with pytest.raises(sw.MediaError, match=r"neither content, nor a blob.*meta\['file_path'\] or meta\['source'\]"):
        _read({"modality": "image"})
    blob = Document(blob=ByteStream(b"GIF89a"), meta={"modality": "image", "source": "bytes:123"})
    assert document_to_media(blob, policy=POLICY).modality == "image"


def test_a_users_value_under_a_name_of_the_result_is_kept():
    hit = sw.Hit(
        "7", 2.0, 0.5, "text", "/a.txt", "words", "starter", "zscore", metadata={"space": "kitchen", "fusion": 1}
    )
    meta = hit_to_document(hit).meta
    assert (meta["space"], meta["fusion"]) == ("starter", "zscore")
    assert (meta["user_space"], meta["user_fusion"]) == ("kitchen", 1)


def test_a_hit_becomes_a_document_that_is_read_as_the_same_media(tone, tmp_path):
    hit = sw.Hit(
        id="7",
        score=2.0,
        raw_score=0.5,
        modality="audio",
        source=str(tone),
        text="a tone",
        space="starter",
        calibration="zscore",
        mime_type="audio/wav",
        span=(1.0, 2.0),
        sha256=sw.Audio(tone).sha256,
        metadata={"author": "Ann"},
        sources=(str(tone), "/elsewhere/tone.wav"),
    )
    document = hit_to_document(hit)
    assert (document.id, document.content, document.score) == ("7", "a tone", 2.0)
    assert document.meta == {
        "author": "Ann",
        "modality": "audio",
        "source": str(tone),
        "file_path": str(tone),
        "mime_type": "audio/wav",
        "sha256": sw.Audio(tone).sha256,
        "start": 1.0,
        "end": 2.0,
        "space": "starter",
        "raw_score": 0.5,
        "fusion": "zscore",
        "sources": [str(tone), "/elsewhere/tone.wav"],
    }
    assert _same(document_to_media(document, policy=POLICY), hit.media)


def test_what_the_converter_writes_is_read_back(photo, tone):
    documents = MediaToDocument(seconds=2).run(sources=[photo, tone])["documents"]
    media = [document_to_media(document, policy=POLICY) for document in documents]
    assert [(each.modality, each.span) for each in media] == [("image", None), ("audio", (0, 2)), ("audio", (1, 3))]
