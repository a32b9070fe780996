"""A sparse space beside a dense space in an index: what is found, and how its vectors are kept."""

import asyncio
import contextlib
import importlib
import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from children import run_in_child
from damage import cut, scribble

import senseweave as sw
from senseweave.retrieval import METHODS, Index
from senseweave.retrieval.search.sparse.space_vectors import SpaceVectors, text_digest
from senseweave.retrieval.search.sparse.vector_file import VectorFile, sparse_files
from senseweave.retrieval.search.words.base import word_row
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.spaces.sparse_space import SparseSpace

pytest.importorskip("sentence_transformers")
pytest.importorskip("scipy")

PROGRAM = Path(__file__).parent / "tiny_space.py"
NUMBERS = [f"n{number}" for number in range(900)]
TEXTS = ["rain on the roof", "a small dog", "n7 n8", "the hall was red"]
WORDS = [
    *dict.fromkeys(word for text in TEXTS for word in text.split() if word not in NUMBERS),
    "valve",
    "looked",
    "at",
    "something",
    *NUMBERS,
]


@pytest.fixture(scope="session")
def tiny_sparse():
    """The module that saves tiny sparse encoders."""
    folder = str(Path(__file__).parents[1] / "encoders" / "tiny")
    sys.path.insert(0, folder)
    module = importlib.import_module("tiny_rerankers")
    sys.path.remove(folder)
    return module


@pytest.fixture(scope="session")
def model(tiny_sparse, tmp_path_factory):
    """The folder of a sparse encoder in which a text weighs the words that it has."""
    return str(tiny_sparse.save_word_weights(tmp_path_factory.mktemp("sparse"), WORDS))


@pytest.fixture
def folder(tmp_path, space, model):
    """The folder of an index of 60 notes, of which each has a number of its own."""
    with Index(tmp_path / "index", spaces=[space, model]) as index:
        index.add([note(number) for number in range(60)])
    return tmp_path / "index"


@pytest.fixture
def embedded(monkeypatch):
    """The texts that a sparse space has embedded as documents."""
    texts = []
    real = SparseSpace.encode

    def encode(space, given, role="document"):
        if role == "document" and "fresh bread" not in given:  # the general phrases of the calibration
            texts.extend(given)
        return real(space, given, role)

    monkeypatch.setattr(SparseSpace, "encode", encode)
    return texts


def note(number):
    return sw.Text(f"Valve n{number} of hall {number % 5} was looked at.", source=f"note {number}")


def finds(index, number):
    hits = index.search(f"n{number}", k=1)
    return bool(hits) and hits[0].text.startswith(f"Valve n{number} ") and hits[0].score > 3


def held(folder):
    """Return the digests in the file of sparse vectors by collection and id."""
    (path,) = sparse_files(folder)
    with contextlib.closing(VectorFile(path)) as file:
        assert set(file.numbers()) == {number for name in file.collections() for _, number in file.records(name)}
        return {name: file.digests(name) for name in file.collections()}


def kept(index):
    found = {
        description.name: {record.id: text_digest(word_row(record).text) for record in index._store.get(description)}
        for description in index._store.descriptions.values()
    }
    return {name: digests for name, digests in found.items() if digests}


def test_texts_are_ranked_by_both_spaces(tmp_path, space, model):
    with Index(tmp_path / "dense", spaces=[space]) as dense, Index(tmp_path / "both", spaces=[space, model]) as both:
        for index in (dense, both):
            index.add([sw.Text(text, source=text) for text in TEXTS])
        plain = {hit.text: hit for hit in dense.search("n8", k=4)}
        found = both.search("n8", k=4)
        assert found[0].text == "n7 n8"
        assert found[0].score > plain["n7 n8"].score + 2
        assert found[0].raw_score == pytest.approx(plain["n7 n8"].raw_score, abs=1e-5)
        for hit in found[1:]:  # which share no word with the query
            assert hit.score == pytest.approx(plain[hit.text].score, abs=1e-4)


