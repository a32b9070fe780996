"""An index through kills, rivals, servers and moves."""

import os
import random
import time

import numpy as np
import pytest
from programs import kill, start_program

import senseweave as sw
from senseweave.errors import FingerprintError, StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.stores.lock import FolderLock

NOTES = 1100
"""More than the thousand after which Chroma writes its vector index to disk."""
pytestmark = pytest.mark.integration


def contents(index):
    """Ids, metadata without the time of adding, and lines of all records."""
    found = {}
    for description in index._store.descriptions.values():
        for row in index._store.get(description):
            known = {name: value for name, value in row.metadata.items() if name != "added_at"}
            found[row.id] = (description.name, known, row.text)
    return found


@pytest.fixture
def many_files(tmp_path, write_picture, write_sound):
    """Enough small files that adding them takes a while and several batches."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(NOTES):
        (folder / f"note-{number:04}.txt").write_text(f"note number {number} about subject {number % 37}")
    for number in range(100):
        write_picture(folder / f"picture-{number:03}.png", ("red", "green", "blue")[number % 3], number)
    for number in range(40):  # each at two more places: equal content, embedded once
        for copy in ("again", "at-last"):
            (folder / f"{copy}-{number:03}.txt").write_text((folder / f"note-{number:04}.txt").read_text())
    for number in range(4):
        write_sound(
            folder / f"sound-{number}.wav", ["low", "high", "middle"][: number % 3 + 1], seconds=1.0 + number / 10
        )
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moments", [3, pytest.param(20, marks=pytest.mark.kill)])
def test_an_add_killed_at_some_moments_is_completed_by_the_next(moments, tmp_path, space, many_files):
    with Index(tmp_path / "undisturbed", spaces=[space]) as whole:
        began = time.monotonic()
        whole.add(many_files)
        took = time.monotonic() - began
        expected = contents(whole)
    rng = random.Random(5)
    interrupted = 0
    indexes = -(-moments // 5)
    for attempt in range(moments):
        place = tmp_path / "killed" / str(attempt % indexes)  # several kills in a row on each index
        process = start_program("tiny_space", place, many_files)
        process.stdout.readline()  # "ready": the index is open
        time.sleep(rng.uniform(0, took / 3))
        interrupted += kill(process)
    assert interrupted >= moments / 2  # the moments were inside the work
    for number in range(indexes):
        with Index(tmp_path / "killed" / str(number), spaces=[space]) as index:
            index.add(many_files)
            assert contents(index) == expected
            hit = index.search("note number 1099", k=1, modalities={"text"})[0]
            assert hit.text == "note number 1099 about subject 26"


@pytest.mark.timeout(300)
def test_two_processes_that_add_at_once_lose_nothing(tmp_path, space, many_files):
    place = tmp_path / "shared"
    notes = sorted(many_files.glob("note-*.txt"))
    halves = [start_program("tiny_space", place, *notes[:550]), start_program("tiny_space", place, *notes[550:])]
    for process in halves:
        output, errors = process.communicate(timeout=250)
        assert process.returncode == 0, errors
        assert "550 added" in output
    with Index(place, spaces=[space]) as index:
        assert len(index) == NOTES
        for number in (0, 500, 600, NOTES - 1):
            text = f"note number {number} about subject {number % 37}"
            assert text in [hit.text for hit in index.search(text, k=3, modalities={"text"})]


@pytest.mark.timeout(300)
def test_an_open_index_sees_what_another_process_adds(tmp_path, space, many_files):
    place = tmp_path / "watched"
    notes = sorted(many_files.glob("note-*.txt"))
    with Index(place, spaces=[space]) as index:
        index.add(notes[:800])
        process = start_program("tiny_space", place, *notes[800:])
        _, errors = process.communicate(timeout=250)
        assert process.returncode == 0, errors
        assert len(index) == NOTES
        assert index.search("note number 1099", k=1)[0].text.startswith("note number 1099")
        index.add(sw.Text("a last word"))
        assert index.search("a last word", k=1)[0].text == "a last word"
    with Index(place, spaces=[space]) as again:
        assert len(again) == NOTES + 1
        for number in range(0, NOTES, 100):
            text = f"note number {number} about subject {number % 37}"
            assert text in [hit.text for hit in again.search(text, k=3)]


def test_a_writer_that_waits_in_vain_says_who_writes(tmp_path, space):
    index = Index(tmp_path / "index", spaces=[space], lock_timeout=0.2)
    rival = FolderLock(tmp_path / "index")
    with rival.held(1.0):
        rival.advance()
        with pytest.raises(StoreError, match=rf"another process \(last writer: {os.getpid()}\)"):
            index.add(sw.Text("a note"))
    assert index.add(sw.Text("a note")).added == 1


def test_an_index_moves_by_export_and_import(tmp_path, space, tiny, index):
    for name in ("plain.jsonl", "packed.jsonl.gz"):
        assert index.export(tmp_path / name) == 12
        with Index(tmp_path / name.split(".")[0], spaces=[space]) as other:
            assert other.import_(tmp_path / name) == 12
            assert contents(other) == contents(index)
            assert [(hit.id, round(hit.score, 3)) for hit in other.search("red", k=12)] == [
                (hit.id, round(hit.score, 3)) for hit in index.search("red", k=12)
            ]
    with pytest.raises(FingerprintError):
        Index(tmp_path / "strange", spaces=[tiny.make_space(seed="x")]).import_(tmp_path / "plain.jsonl")
    (tmp_path / "torn.jsonl").write_text((tmp_path / "plain.jsonl").read_text()[:5000])
    with pytest.raises(StoreError, match="not valid JSON"):
        Index(tmp_path / "torn", spaces=[space]).import_(tmp_path / "torn.jsonl")
    (tmp_path / "other.jsonl").write_text('{"hello": 1}\n')
    with pytest.raises(StoreError, match="not an exported index"):
        Index(tmp_path / "none", spaces=[space]).import_(tmp_path / "other.jsonl")


def test_a_given_client_is_used_and_left_open(space, corpus_folder, own_chroma):
    import chromadb

    client = chromadb.EphemeralClient()
    first, second = (Index(client, spaces=[space], prefix=prefix) for prefix in ("one-", "two-"))
    first.add(corpus_folder)
    assert (len(first), len(second)) == (12, 0)
    first.close()
    assert client.heartbeat() > 0
    assert second.search("red") == []


def test_a_chroma_server_holds_an_index_like_a_folder(server, space, index, corpus_folder, names):
    import chromadb

    client = chromadb.HttpClient(host="127.0.0.1", port=server.port)
    remote = Index(client, spaces=[space])
    assert remote.add(corpus_folder).added == 12
    assert remote.add(corpus_folder).added == 0
    assert contents(remote) == contents(index)
    assert names(remote.search("red", k=12)) == names(index.search("red", k=12))
    (corpus_folder / "bread-again.txt").write_text((corpus_folder / "bread.txt").read_text())
    assert (remote.add(corpus_folder).copies, index.add(corpus_folder).copies) == (1, 1)
    assert contents(remote) == contents(index)
    (hit,) = remote.search("dough", k=1, filter={"source": str(corpus_folder / "bread-again.txt")})
    assert hit.sources == (str(corpus_folder / "bread-again.txt"), str(corpus_folder / "bread.txt"))
    assert remote.delete(sources=corpus_folder / "bread.txt") == 1
    assert remote.search("dough", k=1)[0].sources == (str(corpus_folder / "bread-again.txt"),)
    assert remote.delete(filter={"modality": "image"}) == 4
    again = Index(chromadb.HttpClient(host="127.0.0.1", port=server.port), spaces=[space], create=False)
    assert len(again) == 8
    assert again.info()["bytes"] is None


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"": 1}, "non-empty str"),
        ({"$year": 1}, "does not begin with"),
        ({"chroma:document": "x"}, "does not begin with"),
        ({3: 4}, "a metadata name is a non-empty str"),
        ({"a": float("nan")}, "finite number, or None"),
        ({"a": np.float32("inf")}, "finite number, or None"),
        ({"a": 2**63}, "at most 64 bits"),
        ({"a": "\ud800"}, "lone surrogate"),
        ({"a": [1]}, "must be a str, int, float, bool or None, not list"),
        ({"source": "x"}, "is reserved for the index"),
    ],
    ids=repr,
)
def test_metadata_that_the_store_would_lose_or_refuse_are_refused_before_anything_is_written(index, metadata, says):
    before = len(index)
    for given in (metadata, lambda media: metadata):
        with pytest.raises(ValueError, match=says):
            index.add(sw.Text("something new"), metadata=given)
    assert len(index) == before


def test_metadata_and_filters_take_the_numbers_of_numpy(index):
    index.add(sw.Text("a vintage"), metadata={"year": np.int64(1990), "good": np.bool_(True), "price": np.float32(1.5)})
    (hit,) = index.search("a vintage", k=1, modalities={"text"})
    assert hit.metadata == {"year": 1990, "good": True, "price": 1.5}
    for condition in ({"year": np.int64(1990)}, {"year": [np.int16(1990), 7]}, {"good": np.bool_(True)}):
        assert [result.id for result in index.search("a vintage", filter=condition)] == [hit.id]
    assert index.search("a vintage", filter={"price": {"lt": np.float32(1.0)}}) == []
    assert index.add(sw.Text("a vintage"), metadata={"year": np.int64(1990)}).updated == 0


def test_values_of_the_user_under_names_of_the_record_end_no_run_and_do_not_vanish(tmp_path, space, write_picture):
    (tmp_path / "a.txt").write_text("some words")
    write_picture(tmp_path / "a.png", "red", 1)
    own = {"modality": "CT", "page": "iv", "start": "2024-05-01"}
    with Index(tmp_path / "index", spaces=[space]) as index:
        files = [tmp_path / "a.txt", tmp_path / "a.png"]
        assert index.add(files, metadata=own).added == 2
        assert index.add(files, metadata=own).updated == 0
        kept = {metadata.get("user_modality"): metadata for _, metadata, _ in contents(index).values()}
    assert kept[None].items() >= own.items()
    assert kept["CT"].items() >= {"modality": "image", "page": "iv", "start": "2024-05-01"}.items()
