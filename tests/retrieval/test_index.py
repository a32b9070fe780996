"""Adding to an index, opening it again, deleting from it."""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import AddError, FingerprintError, MediaError, StoreError
from senseweave.retrieval import Index

RESERVED = {"modality", "source", "mime_type", "sha256", "start", "end", "page", "fingerprint", "added_at", "ocr_read"}


def rows(index):
    return {
        row.id: row
        for description in index._store.descriptions.values()
        for row in index._store.get(description, vectors=True)
    }


def test_a_folder_of_mixed_files_is_added_and_found_by_words(index, names):
    assert len(index) == 4 + 4 + 4  # texts, pictures, and windows of sound: one and three
    assert names(index.search("red", k=2))[0] == "red.png"
    assert names(index.search("the last train at midnight", k=1)) == ["trains.txt"]
    assert names(index.search("a low sound", k=1, modalities={"audio"}))[0] in ("low.wav", "song.wav")


def test_a_window_of_a_long_recording_is_found_with_its_span(index, names):
    (hit,) = index.search("a high sound", k=1)
    assert names([hit]) == ["song.wav"]
    assert hit.span == (4.0, 6.0)
    assert (hit.start, hit.end) == (4.0, 6.0)
    assert hit.text == "a high sound"


def test_adding_the_same_folder_again_changes_nothing(index, corpus_folder):
    before = {identifier: row.metadata for identifier, row in rows(index).items()}
    report = index.add(corpus_folder)
    assert (report.added, report.skipped, report.replaced, report.updated) == (0, 12, 0, 0)
    assert {identifier: row.metadata for identifier, row in rows(index).items()} == before


def test_metadata_are_flat_and_hold_only_the_documented_names_and_the_users_own(tmp_path, space, corpus_folder):
    index = Index(tmp_path / "index", spaces=[space])
    index.add(corpus_folder, metadata={"album": "spring", "rating": None})
    for row in rows(index).values():
        assert set(row.metadata) <= RESERVED | {"album"}
        assert row.metadata["album"] == "spring"
        assert Path(row.metadata["source"]).is_absolute()
        assert all(isinstance(value, (str, int, float, bool)) for value in row.metadata.values())
        assert ("start" in row.metadata) == (row.metadata["modality"] == "audio")


def test_a_changed_file_replaces_its_records(index, corpus_folder, names):
    (corpus_folder / "trains.txt").write_text("cheese is made of milk")
    report = index.add(corpus_folder)
    assert (report.added, report.replaced, report.skipped) == (1, 1, 11)
    assert len(index) == 12
    assert "midnight" not in " ".join(row.text for row in rows(index).values())
    assert names(index.search("cheese and milk", k=1)) == ["trains.txt"]


def test_a_shorter_recording_under_the_same_name_leaves_no_old_windows(index, corpus_folder, write_sound):
    write_sound(corpus_folder / "song.wav", ["high"])
    index.add(corpus_folder / "song.wav")
    spans = [row.metadata["end"] for row in rows(index).values() if row.metadata["source"].endswith("song.wav")]
    assert spans == [2.0]


def test_files_that_are_gone_are_removed_with_sync_alone(index, corpus_folder):
    (corpus_folder / "red.png").unlink()
    assert index.add(corpus_folder).deleted == 0
    assert len(index) == 12
    assert index.add(corpus_folder, sync=True).deleted == 1
    assert len(index) == 11


def test_sync_of_a_folder_that_is_gone_names_it_and_removes_nothing(index, corpus_folder, tmp_path):
    corpus_folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"there is no folder in .*{corpus_folder.name}"):
        index.add(corpus_folder, sync=True)
    assert len(index) == 12


def test_sync_keeps_content_that_lives_on_under_another_name(index, corpus_folder):
    (corpus_folder / "copy.txt").write_text((corpus_folder / "bread.txt").read_text())
    index.add(corpus_folder)
    (corpus_folder / "bread.txt").unlink()
    index.add(corpus_folder, sync=True)
    assert [Path(hit.source).name for hit in index.search("knead the dough", k=1)] == ["copy.txt"]
    assert len(index) == 12