def test_scores_are_the_exact_dot_products(folder, space, model):
    sparse = sw.load_sparse(model)
    with Index(folder, spaces=[space]) as index:
        index.search("valve")
        (vectors,) = index._sparse._kept.values()
        table = vectors.table()
        query = sparse.embed_text(["valve n7 hall n3"], role="query")
        scores = table.scores(query.toarray()[0])
        best = table.best(next(iter(kept(index))), scores, 60)
        texts = {record.id: record.text for record in index.records()}
        documents = sparse.embed_text([texts[identifier] for identifier, _ in best])
        expected = sparse.similarity(query, documents)[0] / sparse.similarity(query, query)[0, 0]
        np.testing.assert_allclose([score for _, score in best], expected, atol=1e-6)
        assert [score for _, score in best] == sorted((score for _, score in best), reverse=True)
        assert len(best) == 60


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_best_of_equal_scores_are_those_of_the_first_ids(folder, k, space):
    with Index(folder, spaces=[space]) as index:
        index.search("valve")
        (vectors,) = index._sparse._kept.values()
        (name,) = kept(index)
        scores = np.array([0.0, 2, 1, 2, 1, 1, *[0.0] * 54])
        table = vectors.table()
        whole = table.best(name, scores, 60)
        assert [score for _, score in whole] == [2, 2, 1, 1, 1]
        assert table.best(name, scores, k) == whole[:k]
        assert [identifier for identifier, _ in whole[2:]] == sorted(identifier for identifier, _ in whole[2:])


def test_captions_and_labels_are_ranked_and_file_names_are_not(tmp_path, space, model, write_picture):
    with Index(tmp_path / "index", spaces=[space, model]) as index:
        index.add([write_picture(tmp_path / "n5.png", "red"), write_picture(tmp_path / "n6.png", "blue")])
        (texts,) = [
            {word_row(record).text for record in index._store.get(description)}
            for description in index._store.descriptions.values()
            if description.modality == "image"
        ]
        assert texts == {"something red", "something blue"}
        by_both = index.search("red", k=2)
        assert by_both[0].text == "something red"
        with Index(tmp_path / "dense", spaces=[space]) as dense:
            dense.add([tmp_path / "n5.png", tmp_path / "n6.png"])
            assert by_both[0].score > dense.search("red", k=1)[0].score + 1
            assert index.search("n5", k=2)[0].score == pytest.approx(dense.search("n5", k=2)[0].score, abs=1e-4)


@pytest.mark.parametrize("fusion", sorted(METHODS))
def test_every_fusion_method_ranks_by_sparse_vectors_too(folder, fusion, space):
    with Index(folder, spaces=[space]) as index:
        if METHODS[fusion].needs_statistics:
            index.calibrate([f"hall {number}" for number in range(20)])
        if fusion == "platt":
            index.calibrate(labels=[(f"n{number}", f"note {number}") for number in range(30)])
        hits = index.search("n7", k=3, fusion=fusion)
        assert len(hits) == 3
        if fusion == "none":
            assert all(hit.score == pytest.approx(hit.raw_score) for hit in hits)
        else:
            assert "Valve n7 of hall 2 was looked at." in [hit.text for hit in hits]


def test_words_and_sparse_vectors_go_together(folder, space):
    with Index(folder, spaces=[space]) as index:
        sparse, both = index.search("n7", k=1)[0], index.search("n7", k=1, words=True)[0]
        assert sparse.text == both.text
        assert both.score >= sparse.score
        everything = {hit.text: hit.score for hit in index.search("n7 hall", k=60, words=True)}
        for hit in index.search("n7 hall", k=60):  # the better of the two counts, not their sum
            assert everything[hit.text] >= hit.score - 1e-6


def test_pages_filters_groups_and_rerankers_go_with_a_sparse_space(folder, space):
    with Index(folder, spaces=[space]) as index:
        index.add(note(71), metadata={"floor": 2})
        assert [hit.text for hit in index.search("n71", k=3, filter={"floor": 2})] == [note(71).decode()]
        assert not index.search("n7", k=3, filter={"floor": 3})
        pages = [index.search("hall", k=20, offset=offset) for offset in (0, 20, 40)]
        assert len({hit.id for page in pages for hit in page}) == 60
        assert index.search("n71", k=3, group=True, diversity=0.3)[0].text == note(71).decode()


def test_a_query_of_several_parts_weighs_its_texts(folder, write_picture, tmp_path, space):
    with Index(folder, spaces=[space]) as index:
        hits = index.search(sw.Query([("n7", 1.0), ("n9", 1.0), ("n3", -1.0)]), k=2)
        assert {hit.text for hit in hits} == {note(7).decode(), note(9).decode()}
        picture = write_picture(tmp_path / "red.png", "red")
        assert index.search(sw.Image(picture), k=3)
        assert index.search(hits[0], k=3)


async def test_asearch_finds_what_search_finds(folder, space):
    with Index(folder, spaces=[space]) as index:
        found = await asyncio.gather(*(index.asearch(f"n{number}", k=3) for number in range(12)))
        for number, hits in enumerate(found):
            expected = index.search(f"n{number}", k=3)
            assert [hit.id for hit in hits] == [hit.id for hit in expected]
            assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], abs=1e-5)


