"""Damaged and partly copied folders: told when they are opened, verified, repaired."""

import json
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
from damage import NOTES, change_database, cut, found_by_own_text, scribble, vectors

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.integrity import child
from senseweave.retrieval.integrity.child import judge_in_child
from senseweave.retrieval.integrity.database import open_database
from senseweave.retrieval.integrity.folder import JUDGED_FILE
from senseweave.retrieval.integrity.repair import repair_folder
from senseweave.retrieval.integrity.vector_files import FILES, IDS, DamageError, check_graph, check_ids, read_ids
from senseweave.retrieval.integrity.verify import verify_folder


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


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: os.truncate(file, 0)])
@pytest.mark.parametrize("vectors_too", [False, True])
def test_an_index_whose_database_is_gone_is_not_replaced_by_an_empty_one(folder, space, damage, vectors_too):
    damage(folder / "chroma.sqlite3")
    if vectors_too:
        shutil.rmtree(vectors(folder))
    before = sorted(folder.rglob("*"))
    for options in ({}, {"check": False}, {"create": False}):
        with pytest.raises(
            StoreError, match=r"there was an index here, but chroma.sqlite3 is (missing|empty)"
        ) as caught:
            Index(folder, spaces=[space], **options)
        assert "\n" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before


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