def test_a_passage_that_leaves_one_file_stays_for_the_other_that_holds_it(index, corpus_folder):
    (corpus_folder / "zz-copy.txt").write_text((corpus_folder / "bread.txt").read_text())
    index.add(corpus_folder)
    (corpus_folder / "bread.txt").write_text("something else altogether")
    index.add(corpus_folder)
    assert any(row.text == "knead the dough and let it rest" for row in rows(index).values())


def test_a_moved_file_is_known_by_its_content_and_takes_its_new_place(index, corpus_folder):
    (corpus_folder / "red.png").rename(corpus_folder / "crimson.png")
    report = index.add(corpus_folder)
    assert (report.added, report.updated) == (0, 1)
    assert index.search("red", k=1)[0].source.endswith("crimson.png")


def test_a_corrupt_file_is_reported_and_the_rest_is_indexed(tmp_path, space, corpus_folder):
    (corpus_folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    report = Index(tmp_path / "index", spaces=[space]).add(corpus_folder)
    assert report.added == 12
    (error,) = report.failed
    assert isinstance(error, MediaError)
    assert error.source.endswith("broken.png")
    assert error.reason


@pytest.mark.parametrize("content", [b"", b"  \n", b"PK\x03\x04" + bytes(100)], ids=["empty", "blank", "archive"])
def test_a_file_that_holds_nothing_to_embed_any_more_is_no_longer_found(index, corpus_folder, content):
    (corpus_folder / "trains.txt").write_bytes(content)
    report = index.add(corpus_folder)
    assert (report.replaced, len(report.failed)) == (1, 1)
    assert "midnight" not in " ".join(row.text for row in rows(index).values())
    assert len(index) == 11


def test_a_file_that_became_of_a_modality_without_a_space_is_no_longer_found(tmp_path, tiny, write_picture):
    file = tmp_path / "note"
    file.write_text("the last train leaves at midnight")
    index = Index(tmp_path / "index", spaces=[tiny.make_space(modalities=("text",))])
    index.add(file)
    write_picture(file.with_suffix(".png"), "red").replace(file)
    report = index.add(file, on_error="skip")
    assert (report.replaced, len(report.failed), len(index)) == (1, 1, 0)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(40), None], ids=["broken", "missing"])
def test_a_file_that_cannot_be_read_now_keeps_its_records(index, corpus_folder, content):
    file = corpus_folder / "red.png"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    report = index.add(file, on_error="skip")
    assert (report.replaced, len(report.failed), len(index)) == (0, 1, 12)


def test_reading_a_stream_to_its_end_says_nothing_of_its_file(index, corpus_folder):
    with (corpus_folder / "bread.txt").open("rb") as stream:
        stream.read()
        assert index.add(stream, on_error="skip").failed
    assert len(index) == 12


def test_an_index_inside_the_folder_that_it_indexes_does_not_index_itself(tmp_path, space, corpus_folder):
    for place in (corpus_folder / "idx", corpus_folder):
        with Index(place, spaces=[space]) as index:
            for added in (12, 0):
                report = index.add(corpus_folder)
                assert (report.added, report.failed) == (added, [])


def test_a_named_file_that_cannot_be_read_is_an_error_after_the_rest_is_added(tmp_path, space, corpus_folder):
    cut = tmp_path / "cut.png"
    cut.write_bytes((corpus_folder / "red.png").read_bytes()[:60])
    (corpus_folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    index = Index(tmp_path / "index", spaces=[space])
    with pytest.raises(AddError, match=r"gone\.txt: no such file .*12 added, 3 failed") as raised:
        index.add([cut, corpus_folder, tmp_path / "gone.txt"])
    assert [Path(error.source).name for error in raised.value.report.failed] == ["Thumbs.db", "gone.txt", "cut.png"]
    assert len(index) == 12
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), len(again.report.failed)) == (str(raised.value), 3)


def test_an_empty_string_among_the_inputs_is_a_named_input_that_cannot_be_read(tmp_path, space):
    index = Index(tmp_path / "index", spaces=[space])
    with pytest.raises(AddError, match="an empty string is not a path or URL"):
        index.add("")