def test_an_index_remembers_its_sparse_space(folder, model, space):
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)
        info = index.info()
        assert [known["space"] for known in info["sparse"]] == [model]
        assert info["spaces"] == [space.name]
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 8)


def test_nothing_is_embedded_twice(folder, embedded, space):
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)
        index.add([note(number) for number in range(62)])
        assert embedded == [note(60).decode(), note(61).decode()]
        index.add(sw.Text(note(3).decode(), source="a copy"))
        assert len(embedded) == 2
        assert finds(index, 61)
        assert held(folder) == kept(index)


def test_what_is_deleted_is_not_found_and_not_kept(folder, space):
    with Index(folder, spaces=[space]) as index:
        index.add(sw.Text(note(3).decode(), source="a copy"))
        index.delete(sources="note 3")
        assert finds(index, 3)
        index.delete(sources="a copy")
        assert not finds(index, 3)
        assert held(folder) == kept(index)
        index.delete(filter={"modality": "text"})
        assert not index.search("n7", k=1)
        assert held(folder) == {}


def test_an_index_that_has_records_gets_a_sparse_space(tmp_path, space, model, embedded):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([note(number) for number in range(30)])
    with Index(tmp_path / "index", spaces=[space, model]) as index:
        index.add(note(30))
        assert finds(index, 7)
        assert sorted(embedded) == sorted(note(number).decode() for number in range(31))
        assert held(tmp_path / "index") == kept(index)


def test_a_sparse_space_alone_is_refused(tmp_path, model):
    with pytest.raises(sw.StoreError, match=r"sparse space.*spaces=\['starter'"):
        Index(tmp_path / "index", spaces=model)


def test_another_model_under_the_name_is_refused(folder, model, tiny_sparse, tmp_path, space):
    other = sw.load_sparse(tiny_sparse.save_splade(tmp_path))
    other.name = model
    with pytest.raises(sw.FingerprintError):
        Index(folder, spaces=[space, other])
    changed = Path(tiny_sparse.save_word_weights(tmp_path, WORDS))
    with Index(tmp_path / "index", spaces=[space, str(changed)]) as index:
        index.add(note(1))
    tiny_sparse.save_word_weights(tmp_path, [*WORDS, "more"])
    sw.spaces.sparse_space._live.clear()
    with Index(tmp_path / "index", spaces=[space]) as index, pytest.raises(sw.FingerprintError):
        index.search("n1")


def test_a_distance_is_refused(tmp_path, tiny_sparse, space):
    other = sw.load_sparse(tiny_sparse.save_splade(tmp_path, similarity_fn_name="euclidean"))
    with pytest.raises(sw.StoreError, match="compares vectors by euclidean"):
        Index(tmp_path / "index", spaces=[space, other])


def test_a_cosine_ranks_by_directions(tmp_path, tiny_sparse, space):
    sparse = sw.load_sparse(tiny_sparse.save_splade(tmp_path, similarity_fn_name="cosine"))
    with Index(tmp_path / "index", spaces=[space, sparse]) as index:
        index.add([note(number) for number in range(5)])
        index.search("valve")
        (vectors,) = index._sparse._kept.values()
        (name,) = kept(index)
        query = sparse.embed_text(["a small dog"], role="query")
        best = vectors.table().best(name, vectors.table().scores(sparse.compared(query).toarray()[0]), 5)
        texts = {record.id: record.text for record in index.records()}
        expected = sparse.similarity(query, sparse.embed_text([texts[identifier] for identifier, _ in best]))[0]
        np.testing.assert_allclose([score for _, score in best], expected, atol=1e-5)


def test_a_recorded_model_that_nobody_named_is_not_loaded(folder, monkeypatch, tmp_path, space):
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "data"))
    with pytest.raises(sw.TrustError, match="reads a model from the path"):
        Index(folder)
    with Index(folder, spaces=[space]) as index, pytest.raises(sw.TrustError):
        index.search("n7")
    with Index(folder, spaces=[space], trust="path") as index:
        assert finds(index, 7)


def test_what_was_written_by_a_program_that_knows_no_sparse_space_is_found(folder, space, monkeypatch, embedded):
    with Index(folder, spaces=[space]) as index:
        with monkeypatch.context() as patched:
            patched.setattr(type(index._sparse), "_all", lambda _: [])
            index.add(note(70))
            index.delete(sources="note 3")
        assert finds(index, 70)
        assert not finds(index, 3)
        assert embedded == [note(70).decode()]
        assert held(folder) == kept(index)


def test_an_index_that_follows_its_writers_is_not_compared_again(folder, monkeypatch, space):
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)
        monkeypatch.setattr(SpaceVectors, "_compare", lambda _: pytest.fail("compared"))
        index.add(note(70))
        index.delete(sources="note 3")
        assert finds(index, 70)
        assert not finds(index, 3)
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 8)


