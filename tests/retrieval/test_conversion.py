"""Indexes that version 0.1 wrote: opened as they are, and converted by the next write with nothing lost."""

import tarfile
from pathlib import Path

import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.records.conversion import SUFFIX
from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.schema import read_metadata

DATA = Path(__file__).parent / "data"
SOURCES = {
    "/photos/alps/sunset.png": {"image"},
    "/photos/best/lake.png": {"image"},
    "/photos/best/sunset.png": {"image"},
    "/photos/song.wav": {"audio"},
    "/photos/song-again.wav": {"audio"},
    "first book": {"text"},
    "second book": {"text"},
    "garden notes": {"text"},
}
"""What `Index.sources` of 0.1 gave for the folder."""


@pytest.fixture
def old_folder(tmp_path):
    """A folder that `senseweave.Index` of 0.1 made, with content of several sources in each modality."""
    with tarfile.open(DATA / "index-0.1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "index-0.1"


def test_an_old_index_opens_and_answers_before_it_is_converted(old_folder, space):
    with Index(old_folder, spaces=[space], create=False) as index:
        assert index.search("red", k=1)[0].source == "/photos/alps/sunset.png"
        assert len(index) == 7
        assert index.search("tomatoes", k=1)[0].page == 3


def test_the_next_write_gives_every_source_its_record(old_folder, space):
    with Index(old_folder, spaces=[space]) as index:
        before = {hit.text: round(hit.raw_score, 4) for hit in index.search("red", k=20)}
        assert index.add(sw.Text("a new note")).added == 1
        assert {name: kinds for name, kinds in index.sources().items() if not name.startswith("text:")} == SOURCES
        (sunset,) = index.search("red", k=1)
        assert sunset.sources == ("/photos/alps/sunset.png", "/photos/best/sunset.png")
        assert index.search("red", k=1, filter={"album": "best"})[0].source == "/photos/best/sunset.png"
        (song,) = index.search("a high sound", k=1, modalities={"audio"})
        assert set(song.sources) == {"/photos/song.wav", "/photos/song-again.wav"}
        assert index.search("rights", k=1)[0].sources == ("first book", "second book")
        garden = index.search("tomatoes", k=1)[0]
        assert (garden.page, garden.metadata) == (3, {"year": 2024})
        after = {hit.text: round(hit.raw_score, 4) for hit in index.search("red", k=20)}
        assert {text: score for text, score in after.items() if text != "a new note"} == before
        assert not [name for name in index._store.store.collections() if name.endswith(SUFFIX)]
        for description in index._store.descriptions.values():
            for record in index._store.get(description):
                assert record.id == record_id(read_metadata(record.metadata))
    with Index(old_folder, spaces=[space]) as again:
        assert set(again.sources()) > set(SOURCES)


def test_a_conversion_that_was_killed_is_completed_by_the_next_write(old_folder, space, monkeypatch):
    with Index(old_folder, spaces=[space]) as index:
        store, deleted = index._store.store, []
        delete = type(store).delete

        def killed(self, name, ids):
            if deleted:
                raise KeyboardInterrupt
            deleted.extend(ids)
            delete(self, name, ids)

        with monkeypatch.context() as patched:
            patched.setattr(type(store), "delete", killed)
            with pytest.raises(KeyboardInterrupt):
                index.add(sw.Text("a new note"))
        assert index.add(sw.Text("a new note")).added == 1
        assert {name: kinds for name, kinds in index.sources().items() if not name.startswith("text:")} == SOURCES


def test_an_old_export_is_imported_with_every_source(tmp_path, space):
    with Index(tmp_path / "new", spaces=[space]) as index:
        assert index.import_(DATA / "index-0.1.jsonl.gz") == 7
        assert index.sources() == SOURCES
        assert index.search("red", k=1)[0].sources == ("/photos/alps/sunset.png", "/photos/best/sunset.png")
        report = index.add([sw.Text("all rights reserved", source="first book")])
        assert (report.added, report.copies, report.skipped) == (0, 0, 1)
