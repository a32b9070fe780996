"""How the sparse vectors of an index are kept: by writers, through kills, damage and other media."""

import contextlib
import pickle
import random
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from children import check_search_and_add_in_child
from damage import cut, scribble
from programs import kill, start_program
from sparse_notes import finds, held, kept, note

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.search.sparse.space_vectors import SpaceVectors
from senseweave.retrieval.search.sparse.vector_file import VectorFile, sparse_files
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.retrieval.stores.memory import MemoryStore

pytest.importorskip("sentence_transformers")
pytest.importorskip("scipy")


def test_nothing_is_embedded_twice(sparse_folder, embedded, space):
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        index.add([note(number) for number in range(62)])
        assert embedded == [note(60).decode(), note(61).decode()]
        index.add(sw.Text(note(3).decode(), source="a copy"))
        assert len(embedded) == 2
        assert finds(index, 61)
        assert held(sparse_folder) == kept(index)


def test_what_is_deleted_is_not_found_and_not_kept(sparse_folder, space):
    with Index(sparse_folder, spaces=[space]) as index:
        index.add(sw.Text(note(3).decode(), source="a copy"))
        index.delete(sources="note 3")
        assert finds(index, 3)
        index.delete(sources="a copy")
        assert not finds(index, 3)
        assert held(sparse_folder) == kept(index)
        index.delete(filter={"modality": "text"})
        assert not index.search("n7", k=1)
        assert held(sparse_folder) == {}


def test_an_index_that_has_records_gets_a_sparse_space(tmp_path, space, sparse_model, embedded):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([note(number) for number in range(30)])
    with Index(tmp_path / "index", spaces=[space, sparse_model]) as index:
        index.add(note(30))
        assert finds(index, 7)
        assert sorted(embedded) == sorted(note(number).decode() for number in range(31))
        assert held(tmp_path / "index") == kept(index)


def test_what_was_written_by_a_program_that_knows_no_sparse_space_is_found(sparse_folder, space, monkeypatch, embedded):
    with Index(sparse_folder, spaces=[space]) as index:
        with monkeypatch.context() as patched:
            patched.setattr(type(index._sparse), "_all", lambda _: [])
            index.add(note(70))
            index.delete(sources="note 3")
        assert finds(index, 70)
        assert not finds(index, 3)
        assert embedded == [note(70).decode()]
        assert held(sparse_folder) == kept(index)


def test_an_index_that_follows_its_writers_is_not_compared_again(sparse_folder, monkeypatch, space):
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        monkeypatch.setattr(SpaceVectors, "_compare", lambda _: pytest.fail("compared"))
        index.add(note(70))
        index.delete(sources="note 3")
        assert finds(index, 70)
        assert not finds(index, 3)
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 8)


@pytest.mark.parametrize("harm", [cut, scribble, lambda path: path.write_bytes(b"no database"), Path.unlink])
def test_a_damaged_file_is_made_anew(sparse_folder, harm, space):
    (path,) = sparse_files(sparse_folder)
    harm(path)
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        assert held(sparse_folder) == kept(index)


def int32(*values):
    return np.array(values, "<i4").tobytes()


def float32(*values):
    return np.array(values, "<f4").tobytes()


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("UPDATE texts SET terms = ?, weights = ?", (int32(2**31 - 1), float32(1))),
        ("UPDATE texts SET terms = ?, weights = ?", (int32(-1_000_000), float32(1))),
        ("UPDATE texts SET terms = ?, weights = ?", (int32(1, 0), float32(1, 1))),
        ("UPDATE texts SET terms = ?, weights = ?", (int32(1, 2, 3), float32(1))),
        ("UPDATE texts SET terms = ?, weights = ?", (int32(1), float32(np.nan))),
        ("UPDATE texts SET terms = ?", (b"abc",)),
        ("UPDATE texts SET weights = ?", ("text",)),
        ("UPDATE notes SET value = ? WHERE name = 'revision'", ("many",)),
        ("UPDATE notes SET value = ? WHERE name LIKE 'statistics %'", ("{",)),
    ],
)
def test_a_wrong_value_in_the_file_is_damage_and_never_reaches_scipy(sparse_folder, space, statement, values):
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
    (path,) = sparse_files(sparse_folder)
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        assert file.execute(statement, values).rowcount > 0
    with Index(sparse_folder, spaces=[space]) as index:
        assert all(finds(index, number) for number in range(60))
        index.add(note(60))
        assert finds(index, 60)
        assert held(sparse_folder) == kept(index)


def test_damage_is_verified_and_repaired(sparse_folder, space):
    (path,) = sparse_files(sparse_folder)
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        assert not index.verify().problems
    path.write_bytes(b"no database")
    with Index(sparse_folder, spaces=[space]) as index:
        assert [problem.kind for problem in index.verify().problems] == ["words"]
        index.repair()
        assert not index.verify().problems
        assert finds(index, 7)