@pytest.mark.parametrize("harm", [cut, scribble, lambda path: path.write_bytes(b"no database"), Path.unlink])
def test_a_damaged_file_is_made_anew(folder, harm, space):
    (path,) = sparse_files(folder)
    harm(path)
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)
        assert held(folder) == kept(index)


def test_damage_is_verified_and_repaired(folder, space):
    (path,) = sparse_files(folder)
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)
        assert not index.verify().problems
    path.write_bytes(b"no database")
    with Index(folder, spaces=[space]) as index:
        assert [problem.kind for problem in index.verify().problems] == ["words"]
        index.repair()
        assert not index.verify().problems
        assert finds(index, 7)


def test_a_full_disk_leaves_new_vectors_in_memory(folder, monkeypatch, space):
    with Index(folder, spaces=[space]) as index:
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


def test_a_read_only_folder_is_searched(folder, monkeypatch, space):
    with Index(folder, spaces=[space]) as index:
        index.add(note(61))
    monkeypatch.setattr("senseweave.retrieval.search.kept_file.is_read_only", lambda _: True)
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 61)
    (path,) = sparse_files(folder)
    path.unlink()
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 61)
    assert not path.exists()


def test_vectors_of_a_store_in_memory(space, model):
    with Index(MemoryStore(), spaces=[space, model]) as index:
        index.add([note(number) for number in range(20)])
        assert finds(index, 7)
        index.delete(sources="note 7")
        assert not finds(index, 7)


def test_two_indexes_of_one_folder_keep_their_vectors_apart(tmp_path, space, tiny, model):
    one = Index(tmp_path / "index", spaces=[space, model], prefix="one-")
    two = Index(tmp_path / "index", spaces=[tiny.make_space(), model], prefix="two-")
    with one, two:
        one.add(note(1))
        two.add([note(number) for number in (2, 3)])
        assert finds(two, 2)
        assert one.search("n2", k=5)[0].text == note(1).decode()
        assert len(sparse_files(tmp_path / "index")) == 2


def test_what_is_imported_is_ranked_by_the_space_of_this_index(folder, tmp_path, space, model):
    with Index(folder, spaces=[space]) as index:
        index.export(tmp_path / "all.jsonl")
    with Index(tmp_path / "other", spaces=[space, model]) as other:
        assert other.import_(tmp_path / "all.jsonl") == 60
        assert finds(other, 7)
        assert held(tmp_path / "other") == kept(other)
    with Index(tmp_path / "plain", spaces=[space]) as plain:
        plain.import_(tmp_path / "all.jsonl")
        assert "sparse" not in plain.info()


def test_an_index_is_pickled_with_its_sparse_space(tmp_path, model):
    with Index(tmp_path / "index", spaces=["starter", model]) as index:
        index.add([note(number) for number in range(9)])
        with pickle.loads(pickle.dumps(index)) as copy:
            assert finds(copy, 7)
            assert copy.info()["sparse"] == index.info()["sparse"]


def test_a_forked_child_searches_and_adds(folder, space):
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)

        def child():
            assert finds(index, 8)
            index.add(note(70))
            assert finds(index, 70)

        run_in_child(child)
        assert finds(index, 70)
        assert finds(index, 7)


def test_a_text_without_a_vector_is_told_in_the_report(folder, monkeypatch, space):
    with Index(folder, spaces=[space]) as index:
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


def start(place, *inputs):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(place), *map(str, inputs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moments", [3, pytest.param(12, marks=pytest.mark.kill)])
def test_a_writer_killed_at_any_moment_loses_no_vector_and_leaves_none(folder, tmp_path, moments, space):
    notes = tmp_path / "notes"
    notes.mkdir()
    rng = random.Random(3)
    interrupted = 0
    for attempt in range(moments):
        for number in range(600 * attempt, 600 * attempt + 600):  # each writer has as much to do
            (notes / f"{number}.txt").write_text(f"Valve n{number + 100} of hall {number % 5} was looked at.")
        writes = FolderLock(folder).generation() + rng.randint(1, 4)
        process = start(folder, notes)
        while FolderLock(folder).generation() < writes and process.poll() is None:
            time.sleep(0.002)
        if process.poll() is None:
            interrupted += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        with Index(folder, spaces=[space]) as index:
            index.search("n101")
            assert held(folder) == kept(index), attempt
            for record in [record.id for record in index.records()][: attempt * 7]:
                index.delete(ids=record)
            index.search("n101")
            assert held(folder) == kept(index), attempt
    assert interrupted  # a moment at least was inside the work
