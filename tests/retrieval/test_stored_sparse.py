"""Sparse vectors of an index on Qdrant: kept in the store for all who use it, through every change."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from sparse_notes import finds, note

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.search import rows_beside
from senseweave.retrieval.search.sparse.store_vectors import NOTES, NOTHING, StoreVectors
from senseweave.retrieval.stores.base import SparseRow
from senseweave.retrieval.stores.qdrant import QdrantStore

pytest.importorskip("sentence_transformers")
pytest.importorskip("scipy")
pytest.importorskip("qdrant_client", reason="needs qdrant-client")


@pytest.fixture(params=["folder", "server"])
def place(request, tmp_path):
    if request.param == "server":
        from qdrant_server import qdrant_server

        with qdrant_server() as running:
            yield running.url
    else:
        yield tmp_path / "qdrant"


@pytest.fixture
def server():
    from qdrant_server import qdrant_server

    with qdrant_server() as running:
        yield running


@pytest.fixture
def open_index(space, sparse_model):
    """Open indexes on Qdrant, each with a store of its own, and close them after the test."""
    with contextlib.ExitStack() as stack:

        def open_index(place, **options):
            store = sw.stores.Qdrant(place, **options)
            stack.callback(store.close)
            return stack.enter_context(Index(store, spaces=[space, sparse_model]))

        yield open_index


def rows(index):
    """Return what is kept in the store by the id of the record."""
    store = index._store.store
    (name,) = [name for name in store.collections() if "-sparse-" in name]
    return {row.id: row for row in store.sample_sparse(name, 100_000) if row.id != NOTES}


def is_whole(index):
    """Return whether every record has a row, with a vector, and nothing else has."""
    kept = rows(index)
    return kept.keys() == {record.id for record in index.records()} and all(len(row.terms) for row in kept.values())


def test_scores_are_those_of_a_folder(place, open_index, tmp_path, space, sparse_model):
    stored = open_index(place)
    with Index(tmp_path / "index", spaces=[space, sparse_model]) as folder:
        for index in (stored, folder):
            index.add([note(number) for number in range(60)], metadata={"floor": 1})
            index.add([note(number) for number in range(60, 80)], metadata={"floor": 2})
        for query in ("n7", "valve n61 hall", "n3 looked", sw.Query([("n7", 1.0), ("n9", 0.5)]), "nothing known"):
            for options in ({}, {"filter": {"floor": 2}}, {"words": True}, {"offset": 5}):
                expected = folder.search(query, k=8, **options)
                found = stored.search(query, k=8, **options)
                assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-3)
        assert finds(stored, 7)
        assert finds(stored, 71)


def test_vectors_are_the_models_own(place, open_index, sparse_model):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    sparse = sw.load_sparse(sparse_model)
    kept = rows(index)
    for record in index.records():
        (expected,) = sparse.embed_text([record.text]).toarray()
        np.testing.assert_array_equal(kept[record.id].terms, np.flatnonzero(expected))
        np.testing.assert_allclose(kept[record.id].weights, expected[kept[record.id].terms], rtol=1e-6)


def test_a_text_is_embedded_once_whoever_opens_the_store(place, open_index, embedded):
    first = open_index(place)
    first.add([note(number) for number in range(30)])
    assert len(embedded) == 30
    assert finds(first, 7)
    first.close()
    first._store.store.close()
    again = open_index(place)
    assert finds(again, 7)
    again.add([note(number) for number in range(30)])
    assert len(embedded) == 30


def test_nothing_is_held_in_memory(place, open_index):
    index = open_index(place)
    index.add([note(number) for number in range(30)])
    assert finds(index, 7)
    (kept,) = index._sparse._kept.values()
    assert isinstance(kept, StoreVectors)
    assert kept._in_memory is None


def test_what_another_client_writes_and_deletes_shows_at_once(server, open_index, embedded):
    one = open_index(server.url)
    one.add([note(number) for number in range(30)])
    other = open_index(server.url)
    assert finds(other, 7)
    one.add(note(41))
    other.add(note(42))
    assert finds(other, 41)
    assert finds(one, 42)
    other.delete(sources=["note 41", "note 7"])
    assert not finds(one, 41)
    assert not finds(one, 7)
    assert is_whole(one)
    assert len(embedded) == len(set(embedded)) == 32


def test_a_replaced_text_has_its_new_vector(place, open_index, tmp_path):
    index = open_index(place)
    file = tmp_path / "valve.txt"
    index.add([note(number) for number in range(20)])
    file.write_text("Valve n51 of hall 3 was looked at.")
    index.add(file)
    assert finds(index, 51)
    file.write_text("Valve n52 of hall 3 was looked at.")
    index.add(file)
    assert finds(index, 52)
    assert not finds(index, 51)
    assert is_whole(index)


def test_a_record_of_the_same_id_with_another_text_is_embedded_anew(place, open_index):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    (description,) = [known for known in index._store.descriptions.values() if known.modality == "text"]
    (record,) = [each for each in index._store.get(description, vectors=True) if "n7 " in each.text]
    changed = sw.retrieval.records.schema.Record(
        record.id, record.vector, record.text.replace("n7 ", "n77 "), record.metadata
    )
    index._store.upsert(description, [changed])
    assert finds(index, 77)
    assert not finds(index, 7)


def test_records_of_a_program_that_knows_no_sparse_spaces_are_embedded_by_the_next_search(
    place, open_index, embedded, monkeypatch
):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    assert finds(index, 7)
    with monkeypatch.context() as before:
        before.setattr(index._store, "observers", [])
        index.add([note(number) for number in range(20, 25)])
    assert finds(index, 22)
    assert is_whole(index)
    assert len(embedded) == 25


def test_rows_of_records_that_are_gone_are_no_answers_and_go(place, open_index, monkeypatch):
    monkeypatch.setattr(rows_beside, "PAGE", 5)
    index = open_index(place)
    index.add([note(number) for number in range(40)])
    assert finds(index, 7)
    with monkeypatch.context() as before:
        before.setattr(index._store, "observers", [])
        index.delete(sources=[f"note {number}" for number in range(5, 25)])
    assert not finds(index, 7)
    assert finds(index, 30)
    assert is_whole(index)


def test_a_writer_that_fails_leaves_no_record_without_its_row(place, open_index, embedded, monkeypatch):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    assert finds(index, 7)
    upsert = QdrantStore.upsert

    def failing(self, name, records):
        raise StoreError("the machine is gone")

    monkeypatch.setattr(QdrantStore, "upsert", failing)
    with pytest.raises(StoreError):
        index.add(note(30))
    monkeypatch.setattr(QdrantStore, "upsert", upsert)
    assert len(rows(index)) == 21
    assert not finds(index, 30)
    index.add(note(30))
    assert finds(index, 30)
    assert len(embedded) == 21


def test_a_store_that_fails_for_the_rows_keeps_the_records(place, open_index, monkeypatch):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    with monkeypatch.context() as failing:

        def save_sparse(self, name, rows):
            raise StoreError("no room")

        failing.setattr(QdrantStore, "save_sparse", save_sparse)
        assert not index.add(note(30)).failed
    assert len(index) == 21
    assert finds(index, 30)
    assert is_whole(index)


def test_a_store_that_takes_no_further_collections_is_searched_in_memory(place, open_index, monkeypatch):
    def make_sparse(self, name, metadata):
        raise StoreError("this key may not make collections")

    monkeypatch.setattr(QdrantStore, "make_sparse", make_sparse)
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    assert finds(index, 7)
    index.add(note(30))
    index.delete(sources=["note 7"])
    assert finds(index, 30)
    assert not finds(index, 7)


def test_pictures_without_a_text_have_rows_without_a_vector(place, open_index, write_picture, tmp_path):
    index = open_index(place)
    index.add([note(7), write_picture(tmp_path / "n5.png", "red")])
    assert index.search("red", k=1)[0].text == "something red"
    assert finds(index, 7)


def test_a_store_in_memory_keeps_them_outside_of_qdrant(open_index):
    index = open_index(":memory:")
    index.add([note(number) for number in range(20)])
    assert finds(index, 7)
    assert not [name for name in index._store.store.collections() if "-sparse-" in name]


def test_damaged_notes_are_made_anew(place, open_index):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    assert finds(index, 7)
    store = index._store.store
    (name,) = [name for name in store.collections() if "-sparse-" in name]
    store.update_metadata(name, {NOTES: {"terms": "AAAA", "statistics": "{"}})
    index.close()
    store.close()
    again = open_index(place)
    assert finds(again, 7)


@pytest.mark.parametrize("term", [2**31 - 1, 2**32 - 1])
def test_a_vector_beyond_the_vocabulary_never_reaches_scipy(place, open_index, term):
    index = open_index(place)
    index.add([note(number) for number in range(20)])
    store = index._store.store
    (name,) = [name for name in store.collections() if "-sparse-" in name]
    strange = [
        replace(row, terms=np.array([term], np.int64), weights=np.ones(1, np.float32)) for row in rows(index).values()
    ]
    store.save_sparse(
        name, [*strange[:5], SparseRow(NOTES, *NOTHING, {})]
    )  # what is known of all rows is estimated anew
    assert sum(finds(index, number) for number in range(20)) >= 15
