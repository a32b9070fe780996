"""The record schema: what is written, what is read, and what stays the user's own."""

import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Provenance, content_key, read_metadata, record_id, write_metadata

WHOLE = Provenance(
    modality="audio",
    source="/talks/bees.mp3",
    span=(1.5, 4.0),
    mime_type="audio/mpeg",
    sha256="ab" * 32,
    fingerprint="f" * 16,
    added_at=12.5,
    own={"speaker": "Ann", "year": 2024},
)


def test_what_is_written_is_read_back():
    assert read_metadata(write_metadata(WHOLE)) == WHOLE
    carried = write_metadata(WHOLE, file_path=True)
    assert carried["file_path"] == carried["source"] == "/talks/bees.mp3"
    assert read_metadata(carried) == WHOLE
    page = Provenance(modality="image", source="a.pdf", page=3, sha256="cd" * 32)
    assert read_metadata(write_metadata(page)) == page


def test_metadata_are_flat_and_unknown_values_are_left_out():
    assert write_metadata(Provenance(source="a note")) == {"modality": "text", "source": "a note"}
    assert set(write_metadata(WHOLE)) == {
        "modality", "source", "mime_type", "sha256", "start", "end", "fingerprint", "added_at", "speaker", "year",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "span"),
    [
        ({"start_s": 1.5, "end_s": 4.0}, (1.5, 4.0)),
        ({"end_s": 4}, (0.0, 4.0)),
        ({"start": 1, "end": 2, "start_s": 1.0, "end_s": 2.0}, (1.0, 2.0)),
        ({"start": 5, "end": 2}, None),
        ({"start": "2024-01-01", "end": "2024-01-02"}, None),
        ({"start": True, "end": 2}, None),
        ({"start": 1}, None),
    ],
)
def test_spans_are_read_under_the_names_of_every_version(metadata, span):
    assert read_metadata({"modality": "video", **metadata}).span == span


def test_a_source_is_read_from_what_haystack_and_llama_index_call_it():
    assert read_metadata({"modality": "image", "file_path": "/a.png"}) == Provenance("image", "/a.png")
    both = read_metadata({"modality": "image", "source": "/a.png", "file_path": "b.png"})
    assert (both.source, both.own) == ("/a.png", {"file_path": "b.png"})


@pytest.mark.parametrize(
    "own",
    [
        {"start": "2024-01-01", "end": "2024-02-01"},
        {"start": 3.0, "end": 9.0},
        {"modality": "CT"},
    ],
)
def test_a_users_value_under_a_name_of_the_schema_stays_the_users(tmp_path, space, own):
    assert read_metadata({"source": "a note", **own}).own == own
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add(sw.Text("a scan of the knee", source="a note"), metadata=own)
        (hit,) = index.search("knee", k=1, filter=own)
        assert (hit.modality, hit.span, hit.metadata) == ("text", None, own)


def test_a_page_of_a_recording_is_the_users(index, corpus_folder):
    index.add(corpus_folder / "low.wav", metadata={"page": 12})
    (hit,) = index.search("low sound", k=1, filter={"page": 12})
    assert (hit.page, hit.metadata) == (None, {"page": 12})


@pytest.mark.parametrize(
    "own", [{"source": "x"}, {"sha256": "x"}, {"fingerprint": "x"}, {"added_at": 1}, {"page": 3}, {"modality": "image"}]
)
def test_a_name_that_the_record_of_a_text_needs_is_refused(index, own):
    with pytest.raises(ValueError, match=f"{next(iter(own))!r} is reserved"):
        index.add(sw.Text("a note"), metadata=own)


def test_ids_differ_by_content_span_page_source_and_fingerprint():
    changed = [
        {"sha256": "cd" * 32}, {"span": (1.5, 5.0)}, {"span": None}, {"page": 2}, {"source": "other"},
        {"fingerprint": "0" * 16}, {"modality": "video"},
    ]  # fmt: skip
    ids = {record_id(Provenance(**{**WHOLE.__dict__, **change})) for change in changed}
    assert len(ids | {record_id(WHOLE)}) == len(changed) + 1
    assert record_id(Provenance(**{**WHOLE.__dict__, "own": {}, "added_at": 1.0})) == record_id(WHOLE)


def test_content_is_compared_by_hash_and_position_and_text_by_its_words():
    other = Provenance(**{**WHOLE.__dict__, "source": "elsewhere", "own": {}})
    assert content_key(WHOLE, "a transcript") == content_key(other, None)
    text = Provenance(sha256="ab" * 32, source="a.txt")
    assert content_key(text, "first chunk") != content_key(text, "second chunk")
    assert content_key(Provenance(source="a.txt"), "words") is None


def test_media_are_made_of_what_was_read(corpus_folder):
    media = read_metadata(
        {"modality": "audio", "source": str(corpus_folder / "song.wav"), "start": 1, "end": 2}
    ).media()
    assert (type(media), media.span, media.source) == (sw.Audio, (1.0, 2.0), str(corpus_folder / "song.wav"))
    assert read_metadata({"source": "x"}).media("words").decode() == "words"
    with pytest.raises(sw.MediaError, match=r"metadata\['source'\]"):
        read_metadata({"modality": "image"}).media("a cat")


@pytest.mark.parametrize("own", [{"start": 2, "end": 1}, {"end": 0}, {"start": 1}, {"start_s": 0.0, "end_s": "late"}])
def test_numbers_that_are_no_span_are_named_where_a_span_can_be_meant(own):
    wrong = read_metadata({"modality": "audio", "source": "a.mp3", **own}).misplaced_span
    assert "0 <= start < end" in wrong
    assert all(repr(value) in wrong for value in own.values())
    assert read_metadata({"modality": "text", "source": "a.txt", **own}).misplaced_span is None


def test_a_date_and_a_span_are_no_misplaced_numbers():
    assert read_metadata({"modality": "audio", "source": "a.mp3", "start": "2024-01-31"}).misplaced_span is None
    assert WHOLE.misplaced_span is None