def test_a_full_disk_leaves_new_vectors_in_memory(sparse_folder, monkeypatch, space):
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        real = VectorFile.changing

        def full(file, *arguments):
            if file.path is not None:
                raise sqlite3.OperationalError("database or disk is full")
            return real(file, *arguments)

        monkeypatch.setattr(VectorFile, "changing", full)
        index.add(note(70))
        assert finds(index, 70)
        assert finds(index, 7)


def test_a_read_only_folder_is_searched(sparse_folder, monkeypatch, space):
    with Index(sparse_folder, spaces=[space]) as index:
        index.add(note(61))
    monkeypatch.setattr("senseweave.retrieval.search.kept_file.is_read_only", lambda _: True)
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 61)
    (path,) = sparse_files(sparse_folder)
    path.unlink()
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 61)
    assert not path.exists()


def test_vectors_of_a_store_in_memory(space, sparse_model):
    with Index(MemoryStore(), spaces=[space, sparse_model]) as index:
        index.add([note(number) for number in range(20)])
        assert finds(index, 7)
        index.delete(sources="note 7")
        assert not finds(index, 7)


def test_two_indexes_of_one_folder_keep_their_vectors_apart(tmp_path, space, tiny, sparse_model):
    one = Index(tmp_path / "index", spaces=[space, sparse_model], prefix="one-")
    two = Index(tmp_path / "index", spaces=[tiny.make_space(), sparse_model], prefix="two-")
    with one, two:
        one.add(note(1))
        two.add([note(number) for number in (2, 3)])
        assert finds(two, 2)
        assert one.search("n2", k=5)[0].text == note(1).decode()
        assert len(sparse_files(tmp_path / "index")) == 2


def test_what_is_imported_is_ranked_by_the_space_of_this_index(sparse_folder, tmp_path, space, sparse_model):
    with Index(sparse_folder, spaces=[space]) as index:
        index.export(tmp_path / "all.jsonl")
    with Index(tmp_path / "other", spaces=[space, sparse_model]) as other:
        assert other.import_(tmp_path / "all.jsonl") == 60
        assert finds(other, 7)
        assert held(tmp_path / "other") == kept(other)
    with Index(tmp_path / "plain", spaces=[space]) as plain:
        plain.import_(tmp_path / "all.jsonl")
        assert "sparse" not in plain.info()


def test_an_index_is_pickled_with_its_sparse_space(tmp_path, sparse_model):
    with Index(tmp_path / "index", spaces=["starter", sparse_model]) as index:
        index.add([note(number) for number in range(9)])
        with pickle.loads(pickle.dumps(index)) as copy:
            assert finds(copy, 7)
            assert copy.info()["sparse"] == index.info()["sparse"]


def test_a_forked_child_searches_and_adds(sparse_folder, space):
    with Index(sparse_folder, spaces=[space]) as index:
        check_search_and_add_in_child(index, note, finds)


def test_a_text_without_a_vector_is_told_in_the_report(sparse_folder, monkeypatch, space):
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        model = sw.load_sparse(index.info()["sparse"][0]["space"]).model._loaded()
        real = model.encode_document

        def encode(texts, **options):
            rows = real(texts, **options)
            for at, text in enumerate(texts):
                if "n70 " in text:
                    rows[at] = float("nan")
            return rows

        monkeypatch.setattr(model, "encode_document", encode)
        report = index.add([note(70), note(71)])
        assert list(report.partial) == ["note 70"]
        assert "not finite" in report.partial["note 70"][0]
        assert finds(index, 71)
        assert "Valve n70 of hall 0 was looked at." in [hit.text for hit in index.search("n70", k=62)]


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moments", [3, pytest.param(12, marks=pytest.mark.kill)])
def test_a_writer_killed_at_any_moment_loses_no_vector_and_leaves_none(sparse_folder, tmp_path, moments, space):
    notes = tmp_path / "notes"
    notes.mkdir()
    rng = random.Random(3)
    interrupted = 0
    for attempt in range(moments):
        for number in range(600 * attempt, 600 * attempt + 600):  # each writer has as much to do
            (notes / f"{number}.txt").write_text(f"Valve n{number + 100} of hall {number % 5} was looked at.")
        writes = FolderLock(sparse_folder).generation() + rng.randint(1, 4)
        process = start_program("tiny_space", sparse_folder, notes)
        while FolderLock(sparse_folder).generation() < writes and process.poll() is None:
            time.sleep(0.002)
        interrupted += kill(process)
        with Index(sparse_folder, spaces=[space]) as index:
            index.search("n101")
            assert held(sparse_folder) == kept(index), attempt
            for record in [record.id for record in index.records()][: attempt * 7]:
                index.delete(ids=record)
            index.search("n101")
            assert held(sparse_folder) == kept(index), attempt
    assert interrupted  # a moment at least was inside the work
