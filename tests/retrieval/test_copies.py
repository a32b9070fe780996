"""Content of several files: a record for each, embedded once, shown once with all sources."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.stores import copies
from senseweave.retrieval.stores.chroma import ChromaStore


@pytest.fixture
def albums(tmp_path, write_picture):
    """One picture in three albums, and another in one of them."""
    for name in ("alps", "best", "cards"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        write_picture(tmp_path / "photos" / name / "sunset.png", "red")
    write_picture(tmp_path / "photos" / "best" / "lake.png", "blue")
    return tmp_path / "photos"


def album_and_rank(media):
    return {"album": Path(media.source).parent.name, "rank": len(Path(media.source).parent.name)}


@pytest.fixture
def photos(tmp_path, space, albums):
    with Index(tmp_path / "photo-index", spaces=[space]) as index:
        report = index.add(albums, metadata=album_and_rank)
        assert (report.added, report.copies) == (2, 2)
        yield index


def places(hit):
    return [Path(source).parent.name for source in hit.sources]


def test_a_picture_in_three_albums_is_one_hit_that_names_all_three(photos):
    first, second = photos.search("red", k=5)
    assert places(first) == ["alps", "best", "cards"]
    assert first.source == first.sources[0]
    assert (places(second), len(photos)) == (["best"], 4)


def test_a_hit_is_read_from_another_place_when_its_file_has_gone(photos, albums):
    (hit, _) = photos.search("red", k=2)
    (albums / "alps" / "sunset.png").unlink()
    assert hit.media.source == str(albums / "best" / "sunset.png")
    assert hit.media.decode() is not None


def test_what_was_added_as_bytes_is_read_from_a_file_of_the_same_content(tmp_path, space, albums):
    file = albums / "alps" / "sunset.png"
    with Index(tmp_path / "bytes-index", spaces=[space]) as index:
        index.add([file.read_bytes()])
        with pytest.raises(sw.MediaError, match="keeps no copy"):
            _ = index.search("red", k=1)[0].media
        index.add([file])
        assert index.search("red", k=1)[0].media.source == str(file)


def test_a_report_counts_places_in_words(tmp_path, photos, albums):
    assert str(photos.add(albums)) == "0 added, 4 skipped, 0 failed"
    (tmp_path / "again.png").write_bytes((albums / "best" / "lake.png").read_bytes())
    assert str(photos.add(tmp_path / "again.png")) == "0 added, 1 copy, 0 failed"


def test_every_place_is_among_the_sources(photos, albums):
    assert set(photos.sources()) == {str(file) for file in albums.rglob("*.png")}


def test_a_filter_finds_content_by_what_holds_at_any_of_its_places(photos):
    (hit, _) = photos.search("red", filter={"album": "best"})
    assert (places(hit)[0], hit.metadata["album"]) == ("best", "best")
    assert set(places(hit)) == {"alps", "best", "cards"}
    (hit,) = photos.search("red", filter={"rank": {"gt": 4}})
    assert places(hit)[0] == "cards"
    assert photos.search("red", filter={"album": "cards", "rank": 4}) == []  # each holds, but at no place both
    assert [hit.source for hit in photos.search("red", filter={"source": hit.source})] == [hit.source]


def test_hits_by_another_place_rank_as_by_the_first(photos):
    everywhere = photos.search("red", k=2)
    best = photos.search("red", k=2, filter={"album": "best"}, diversity=0.0)
    assert [hit.sha256 for hit in best] == [hit.sha256 for hit in everywhere]
    assert [hit.score for hit in best] == pytest.approx([hit.score for hit in everywhere], abs=1e-4)
    (second,) = photos.search("red", k=1, offset=1, filter={"album": "best"})
    assert second.sha256 == everywhere[1].sha256


def test_a_page_holds_as_many_contents_under_any_filter(tmp_path, space):
    with Index(tmp_path / "letters", spaces=[space]) as index:
        for shelf in range(3):
            index.add(
                [
                    sw.Text(f"letter {n} about {n % 7}", source=f"shelf {shelf}, {n}", metadata={"shelf": shelf})
                    for n in range(60)
                ]
            )
        asked = [{"shelf": 2}, {"shelf": {"gt": 0}}, {"shelf": [0, 2]}, {"and": [{"shelf": 1}, {"shelf": 2}]}]
        found = [index.search("letter 17 about 3", k=12, filter=condition) for condition in asked]
        everything = index.search("letter 17 about 3", k=12)
    assert [len(hits) for hits in found] == [12, 12, 12, 0]
    for hits in found[:3]:
        assert [hit.raw_score for hit in hits] == pytest.approx([hit.raw_score for hit in everything], abs=1e-5)
        assert len({hit.text for hit in hits}) == 12
    assert {hit.metadata["shelf"] for hit in found[0]} == {2}


def test_adding_the_same_folder_again_changes_no_place(photos, albums):
    before = [
        (row.id, row.metadata)
        for description in photos._store.descriptions.values()
        for row in standing(photos, description)
    ]
    report = photos.add(albums, metadata=album_and_rank)
    assert (report.added, report.copies, report.skipped, report.updated) == (0, 0, 4, 0)
    after = [
        (row.id, row.metadata)
        for description in photos._store.descriptions.values()
        for row in standing(photos, description)
    ]
    assert after == before


def standing(index, description):
    return list(index._store.get(description))


@pytest.mark.parametrize("leaving", ["alps", "best", "cards"])
def test_deleting_one_source_keeps_the_content_under_the_others(photos, albums, leaving):
    assert photos.delete(sources=albums / leaving / "sunset.png") == 1
    hit = photos.search("red", k=1, filter={"source": {"ne": "x"}})[0]
    left = [name for name in ("alps", "best", "cards") if name != leaving]
    assert places(hit) == left
    assert hit.metadata == {"album": left[0], "rank": 4 if left[0] != "cards" else 5}
    assert len(photos) == 3


def test_content_goes_with_its_last_source(photos, albums):
    assert photos.delete(sources=[albums / "alps" / "sunset.png", albums / "cards" / "sunset.png"]) == 2
    assert photos.delete(filter={"album": "best"}) == 2
    assert (len(photos), photos.sources()) == (0, {})


def test_deleting_by_id_removes_the_content_from_all_places(photos):
    assert photos.delete(ids=photos.search("red", k=1)[0].id) == 3
    assert {Path(source).name for source in photos.sources()} == {"lake.png"}


def test_sync_takes_away_the_place_that_is_gone_and_keeps_the_others(photos, albums):
    (albums / "alps" / "sunset.png").unlink()
    (albums / "cards" / "sunset.png").unlink()
    report = photos.add(albums, metadata=album_and_rank, sync=True)
    assert (report.deleted, report.added) == (2, 0)
    assert places(photos.search("red", k=1)[0]) == ["best"]


def test_a_file_that_changed_leaves_its_old_content_to_its_copies(photos, albums, write_picture):
    write_picture(albums / "alps" / "sunset.png", "green")
    report = photos.add(albums, metadata=album_and_rank)
    assert (report.added, report.replaced) == (1, 1)
    assert places(photos.search("red", k=1)[0]) == ["best", "cards"]
    assert places(photos.search("green", k=1)[0]) == ["alps"]


def test_files_of_equal_content_that_cannot_be_read_all_keep_what_they_held(index, corpus_folder):
    for name in ("red.png", "green.png"):
        (corpus_folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    report = index.add(corpus_folder)
    assert {Path(error.source).name for error in report.failed} == {"red.png", "green.png"}
    assert (report.replaced, len(index)) == (0, 12)


def test_a_copy_that_moved_takes_its_new_place(photos, albums):
    (albums / "best" / "sunset.png").rename(albums / "best" / "evening.png")
    report = photos.add(albums, metadata=album_and_rank)
    assert (report.copies, report.updated) == (0, 1)
    assert {Path(source).name for source in photos.search("red", k=1)[0].sources} == {"sunset.png", "evening.png"}
    assert len(photos.sources()) == 4


def test_metadata_of_a_copy_can_be_changed(photos, albums):
    report = photos.add(albums / "best" / "sunset.png", metadata={"album": "very best"})
    assert (report.updated, report.copies) == (1, 0)
    assert photos.search("red", k=1, filter={"album": "very best"})[0].metadata == {"album": "very best", "rank": 4}
    assert photos.search("red", k=1, filter={"album": "alps"})[0].metadata["album"] == "alps"


def test_windows_of_one_recording_under_two_names_all_know_both(tmp_path, index, corpus_folder):
    (corpus_folder / "song-again.wav").write_bytes((corpus_folder / "song.wav").read_bytes())
    assert index.add(corpus_folder).copies == 3
    (hit,) = index.search("a high sound", k=1, modalities={"audio"})
    assert [Path(source).name for source in hit.sources] == ["song.wav", "song-again.wav"]
    assert index.delete(sources=corpus_folder / "song.wav") == 3
    assert index.search("a high sound", k=1, modalities={"audio"})[0].source.endswith("song-again.wav")


def test_copies_move_by_export_and_import(tmp_path, space, photos):
    photos.export(tmp_path / "photos.jsonl")
    with Index(tmp_path / "moved", spaces=[space], prefix="other-") as other:
        other.import_(tmp_path / "photos.jsonl")
        assert other.sources() == photos.sources()
        assert places(other.search("red", k=1)[0]) == places(photos.search("red", k=1)[0])


def test_labelled_answers_may_name_any_place(photos):
    photos.calibrate(labels=[("red", "cards/sunset.png"), ("blue", "lake.png")])
    assert photos.search("red", k=1, fusion="platt")[0].score > 0.5


def test_an_open_index_learns_of_copies_that_another_one_adds(tmp_path, space, albums, own_chroma):
    import chromadb

    clients = [tmp_path / "folder", chromadb.EphemeralClient()]
    for client in clients:
        reader, writer = (Index(client, spaces=[space], prefix="learn-") for _ in range(2))
        writer.add(albums / "alps")
        assert places(reader.search("red", k=1)[0]) == ["alps"]
        writer.add(albums / "cards")
        assert places(reader.search("red", k=1)[0]) == ["alps", "cards"]


def test_texts_of_equal_words_keep_every_label(tmp_path, space):
    with Index(tmp_path / "labels", spaces=[space]) as index:
        index.add([sw.Text("all rights reserved", source=name) for name in ("first book", "second book")])
        assert index.search("rights")[0].sources == ("first book", "second book")


def test_an_import_replaces_records_and_keeps_the_places_that_it_does_not_name(tmp_path, space, photos, albums):
    photos.export(tmp_path / "photos.jsonl")
    picture = (albums / "alps" / "sunset.png").read_bytes()
    (tmp_path / "here.png").write_bytes(picture)
    with Index(tmp_path / "other", spaces=[space]) as other:
        other.add([tmp_path / "here.png", albums / "cards" / "sunset.png"], metadata={"album": "mine", "mood": "calm"})
        for _ in range(2):
            other.import_(tmp_path / "photos.jsonl")
            (hit,) = other.search("red", k=1)
            assert set(hit.sources) == {str(tmp_path / "here.png"), *map(str, albums.rglob("sunset.png"))}
            assert hit.metadata == {"album": "alps", "rank": 4}
            (mine,) = other.search("red", k=1, filter={"mood": "calm"})
            assert (Path(mine.source).name, mine.metadata) == ("here.png", {"album": "mine", "mood": "calm"})
            cards = other.search("red", k=1, filter={"album": "cards"})[0].metadata
            assert cards == {"album": "cards", "rank": 5}


def test_thousands_of_sources_are_deleted_at_once(photos, albums):
    names = [f"/nowhere/{n}.png" for n in range(40_000)]
    assert photos.delete(sources=[*names, albums / "alps" / "sunset.png", albums / "best" / "sunset.png"]) == 2
    assert places(photos.search("red", k=1)[0]) == ["cards"]
    assert photos.delete(sources=[]) == 0


def test_a_text_that_became_its_only_passage_says_no_more_where_it_stood(tmp_path, space):
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    with Index(tmp_path / "passages", spaces=[space]) as index:
        for file in (first, second):
            file.write_text("passage that goes.\n\nit stays")
        assert index.add([first, second], characters=20).copies == 2
        assert index.search("it stays", k=1)[0].metadata == {"character_start": 20, "character_end": 28}
        for file in (first, second):
            file.write_text("it stays")
        assert index.add([first, second], characters=20).updated == 2
        for file in (first, second):
            (hit,) = index.search("it stays", filter={"source": str(file)})
            assert hit.metadata == {}
        assert index.add([first, second], characters=20).updated == 0


def test_equal_content_is_embedded_once_whenever_it_is_added(tmp_path, tiny, albums, monkeypatch):
    embedded = []
    forward = tiny.Colours.forward
    monkeypatch.setattr(tiny.Colours, "forward", lambda self, batch: (embedded.extend(batch), forward(self, batch))[1])
    place = tmp_path / "once"
    with Index(place, spaces=[tiny.make_space()]) as index:
        index.add(albums)
    assert len(embedded) == 2
    (albums / "new").mkdir()
    (albums / "best" / "lake.png").rename(albums / "new" / "lake.png")
    (albums / "new" / "sunset.png").write_bytes((albums / "alps" / "sunset.png").read_bytes())
    with Index(place, spaces=[tiny.make_space()]) as index:  # a space that has cached nothing
        report = index.add(albums / "new")
        assert (report.added, report.copies, report.updated) == (0, 1, 1)
        assert [Path(source).parent.name for source in index.sources() if source.endswith("lake.png")] == ["new"]
    assert len(embedded) == 2


def test_clients_of_a_server_that_add_equal_content_lose_no_source(space, tmp_path, write_picture, own_chroma):
    import chromadb

    client = chromadb.EphemeralClient()
    picture = write_picture(tmp_path / "logo.png", "red").read_bytes()
    rivals = [Index(client, spaces=[space], prefix="race-") for _ in range(4)]
    files = [[tmp_path / f"{rival}-{number}.png" for number in range(5)] for rival in range(4)]
    for group in files:
        for file in group:
            file.write_bytes(picture)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda pair: pair[0].add(pair[1]), zip(rivals, files, strict=True)))
    assert set(rivals[0].sources()) == {str(file) for group in files for file in group}
    (hit,) = rivals[0].search("red", k=5)
    assert len(hit.sources) == 20


@pytest.fixture
def sources_asked(monkeypatch):
    """Hashes of contents whose sources searches ask the store for."""
    asked = []
    get = ChromaStore.get

    def counted(self, name, **options):
        if options.get("condition") is not None:
            asked.extend(options["condition"].value)
        return get(self, name, **options)

    monkeypatch.setattr(ChromaStore, "get", counted)
    return asked


def test_a_search_asks_for_the_sources_of_content_with_several_alone(photos, sources_asked):
    hits = photos.search("red", k=5)
    assert [places(hit) for hit in hits] == [["alps", "best", "cards"], ["best"]]
    assert sources_asked == [hits[0].sha256]


def test_a_search_asks_for_no_sources_where_each_content_has_one(tmp_path, space, sources_asked):
    texts = [sw.Text(f"a dog {number}", source=f"note {number}") for number in range(4)]
    with Index(tmp_path / "notes", spaces=[space]) as index:
        index.add(texts)
        sources_asked.clear()
        assert [len(hit.sources) for hit in index.search("a dog")] == [1] * 4
        assert sources_asked == []


def test_an_open_index_learns_of_copies_that_another_adds(tmp_path, space, albums):
    (album, *others) = sorted(albums.glob("*/sunset.png"))
    with Index(tmp_path / "shared", spaces=[space]) as reader, Index(tmp_path / "shared", spaces=[space]) as writer:
        writer.add(album)
        assert places(reader.search("red", k=1)[0]) == ["alps"]
        writer.add(others)
        assert places(reader.search("red", k=1)[0]) == ["alps", "best", "cards"]


def test_copies_are_noted_before_they_are_written(tmp_path, space, albums, monkeypatch):
    (album, *others) = sorted(albums.glob("*/sunset.png"))
    upsert = ChromaStore.upsert

    def killed(self, name, records):
        upsert(self, name, records)
        raise KeyboardInterrupt

    with Index(tmp_path / "killed", spaces=[space]) as index:
        index.add(album)
        monkeypatch.setattr(ChromaStore, "upsert", killed)
        with pytest.raises(KeyboardInterrupt):
            index.add(others)
        with Index(tmp_path / "killed", spaces=[space]) as other:
            assert places(other.search("red", k=1)[0]) == ["alps", "best", "cards"]


def test_sources_are_all_found_where_more_contents_have_several_than_are_noted(tmp_path, space, monkeypatch):
    monkeypatch.setattr(copies, "MOST_COPIES", 2)
    with Index(tmp_path / "many", spaces=[space]) as index:
        for source in ("first", "second"):
            index.add([sw.Text(f"a dog {number}", source=f"{source} {number}") for number in range(4)])
        assert [len(hit.sources) for hit in index.search("a dog")] == [2] * 4


def test_sources_are_all_found_where_a_client_wrote_to_the_folder_of_an_index(tmp_path, space, own_chroma):
    import chromadb

    with Index(tmp_path / "folder", spaces=[space]) as index:
        index.add(sw.Text("a dog", source="first"))
    client = chromadb.PersistentClient(str(tmp_path / "folder"))
    Index(client, spaces=[space]).add(sw.Text("a dog", source="second"))
    with Index(tmp_path / "folder", spaces=[space]) as index:
        assert index.search("a dog", k=1)[0].sources == ("first", "second")


def test_passages_of_one_text_are_no_copies_of_each_other(tmp_path, space, sources_asked):
    with Index(tmp_path / "pages", spaces=[space]) as index:
        index.add([sw.Text("a dog. " * 40, source="long")], characters=60)
        sources_asked.clear()
        assert {hit.sources for hit in index.search("a dog", k=3)} == {("long",)}
        assert sources_asked == []