def test_files_that_cannot_be_read_in_a_folder_are_listed_and_the_rest_is_added(tmp_path, space, corpus_folder):
    (corpus_folder / "cut.png").write_bytes((corpus_folder / "red.png").read_bytes()[:60])
    (corpus_folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    (corpus_folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(100))
    report = Index(tmp_path / "index", spaces=[space]).add(corpus_folder)
    assert (report.added, {Path(error.source).name for error in report.failed}) == (12, {"Thumbs.db", "cut.png"})


def test_on_error_raise_stops_at_the_corrupt_file(tmp_path, space, corpus_folder):
    (corpus_folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    with pytest.raises(MediaError, match=re.escape("broken.png")):
        Index(tmp_path / "index", spaces=[space]).add(corpus_folder, on_error="raise")


def test_a_modality_that_no_space_embeds_is_reported_with_those_that_are(tmp_path, tiny, corpus_folder):
    index = Index(tmp_path / "index", spaces=[tiny.make_space(modalities=("text",))])
    report = index.add(corpus_folder)
    assert report.added == 4
    assert len(report.failed) == 6
    assert "does not embed; it embeds: text" in report.failed[0].reason


def test_strings_given_as_text_are_never_opened(tmp_path, space, corpus_folder):
    index = Index(tmp_path / "index", spaces=[space])
    index.add(sw.Text(str(corpus_folder / "bread.txt")))
    assert [row.text for row in rows(index).values()] == [str(corpus_folder / "bread.txt")]


def test_texts_of_one_source_label_do_not_replace_each_other(tmp_path, space):
    index = Index(tmp_path / "index", spaces=[space])
    index.add([sw.Text("one part", source="book"), sw.Text("another part", source="book")])
    index.add(sw.Text("a third part", source="book"))
    assert len(index) == 3


def test_metadata_of_media_and_of_the_call_are_kept_and_can_be_changed(tmp_path, space):
    index = Index(tmp_path / "index", spaces=[space])
    index.add(sw.Text("a note", metadata={"author": "Ann"}), metadata=lambda media: {"length": len(media.decode())})
    assert index.search("note")[0].metadata == {"author": "Ann", "length": 6}
    report = index.add(sw.Text("a note", metadata={"author": "Bea"}))
    assert (report.added, report.updated) == (0, 1)
    assert index.search("note")[0].metadata == {"author": "Bea", "length": 6}


def test_reserved_and_nested_metadata_are_refused(tmp_path, space):
    index = Index(tmp_path / "index", spaces=[space])
    with pytest.raises(ValueError, match="source"):
        index.add(sw.Text("a"), metadata={"source": "x"})
    with pytest.raises(ValueError, match="tags"):
        index.add(sw.Text("a"), metadata={"tags": ["x"]})


@pytest.mark.parametrize("given", [lambda media: None, lambda media: [("a", 1)], "album", 5])
def test_metadata_that_are_no_dict_are_refused_with_what_was_given(tmp_path, space, given):
    index = Index(tmp_path / "index", spaces=[space])
    with pytest.raises(
        TypeError, match=r"text:.*the metadata function must return a dict|metadata must be a dict, or a function"
    ):
        index.add(sw.Text("a note"), metadata=given)


def test_a_folder_opens_again_with_its_records_and_its_space_by_name(tmp_path, space, corpus_folder, index):
    index.close()
    again = Index.open(tmp_path / "index")
    assert len(again) == 12
    assert again.info()["spaces"] == ["tiny"]
    with pytest.raises(StoreError, match=r"was not created by senseweave\.load; pass it"):
        again.search("red")
    assert Index(tmp_path / "index", spaces=[space]).search("red", k=1)[0].source.endswith("red.png")


def test_a_space_of_other_fingerprint_is_refused_with_both_named(tmp_path, tiny, index):
    other = tiny.make_space(seed="other")
    with pytest.raises(FingerprintError) as caught:
        Index(tmp_path / "index", spaces=[other])
    assert other.fingerprint in str(caught.value)
    assert tiny.make_space().fingerprint in str(caught.value)


def test_a_missing_index_is_one_clear_line(tmp_path):
    with pytest.raises(StoreError, match="there is no index here") as caught:
        Index.open(tmp_path / "nothing")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "nothing").exists()


def test_deleting_by_id_source_and_filter(index, corpus_folder, names):
    (hit,) = index.search("red", k=1)
    assert index.delete(ids=[hit.id]) == 1
    assert index.delete(sources=corpus_folder / "song.wav") == 3
    assert index.delete(filter={"modality": "text"}) == 4
    assert len(index) == 4
    with pytest.raises(ValueError, match="exactly one"):
        index.delete()


def test_one_id_may_be_given_alone_and_ids_more_than_once(index):
    first, second, _ = index.search("red", k=3)
    assert index.delete(ids=first.id) == 1
    assert index.delete(ids=[second.id, second.id, "no such id"]) == 1
    assert len(index) == 10


@pytest.mark.parametrize("wrong", [5, b"red.png", [5], [b"red.png"]])
def test_sources_to_delete_are_strings_or_paths(index, wrong):
    with pytest.raises(TypeError, match="sources must be a str, a path or a list of them, not"):
        index.delete(sources=wrong)


def test_a_text_of_a_path_is_deleted_by_it(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text("red", source=Path("notes/a.txt")), sw.Text("blue", source="letter")])
        assert index.delete(sources=Path("notes/a.txt")) == 1
        assert len(index) == 1


