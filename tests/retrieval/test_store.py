"""The store under an index: rivals, shared clients, broken files, other working directories."""

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from chroma_clients import open_clients

import senseweave as sw
from senseweave.errors import SenseweaveError, StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores import chroma
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.lock import FolderLock

PROGRAM = Path(__file__).parent / "tiny_space.py"
LABELLED = [("water", "garden.txt"), ("midnight", "trains.txt"), ("dough", "bread.txt")]

KILLED_WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
import senseweave as sw
from tiny_space import make_space
index = sw.Index(sys.argv[2], spaces=[make_space()])
real, counts = index._store.store._connection.lock.advance, []
def advance():
    counts.append(real())
    if len(counts) == 1:
        print("counted", flush=True)
        sys.stdin.readline()
    return counts[-1]
index._store.store._connection.lock.advance = advance
upsert = index._store.store._connection.handle(index._store.descriptions["tiny", "text"].name).__class__.upsert
def last(self, **rows):
    upsert(self, **rows)
    os._exit(9)
index._store.store._connection.handle(index._store.descriptions["tiny", "text"].name).__class__.upsert = last
index.add(sw.Text("penguins on ice"))
"""
"""Waits after it has counted its write, writes, and dies before it can count again."""

SEARCH_AT_EXIT = """
import atexit, sys
import numpy as np
from senseweave.retrieval.stores import chroma
chroma.CORES = 2
store = chroma.ChromaStore(sys.argv[1], create=False)
atexit.register(lambda: print([rows[0].id for rows in store.query("points", np.eye(32, dtype=np.float32), 1)]))
"""


@pytest.fixture
def points(tmp_path):
    """A store of the 32 unit vectors of 32 dimensions, named by their numbers."""
    store = ChromaStore(tmp_path / "points")
    store.make("points", {"of": "test"}, 32)
    store.upsert(
        "points", [Record(str(at), row, "point", {"number": at}) for at, row in enumerate(np.eye(32, dtype=np.float32))]
    )
    yield store
    store.close()


@pytest.fixture
def rival(index, tmp_path, space):
    """A second opening of the same folder, which knows nothing of what `index` does later."""
    with Index(tmp_path / "index", spaces=[space]) as opened:
        yield opened


def slopes(index):
    described = index._store.descriptions.values()
    return [cell.get("slope") for description in described for cell in description.calibration["cells"].values()]


def test_an_open_index_ranks_with_what_another_taught_it(index, rival):
    assert set(slopes(index)) == {None}
    rival.calibrate(labels=LABELLED)
    assert None not in slopes(index)
    assert [hit.score for hit in index.search("red", k=5, fusion="platt")] == [
        hit.score for hit in rival.search("red", k=5, fusion="platt")
    ]


@pytest.mark.parametrize("change", ["delete", "calibrate", "import"])
def test_what_was_learned_elsewhere_survives_a_change_by_an_index_that_did_not_know(index, rival, tmp_path, change):
    index.export(tmp_path / "all.jsonl")
    rival.calibrate(labels=LABELLED)
    learned = slopes(rival)
    {
        "delete": lambda: index.delete(filter={"modality": "image"}),
        "calibrate": lambda: index.calibrate(["a train"]),
        "import": lambda: index.import_(tmp_path / "all.jsonl"),
    }[change]()
    with Index.open(tmp_path / "index") as fresh:
        assert slopes(fresh) == learned


def test_a_collection_that_was_emptied_after_calibrating_does_not_stop_the_next_calibration(index):
    index.delete(filter={"modality": "image"})
    index.calibrate(["a train"])
    assert index.search("red", k=1)[0].modality != "image"


def test_indexes_that_share_a_client_keep_to_their_own_collections(space, corpus_folder, own_chroma):
    import chromadb

    client = chromadb.EphemeralClient()
    plain, a, ab = (Index(client, spaces=[space], prefix=prefix) for prefix in ("", "a", "ab"))
    ab.add(corpus_folder)
    assert [len(Index(client, spaces=[space], prefix=prefix)) for prefix in ("", "a", "ab")] == [0, 0, 12]
    a.add(sw.Text("a note"))
    plain.add(sw.Text("another note"))
    plain.delete(filter={"modality": "text"})
    assert [len(Index(client, spaces=[space], prefix=prefix)) for prefix in ("", "a", "ab")] == [0, 1, 12]


@pytest.mark.integration
def test_processes_that_make_one_index_at_once_all_succeed(tmp_path, space, corpus_folder):
    files = sorted(corpus_folder.glob("*.txt"))
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(tmp_path / "new"), str(file)], stderr=subprocess.PIPE, text=True
        )
        for file in files
    ]
    for process in processes:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    with Index(tmp_path / "new", spaces=[space]) as made:
        assert len(made) == len(files)


def test_the_first_opening_waits_for_one_that_is_making_the_store(tmp_path, space):
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "chroma.sqlite3").touch()  # as the other process leaves it before its tables are there
    other = FolderLock(folder)
    with other.held(1.0), pytest.raises(StoreError, match="another process"):
        Index(folder, spaces=[space], lock_timeout=0.2)
    with Index(folder, spaces=[space]) as made:
        assert len(made) == 0


def test_a_broken_store_is_one_clear_line(tmp_path, space):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "chroma.sqlite3").write_text("hi\n")
    for _ in range(2):
        with pytest.raises(StoreError, match="the Chroma store cannot be read") as caught:
            Index(folder, spaces=[space])
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
    (folder / "chroma.sqlite3").unlink()
    with Index(folder, spaces=[space]) as made:
        assert made.add(sw.Text("a note")).added == 1


def test_a_closed_index_keeps_no_client_open(tmp_path, space):
    with Index(tmp_path / "closed", spaces=[space]) as index:
        index.add(sw.Text("penguins on ice"))
        assert str(tmp_path / "closed") in open_clients()
    assert str(tmp_path / "closed") not in open_clients()


def test_an_index_that_was_dropped_unclosed_is_closed_when_another_is_opened(tmp_path, space):
    index = Index(tmp_path / "dropped", spaces=[space])
    index.add(sw.Text("penguins on ice"))
    client = weakref.ref(index._store.store.client._server)
    del index
    gc.collect()
    with Index(tmp_path / "next", spaces=[space]):
        assert str(tmp_path / "dropped") not in open_clients()
        gc.collect()
        assert client() is None
    with Index.open(tmp_path / "dropped", spaces=[space]) as again:
        assert len(again) == 1


def test_a_client_of_the_same_folder_goes_on_when_the_index_was_dropped(tmp_path, space, own_chroma):
    import chromadb

    theirs = chromadb.PersistentClient(str(tmp_path / "shared"))
    index = Index(tmp_path / "shared", spaces=[space])
    index.add(sw.Text("penguins on ice"))
    del index
    gc.collect()
    with Index(tmp_path / "next", spaces=[space]):
        assert str(tmp_path / "shared") in open_clients()
        assert sum(collection.count() for collection in theirs.list_collections()) == 1
    theirs.close()
    assert str(tmp_path / "shared") not in open_clients()


def test_a_collection_that_was_dropped_behind_the_index_is_one_clear_line(space, own_chroma):
    import chromadb

    client = chromadb.EphemeralClient()
    made = Index(client, spaces=[space], prefix="dropped-")
    client.delete_collection("dropped-tiny-text")
    with pytest.raises(StoreError, match="is gone"):
        made.search("red")


def test_a_relative_place_stays_the_same_after_a_change_of_directory(tmp_path, space, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Index("index", spaces=[space]) as made:
        monkeypatch.chdir(tmp_path / "elsewhere")
        made.add(sw.Text("a note"))
        assert made.search("a note", k=1)[0].text == "a note"
        assert made.info()["bytes"] > 0
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_space_that_cannot_be_had_leaves_no_folder(tmp_path):
    with pytest.raises(SenseweaveError):
        Index(tmp_path / "index", spaces=["no-such-space"])
    assert not (tmp_path / "index").exists()


def test_a_write_that_is_cut_off_is_seen_by_open_readers(index, rival, monkeypatch):
    (hit,) = rival.search("red", k=1)
    description = next(
        description for description in index._store.descriptions.values() if description.modality == hit.modality
    )
    counts = iter([index._store.store._connection.lock.advance])

    def advance():
        real = next(counts, None)
        if real is None:  # the process dies before it counts what it wrote
            raise KeyboardInterrupt
        return real()

    with monkeypatch.context() as patched:
        patched.setattr(index._store.store._connection.lock, "advance", advance)
        with pytest.raises(KeyboardInterrupt):
            index._store.delete(description, [hit.id])
    assert len(rival) == 11


@pytest.mark.integration
def test_a_reader_that_opens_in_the_middle_of_a_write_sees_it_though_the_writer_is_killed(index, tmp_path, space):
    index.close()
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(PROGRAM.parent), str(tmp_path / "index")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout.readline() == "counted\n"
    with Index(tmp_path / "index", spaces=[space]) as reader:
        assert reader.search("penguins on ice", k=1)[0].text != "penguins on ice"
        writer.communicate("write\n", timeout=60)
        assert reader.search("penguins on ice", k=1)[0].text == "penguins on ice"
        seen = reader._store.store.client
        assert reader._store.store.client is seen  # settled: not opened again and again


def test_making_nothing_where_an_index_is_only_opened(tmp_path):
    with pytest.raises(StoreError, match="there is no index here"):
        ChromaStore(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("count", [1, 15, 16, 31, 32])
def test_queries_that_share_the_cores_are_answered_in_their_order(points, monkeypatch, count):
    monkeypatch.setattr(chroma, "CORES", 3)
    asked = np.eye(32, dtype=np.float32)[::-1][:count]
    found = points.query("points", asked, 2)
    assert [rows[0].id for rows in found] == [str(31 - at) for at in range(count)]
    assert all(len(rows) == 2 for rows in found)


def test_an_error_of_queries_that_share_the_cores_is_one_clear_line(points, monkeypatch):
    monkeypatch.setattr(chroma, "CORES", 2)
    with pytest.raises(StoreError, match=r"points: .*refuses a request"):
        points.query("points", np.ones((32, 5), np.float32), 1)


def test_many_queries_are_answered_while_the_process_ends(points, tmp_path):
    command = [sys.executable, "-c", SEARCH_AT_EXIT, str(tmp_path / "points")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.strip() == str([str(at) for at in range(32)]), ended.stderr
