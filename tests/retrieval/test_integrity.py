"""Damaged, partly copied and read-only folders: told when they are opened, verified, repaired."""

import json
import os
import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.integrity import child
from senseweave.retrieval.integrity.child import judge_in_child
from senseweave.retrieval.integrity.database import open_database
from senseweave.retrieval.integrity.folder import JUDGED_FILE, check_folder
from senseweave.retrieval.integrity.repair import repair_folder
from senseweave.retrieval.integrity.swap import MARK
from senseweave.retrieval.integrity.vector_files import FILES, IDS, DamageError, check_graph, check_ids, read_ids
from senseweave.retrieval.integrity.verify import verify_folder
from senseweave.retrieval.stores.memory import MemoryStore

NOTES = 1100
"""More than the thousand after which Chroma writes its vector index to disk."""


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """An index whose vectors are in files and, the last of them, in the queue."""
    folder = tmp_path_factory.mktemp("whole") / "index"
    with Index(folder, spaces=[tiny.make_space()]) as index:
        index.add([sw.Text(f"record number{i} subject{i % 31}", source=f"s{i}") for i in range(NOTES)])
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "index"))


def vectors(folder):
    """The one folder of vector files."""
    (found,) = (path.parent for path in folder.glob(f"*/{IDS}"))
    return found


def scribble(file, count=200, seed=0):
    """Overwrite bytes at random places."""
    data, chance = bytearray(file.read_bytes()), random.Random(seed)
    for _ in range(count):
        data[chance.randrange(len(data))] = chance.randrange(256)
    file.write_bytes(data)


def cut(file):
    """Cut a file off in its middle."""
    os.truncate(file, file.stat().st_size // 2)


def found_by_own_text(index):
    return sum(
        any(hit.source == f"s{i}" for hit in index.search(f"record number{i} subject{i % 31}", k=3))
        for i in range(0, NOTES, 11)
    )


def change_database(folder, *statements):
    connection = sqlite3.connect(folder / "chroma.sqlite3")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [Path.unlink, cut, scribble, lambda file: os.truncate(file, 0)])
def test_a_damaged_vector_file_is_one_line_that_says_how_to_repair_it(folder, space, name, damage):
    damage(vectors(folder) / name)
    with pytest.raises(StoreError) as caught:
        Index(folder, spaces=[space])
    told = str(caught.value)
    assert "\n" not in told
    assert str(folder) in told
    assert name in told
    assert f"senseweave repair {folder}" in told


def test_a_missing_vector_folder_is_repaired_from_the_texts(folder, space):
    shutil.rmtree(vectors(folder))
    with pytest.raises(StoreError, match=f"{NOTES} records, but its vector folder .* is missing"):
        Index.open(folder)
    with Index(folder, spaces=[space], check=False) as index:
        verified = index.verify()
        assert not verified.ok
        assert verified.records == NOTES
        lost = verified.counts["vector"]
        assert 1000 < lost < NOTES  # the last are in the queue still
        report = index.repair()
        assert (report.changed, report.embedded, report.kept, report.lost) == (True, lost, NOTES - lost, [])
        assert found_by_own_text(index) == 100  # the open index sees the new folder
        assert index.verify().ok
    with Index.open(folder, spaces=[space]) as index:
        assert len(index) == NOTES
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


def test_repaired_records_are_the_same_records(folder, space, whole):
    scribble(vectors(folder) / "data_level0.bin")
    report = repair_folder(folder, lambda _: space)
    assert 0 < report.embedded < 500  # the vectors that were not hit are taken over
    similarities = []
    with Index(whole, spaces=[space]) as before, Index(folder, spaces=[space]) as after:
        for description in before._store.descriptions.values():
            old = {record.id: record for record in before._store.get(description, vectors=True)}
            new = {record.id: record for record in after._store.get(description, vectors=True)}
            assert list(old) == list(new)
            for identifier, record in old.items():
                assert new[identifier].text == record.text
                assert new[identifier].metadata == record.metadata
                similarities.append(float(new[identifier].vector @ record.vector))
            assert after._store.descriptions[description.space, description.modality] == description
    # A changed sign leaves a vector's length as it was, so that nothing shows; a wrong record's vector would be near 0.
    assert sum(similarity < 0.9999 for similarity in similarities) <= 3
    assert min(similarities) > 0.9


def test_damaged_links_cost_no_vector(folder, space):
    scribble(vectors(folder) / "link_lists.bin")
    report = repair_folder(folder, lambda _: space)
    assert (report.kept, report.embedded) == (NOTES, 0)


def test_a_healthy_folder_is_left_as_it_is(folder, space):
    before = {path: path.stat().st_ino for path in folder.rglob("*.bin")}
    report = repair_folder(folder, lambda _: space)
    assert not report.changed
    assert report.records == NOTES
    assert before == {path: path.stat().st_ino for path in folder.rglob("*.bin")}