def test_a_hit_gives_back_its_media_under_the_indexs_policy(tmp_path, index, space, corpus_folder):
    (picture,) = index.search("green", k=1, modalities={"image"})
    assert picture.media.decode().size == (8, 8)
    (sound,) = index.search("a high sound", k=1)
    assert sound.media.span == (4.0, 6.0)
    assert len(sound.media.decode().samples) == 32_000
    (text,) = index.search("the last train", k=1)
    assert text.media.decode() == "the last train leaves at midnight"
    closed = Index(tmp_path / "index", spaces=[space], policy=sw.MediaPolicy(root=tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(MediaError, match="outside"):
        closed.search("green", k=1, modalities={"image"})[0].media.decode()


def test_media_of_a_hit_added_as_an_array_say_that_no_copy_is_kept(tmp_path, space):
    index = Index(tmp_path / "index", spaces=[space])
    index.add(sw.Image(np.full((8, 8, 3), 200, np.uint8)))
    with pytest.raises(MediaError, match="keeps no copy"):
        _ = index.search("white", k=1)[0].media


def test_progress_counts_media_to_the_end(tmp_path, space, corpus_folder):
    seen = []
    Index(tmp_path / "index", spaces=[space]).add(
        corpus_folder, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == list(range(1, 11))


def test_info_says_what_is_there(index):
    info = index.info()
    assert info["records"] == 12
    assert info["bytes"] > 0
    by_modality = {collection["modality"]: collection for collection in info["collections"]}
    assert {name: one["records"] for name, one in by_modality.items()} == {"text": 4, "image": 4, "audio": 4}
    assert by_modality["text"]["dimension"] == 64


async def test_async_calls_give_what_sync_calls_give(tmp_path, index, space, corpus_folder):
    assert await index.asearch("red", k=3) == index.search("red", k=3)
    other = Index(tmp_path / "other", spaces=[space])
    report = await other.aadd(corpus_folder)
    assert report.added == 12


def test_a_file_in_place_of_a_folder_is_refused_by_what_it_is(tmp_path, space):
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    for create in (True, False):
        with pytest.raises(StoreError, match=r"photo\.jpg is a file; an index needs a folder"):
            Index(tmp_path / "photo.jpg", [space], create=create)


@pytest.mark.parametrize("place", ["", "my\0index"])
@pytest.mark.parametrize("create", [True, False])
def test_an_impossible_path_is_no_index_in_the_working_directory(place, create, tmp_path, space, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="is not the path of a folder"):
        Index(place, [space], create=create)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [None, 7, ["my-index"]])
def test_what_is_no_place_is_refused_with_what_is(place, space):
    with pytest.raises(TypeError, match=r"an index takes a folder, an open Chroma client or a store"):
        Index(place, [space])


def test_a_folder_whose_path_is_not_unicode_is_refused_in_a_line_that_a_terminal_shows(tmp_path, space):
    place = os.path.join(tmp_path, os.fsdecode(b"caf\xe9"))
    for use in (lambda: Index(place, spaces=[space]), lambda: Index(place), lambda: Index.open(place)):
        with pytest.raises(StoreError, match=r"caf\\xe9: Chroma keeps no index in a folder whose path is not Unicode"):
            use()
    assert not os.path.exists(place)
