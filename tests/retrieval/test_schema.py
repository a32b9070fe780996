"""The record schema: what is written, what is read, and what stays the user's own."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.hits import with_result
from senseweave.retrieval.records.identity import content_key, record_id
from senseweave.retrieval.records.schema import (
    Provenance,
    Record,
    check_own,
    default_text,
    is_gone,
    media_provenance,
    own_metadata,
    read_metadata,
    record_source,
    record_text,
    write_metadata,
)
from senseweave.retrieval.stores.memory import MemoryStore

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


def test_records_and_provenance_cannot_be_changed():
    record = Record("id", np.zeros(2, np.float32), "a note", {})
    with pytest.raises(FrozenInstanceError):
        record.text = "another note"
    with pytest.raises(FrozenInstanceError):
        WHOLE.source = "elsewhere"


def test_ids_are_32_hexadecimal_digits_that_every_version_makes_alike():
    assert record_id(WHOLE) == "7387f6a65d3454cb7974f48766029cf9"
    assert record_id(Provenance("image", "a.pdf", page=3, sha256="cd" * 32)) == "f3cd7fbc10bab681f5caa7c1478a8797"
    assert len(record_id(WHOLE)) == 32


def test_media_content_is_the_same_at_the_same_span_and_page_alone():
    for change in ({"span": (0.0, 4.0)}, {"span": None}, {"sha256": "cd" * 32}, {"modality": "video"}):
        assert content_key(Provenance(**{**WHOLE.__dict__, **change})) != content_key(WHOLE)
    pages = [content_key(Provenance("image", "a.pdf", page=page, sha256="cd" * 32)) for page in (1, 2)]
    assert pages[0] != pages[1]


def test_a_chunk_is_filed_under_its_path_unless_another_source_is_given(corpus_folder, monkeypatch):
    monkeypatch.chdir(corpus_folder)
    media = sw.Audio("song.wav", span=(1, 2), metadata={"speaker": "Ann"})
    provenance = media_provenance(media, fingerprint="f" * 16, added_at=2.0)
    assert (provenance.source, provenance.own) == (str(corpus_folder / "song.wav"), {"speaker": "Ann"})
    assert (provenance.modality, provenance.span, provenance.mime_type) == ("audio", (1.0, 2.0), media.mime_type)
    assert (provenance.sha256, provenance.fingerprint, provenance.added_at) == (media.sha256, "f" * 16, 2.0)
    other = media_provenance(media, source="a song", own={})
    assert (other.source, other.own) == ("a song", {})


def test_a_record_holds_the_text_the_caption_or_the_name_of_its_source(corpus_folder):
    sound = sw.Audio(corpus_folder / "song.wav")
    assert record_text(sw.Text("a note"), "a.txt", None) == "a note"
    assert record_text(sound, "/talks/song.wav", "a melody") == "a melody"
    assert record_text(sound, "/talks/song.wav", None) == "audio: song.wav"


@pytest.mark.parametrize(("text", "name"), [("x" * 70, "x" * 60), ("", "image"), (None, "image")])
def test_a_record_without_a_source_is_named_by_the_beginning_of_its_text_or_its_modality(text, name):
    with pytest.raises(sw.MediaError) as error:
        read_metadata({"modality": "image"}).media(text)
    assert error.value.source == name


def test_a_source_without_a_name_is_the_default_text_as_a_whole():
    assert default_text("image", "/photos/cat.png") == "image: cat.png"
    assert default_text("video", "/") == "video: /"


def test_a_record_without_a_source_goes_by_its_id():
    assert record_source("7", {"source": "/a.txt"}) == "/a.txt"
    assert record_source("7", {"page": 1}) == "7"


def test_only_an_absolute_path_without_a_file_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    gone = {name: is_gone(name) for name in ("missing", "https://x/a", *map(str, tmp_path.iterdir()))}
    assert not any(gone.values())
    assert is_gone(str(tmp_path / "missing"))


@pytest.mark.parametrize("page", [0, -1, 1.5, True, float("inf"), float("nan"), "2"])
def test_a_page_that_is_not_a_whole_number_from_1_is_the_users(page):
    known = read_metadata({"modality": "image", "page": page})
    assert (known.page, known.own) == (None, {"page": page})


@pytest.mark.parametrize("page", [1, 2.0])
def test_a_page_is_read_as_a_whole_number(page):
    known = read_metadata({"modality": "image", "page": page})
    assert (known.page, type(known.page), known.own) == (page, int, {})


@pytest.mark.parametrize(("start", "end", "span"), [(0, 1, (0, 1)), (1, 1, None), (-1, 1, None), (0, False, None)])
def test_a_span_begins_at_0_or_later_and_ends_after_its_start(start, end, span):
    known = read_metadata({"modality": "audio", "start": start, "end": end})
    assert known.span == span
    assert known.own == ({} if span else {"start": start, "end": end})


@pytest.mark.parametrize(
    ("name", "value"), [("source", ""), ("source", 3), ("sha256", None), ("added_at", True), ("added_at", "today")]
)
def test_a_value_of_another_type_stays_under_its_name(name, value):
    known = read_metadata({name: value})
    assert (getattr(known, name), known.own) == (None, {name: value})


def test_a_path_object_under_file_path_is_a_source():
    assert read_metadata({"file_path": Path("/a.txt")}) == Provenance(source="/a.txt")
    assert read_metadata({"file_path": ""}).own == {"file_path": ""}
    assert read_metadata(None) == Provenance()


def test_file_path_is_written_only_if_requested_and_with_a_source():
    assert "file_path" not in write_metadata(WHOLE)
    assert write_metadata(Provenance(), file_path=True) == {"modality": "text"}


def test_a_value_of_the_user_neither_replaces_one_of_the_schema_nor_vanishes():
    written = write_metadata(Provenance("audio", "/a.mp3", own={"source": "b", "modality": "CT", "note": None}))
    assert written == {"modality": "audio", "source": "/a.mp3", "user_source": "b", "user_modality": "CT"}
    assert write_metadata(read_metadata(written)) == written
    assert write_metadata(Provenance(own={"modality": "CT"})) == {"modality": "CT"}


def test_values_that_can_be_stored_are_kept_and_numbers_of_numpy_become_pythons():
    own = {"a": "é", "b": 2**63 - 1, "c": -0.5, "d": False, "e": None, "f": np.float32(0.5), "g": np.int64(7)}
    checked = check_own(own, "text")
    assert checked == own
    assert (type(checked["f"]), type(checked["g"])) == (float, int)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1], "must be a str, int, float, bool or None, not list"),
        (float("nan"), "must be a finite number"),
        (np.float32("inf"), "must be a finite number"),
        (2**63, "must be a number of at most 64 bits"),
        ("a\udc80", "holds a lone surrogate"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_by_its_name(value, reason):
    with pytest.raises(ValueError, match=f"metadata 'note' {reason}"):
        check_own({"note": value}, "text")


@pytest.mark.parametrize("name", ["", 3, "$a", "#a", "chroma:a", "a\udc80"])
def test_a_name_that_cannot_be_stored_is_refused(name):
    with pytest.raises(ValueError, match="a metadata name is a non-empty str"):
        check_own({name: 1}, "text")


@pytest.mark.parametrize(
    ("name", "value", "own", "reserved"),
    [
        ("start", 3, "text image", "audio video"),
        ("end", 3, "text image", "audio video"),
        ("page", 3, "audio video", "text image"),
        ("start", "2024-05-01", "text image audio video", ""),
        ("page", "iv", "text image audio video", ""),
        ("modality", "CT", "text image audio video", ""),
        ("source", 42, "text image audio video", ""),
        ("modality", "image", "", "text image audio video"),
        ("source", "a", "", "text image audio video"),
    ],
)
def test_a_name_of_the_schema_is_reserved_on_records_that_use_it(name, value, own, reserved):
    for modality in own.split():
        assert check_own({name: value}, modality) == {name: value}
    for modality in reserved.split():
        with pytest.raises(ValueError, match=f"metadata name '{name}' is reserved"):
            check_own({name: value}, modality)


@pytest.mark.parametrize(
    ("own", "misplaced"),
    [({"start": 3}, True), ({"end_s": 2.5, "start_s": 9}, True), ({"start": True}, False), ({"start": "noon"}, False)],
)
def test_numbers_that_are_not_a_span_are_reported_beside_text_that_is_not(own, misplaced):
    assert (read_metadata({"modality": "audio", **own}).misplaced_span is not None) is misplaced


@pytest.mark.parametrize(
    ("provenance", "name", "value"),
    [
        (Provenance("text", "/a.pdf", page=3), "page", "iv"),
        (Provenance("audio", "/a.mp3", span=(0.0, 1.0)), "start", "2024-05-01"),
        (Provenance("image", "/a.png"), "modality", "CT"),
        (Provenance("image", "/a.png"), "source", "Reuters"),
        (Provenance("image", "/a.docx", part="!/word/media/a.png"), "part", "wheel"),
    ],
)
def test_a_record_keeps_what_it_needs_and_the_users_value_of_that_name(provenance, name, value):
    written = write_metadata(replace(provenance, own={name: value}))
    assert read_metadata(written) == replace(provenance, own={f"user_{name}": value})
    assert own_metadata(replace(provenance, own={name: value})) == {f"user_{name}": value}


def test_a_result_says_what_a_search_says_and_keeps_the_users_values():
    result = {"score": 0.5, "space": "starter"}
    given = {"source": "/a", "score": 9, "space": "starter", "user_page": 3}
    assert with_result(given, result) == {**given, "user_score": 9, **result}


@pytest.mark.parametrize(
    "own", [{"added_at": "yesterday"}, {"fingerprint": 3}, {"modality": "CT"}, {"page": "iv"}], ids=str
)
def test_adding_again_with_a_users_value_under_a_name_of_the_schema_changes_nothing(
    tmp_path, space, write_picture, own
):
    store, picture = MemoryStore(), write_picture(tmp_path / "red.png", "red")
    with Index(store, spaces=[space]) as index:
        index.add(picture, metadata=own)
        before = [store.get(name) for name in store.collections()]
        report = index.add(picture, metadata=own)
        assert (report.skipped, report.updated) == (1, 0)
        assert [store.get(name) for name in store.collections()] == before