def test_an_emptied_queue_is_noticed_by_the_counts(folder, space):
    change_database(folder, "DELETE FROM embeddings_queue")
    with pytest.raises(StoreError, match=f"{NOTES} records, but vectors for at most 1024"):
        Index(folder, spaces=[space])
    assert repair_folder(folder, lambda _: space).embedded == NOTES - 1024


@pytest.mark.parametrize("table", ["embeddings_queue", "max_seq_id"])
def test_a_table_that_can_be_spared_is_made_again(folder, space, table):
    change_database(folder, f"DROP TABLE {table}")
    with pytest.raises(StoreError, match=f"lacks the tables {table}"):
        Index(folder, spaces=[space])
    assert repair_folder(folder, lambda _: space).records == NOTES
    with Index(folder, spaces=[space]) as index:
        assert found_by_own_text(index) == 100


@pytest.mark.parametrize("table", ["collections", "embeddings", "embedding_metadata"])
def test_what_cannot_be_rebuilt_stays_as_it_is(folder, space, table):
    change_database(folder, f"DROP TABLE {table}")
    assert verify_folder(folder).counts == {"files": 1}
    with pytest.raises(StoreError, match=f"cannot be repaired.*{table}.*backup"):
        repair_folder(folder, lambda _: space)
    assert [path.name for path in folder.parent.iterdir()] == ["index"]
    assert vectors(folder).is_dir()


def test_an_older_database_beside_newer_vectors_is_noticed(folder, space, tmp_path):
    """As when a copy is made while somebody writes."""
    newer = Path(shutil.copytree(folder, tmp_path / "newer"))
    with Index(newer, spaces=[space]) as index:
        index.delete(
            ids=[record.id for d in index._store.descriptions.values() for record in index._store.get(d)][:900]
        )
        index.add([sw.Text(f"another {i}", source=f"new{i}") for i in range(NOTES)])
    for file in vectors(newer).iterdir():
        shutil.copy(file, vectors(folder) / file.name)
    with pytest.raises(StoreError, match="have no vector"):
        Index(folder, spaces=[space])


def test_files_are_judged_once(folder, space, monkeypatch):
    runs = []
    real = subprocess.run
    monkeypatch.setattr(child.subprocess, "run", lambda *given, **more: runs.append(given) or real(*given, **more))
    for _ in range(3):
        Index(folder, spaces=[space]).close()
    assert len(runs) == 1  # a copy has other inodes: judged, and then known
    with Index(folder, spaces=[space]) as index:
        index.add([sw.Text(f"more {i}", source=f"m{i}") for i in range(NOTES)])
    Index(folder, spaces=[space]).close()
    assert len(runs) == 1  # what this process wrote is known
    os.utime(vectors(folder) / "header.bin")
    Index(folder, spaces=[space]).close()
    assert len(runs) == 2


def test_a_brought_along_judgment_is_not_believed(folder, space, tmp_path):
    Index(folder, spaces=[space]).close()
    known = json.loads((folder / JUDGED_FILE).read_text())
    scribble(vectors(folder) / "data_level0.bin")
    stamps = known[vectors(folder).name]
    os.utime(vectors(folder) / "data_level0.bin", ns=(stamps[1][2], stamps[1][2]))  # a tar keeps the time
    with pytest.raises(StoreError, match=r"data_level0\.bin"):
        Index(folder, spaces=[space])


def test_the_child_judges_and_its_death_is_no_death_of_ours(folder, monkeypatch):
    with open_database(folder) as database:
        (collection,) = [c for c in database.collections() if c.saved]
    monkeypatch.setattr(child, "judge", lambda *_, **__: pytest.fail("judged in this process"))
    judge_in_child(folder, [collection])
    monkeypatch.setattr(child, "PROGRAM", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(DamageError, match="ended a process"):
        judge_in_child(folder, [collection])


def test_no_scribble_that_is_let_through_ends_a_process(folder, tmp_path):
    """The checks of links and labels must leave nothing over that Chroma follows into nowhere."""
    segment, passed = vectors(folder), 0
    original = {name: (segment / name).read_bytes() for name in FILES}
    with open_database(folder) as database:
        (collection,) = [c for c in database.collections() if c.saved]
    for seed in range(60):
        for name, data in original.items():
            (segment / name).write_bytes(data)
        scribble(segment / FILES[seed % 5], count=1 + seed % 3, seed=seed)
        try:
            check_ids(segment, check_graph(segment))
        except DamageError:
            continue
        passed += 1
        if passed <= 6:
            try:
                judge_in_child(folder, [collection], records=False)
            except DamageError as error:
                ends = "ended a process" in str(error)
                assert not ends
    assert passed > 3


class Strange:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (os.environ["STRANGE_FOLDER"],)


def test_a_strangers_pickle_runs_nothing(folder, space, tmp_path, monkeypatch):
    trap = tmp_path / "trap"
    monkeypatch.setenv("STRANGE_FOLDER", str(trap))
    (vectors(folder) / IDS).write_bytes(pickle.dumps({"id_to_label": Strange()}))
    with pytest.raises(DamageError, match=r"not run|cannot be read"):
        read_ids(vectors(folder))
    with pytest.raises(StoreError, match=IDS):
        Index(folder, spaces=[space])
    repair_folder(folder, lambda _: space)
    assert not trap.exists()


def test_media_are_embedded_again_from_their_files(corpus_folder, space, tmp_path):
    place = tmp_path / "index"
    with Index(place, spaces=[space]) as index:
        index.add(corpus_folder)
        size = len(index)
        hits = [(hit.source, hit.modality) for hit in index.search("something red", k=20)]
    change_database(place, "DELETE FROM embeddings_queue")
    (corpus_folder / "green.png").unlink()
    (corpus_folder / "low.wav").write_bytes((corpus_folder / "song.wav").read_bytes())
    with Index(place, spaces=[space], check=False) as index:
        report = index.repair()
        assert {(problem.kind, Path(problem.sources[0]).name) for problem in report.lost} == {
            ("source missing", "green.png"),
            ("source changed", "low.wav"),
        }
        assert not report.ok
        assert report.embedded == size - 2 == len(index)
        again = [(hit.source, hit.modality) for hit in index.search("something red", k=20)]
        assert set(again) == {hit for hit in hits if not hit[0].endswith(("green.png", "low.wav"))}
        assert again[0] == hits[0]


def test_a_space_that_does_not_load_leaves_the_folder_alone(folder, space):
    shutil.rmtree(vectors(folder))

    def load(_):
        raise StoreError("no such space")

    with pytest.raises(StoreError, match="nothing was changed"):
        repair_folder(folder, load)
    assert verify_folder(folder).records == NOTES
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


def test_other_programs_collections_are_taken_over(folder, space):
    import chromadb

    client = chromadb.PersistentClient(str(folder))
    for measure in ("cosine", "l2", "ip"):
        other = client.create_collection(f"other-{measure}", configuration={"hnsw": {"space": measure}})
        rows = np.random.default_rng(1).normal(size=(1200, 4)).astype("f4") * 3
        for at in (0, 600):
            other.add(
                ids=[f"o{at + i}" for i in range(600)],
                embeddings=rows[at : at + 600],
                documents=["words"] * 600,
                metadatas=[{"n": i, "tags": ["a", "b"], "flag": True} for i in range(600)],
            )
    client.close()
    (vectors_of_ours,) = {path.parent for path in folder.glob(f"*/{IDS}")} - {
        path.parent for path in folder.glob(f"*/{IDS}") if check_graph(path.parent, cosine=False).dimension == 4
    }
    shutil.rmtree(vectors_of_ours)
    assert repair_folder(folder, lambda _: space).ok
    client = chromadb.PersistentClient(str(folder))
    for measure in ("cosine", "l2", "ip"):
        other = client.get_collection(f"other-{measure}")
        found = other.get(ids=["o700"], include=["embeddings", "documents", "metadatas"])
        np.testing.assert_allclose(found["embeddings"][0], rows[700], rtol=1e-4)
        assert found["metadatas"] == [{"n": 100, "tags": ["a", "b"], "flag": True}]
        assert other.configuration["hnsw"]["space"] == measure
    client.close()


def test_every_kind_of_bad_record_is_listed_whatever_the_store(space):
    store = MemoryStore()
    with Index(store, spaces=[space]) as index:
        index.add([sw.Text(f"words number{i}", source=f"s{i}") for i in range(9)])
        assert index.verify().ok
        description = index._store.descriptions[space.name, "text"]
        records = store._records[description.name]
        ids = list(records)

        def change(at, **values):
            records[ids[at]] = records[ids[at]].__class__(**{**records[ids[at]].__dict__, **values})

        change(0, vector=np.full(space.dimension, np.nan, np.float32))
        change(1, vector=np.zeros(space.dimension, np.float32))
        change(2, vector=np.ones(3, np.float32))
        change(3, text="")
        change(4, metadata={**records[ids[4]].metadata, "fingerprint": "0" * 16})
        change(5, metadata={**records[ids[5]].metadata, "source": "elsewhere"})
        report = index.verify()
        assert not report.ok
        assert {
            kind: sorted(name for problem in report.problems if problem.kind == kind for name in problem.ids)
            for kind in report.counts
        } == {
            "vector": sorted(ids[:3]),
            "text": [ids[3]],
            "fingerprint": [ids[4]],
            "id": sorted(ids[4:6]),
        }
        json.dumps(report.to_dict())
        with pytest.raises(StoreError, match=r"memory is not a folder.*verify"):
            index.repair()


def test_sources_are_compared_on_request(corpus_folder, space, tmp_path):
    with Index(tmp_path / "index", spaces=[space]) as index:
        (corpus_folder / "long.txt").write_text("\n\n".join(f"paragraph {i} says many words" for i in range(200)))
        index.add(corpus_folder)
        report = index.verify(sources=True)
        assert report.ok, report.problems
        assert report.sources == 11
        (corpus_folder / "bread.txt").write_text("nothing of before")
        (corpus_folder / "red.png").unlink()
        (corpus_folder / "song.wav").write_bytes(b"RIFF")
        assert index.verify().ok
        report = index.verify(sources=True)
        kinds = {Path(source).name: problem.kind for problem in report.problems for source in problem.sources}
        assert kinds == {"bread.txt": "source changed", "red.png": "source missing", "song.wav": "source changed"}


@pytest.mark.parametrize("moment", ["building", "whole", "moved", "swapped"])
def test_an_interrupted_repair_is_completed_or_undone(folder, space, moment, monkeypatch):
    """Killed at any step, the folder is the old or the new one, and nothing lies beside it afterwards."""
    from senseweave.retrieval.integrity import repair, swap

    shutil.rmtree(vectors(folder))
    real = Path.rename

    def stop(*_, **__):
        raise KeyboardInterrupt

    def stop_second(self, target):
        if self.name.endswith("-rebuilt"):
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(repair, "discard", lambda _: None)  # a killed process tidies nothing
        if moment == "building":
            patched.setattr(repair, "check_folder", stop)
        elif moment == "whole":
            patched.setattr(Path, "rename", stop)
        elif moment == "moved":
            patched.setattr(Path, "rename", stop_second)
        else:
            patched.setattr(swap.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            repair_folder(folder, lambda _: space)
    if moment in ("building", "whole"):
        with pytest.raises(StoreError, match="is missing"):
            Index.open(folder, spaces=[space])
    else:
        with Index.open(folder, spaces=[space]) as index:
            assert found_by_own_text(index) == 100
    assert [path.name for path in folder.parent.iterdir()] == ["index"]
    assert not (folder / MARK).exists()


def test_nobody_elses_folder_is_taken_for_an_old_one(folder, space):
    theirs = folder.with_name(f".{folder.name}.senseweave-replaced")
    theirs.mkdir()
    (theirs / "letter.txt").write_text("mine")
    Index(folder, spaces=[space]).close()
    assert (theirs / "letter.txt").read_text() == "mine"


READ_ONLY = """
import os, sys
sys.path.insert(0, sys.argv[2])
import tiny_space, senseweave as sw
from pathlib import Path
home = Path(sys.argv[3])
os.environ["HOME"] = os.environ["XDG_CACHE_HOME"] = str(home)

def read(index):
    assert len(index) == 1100
    assert index.search("record number7 subject7", k=1)[0].source == "s7"
    assert index.info()["records"] == 1100 and len(index.sources()) == 1100
    assert index.export(home / "export.jsonl") == 1100
    assert index.verify().ok

with sw.Index.open(sys.argv[4], spaces=[tiny_space.make_space()]) as index:
    read(index)  # imports what this needs, which the other user may not be able to read
(home / "export.jsonl").unlink()
os.setgid(65534); os.setuid(65534)
with sw.Index.open(sys.argv[1], spaces=[tiny_space.make_space()]) as index:
    read(index)
    for change in (lambda: index.add(sw.Text("new", source="n")), lambda: index.delete(sources="s1"), index.repair):
        try:
            change()
        except sw.errors.StoreError as error:
            assert "read-only" in str(error) and "\\n" not in str(error), error
        else:
            raise AssertionError("written")
    copies = list(Path(sys.argv[3], "senseweave").glob("read-only-*"))
    assert len(copies) == 1
assert not list(Path(sys.argv[3], "senseweave").glob("read-only-*"))
print("read")
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_is_searched_but_not_changed(folder, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    for parent in [folder, *folder.parents[:4]]:
        parent.chmod(0o755)
    names = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            READ_ONLY,
            str(folder),
            str(Path(__file__).parent),
            str(home),
            str(shutil.copytree(folder, tmp_path / "other")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "read\n", done.stderr[-3000:]
    assert names == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_opening_stays_cheap(folder, space):
    """Counting adds a few reads to what opening costs anyway, and loads no vector."""
    Index(folder, spaces=[space]).close()
    started = time.perf_counter()
    for _ in range(20):
        check_folder(folder)
    assert (time.perf_counter() - started) / 20 < 0.05
