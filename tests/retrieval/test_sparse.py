"""A sparse space beside a dense space in an index: what is found, and which spaces are taken."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from sparse_notes import TEXTS, WORDS, finds, kept, note
from tiny_models import import_tiny

import senseweave as sw
from senseweave.retrieval import METHODS, Index
from senseweave.retrieval.search.words.base import word_row

pytest.importorskip("sentence_transformers")
pytest.importorskip("scipy")


def test_texts_are_ranked_by_both_spaces(tmp_path, space, sparse_model):
    with (
        Index(tmp_path / "dense", spaces=[space]) as dense,
        Index(tmp_path / "both", spaces=[space, sparse_model]) as both,
    ):
        for index in (dense, both):
            index.add([sw.Text(text, source=text) for text in TEXTS])
        plain = {hit.text: hit for hit in dense.search("n8", k=4)}
        found = both.search("n8", k=4)
        assert found[0].text == "n7 n8"
        assert found[0].score > plain["n7 n8"].score + 2
        assert found[0].raw_score == pytest.approx(plain["n7 n8"].raw_score, abs=1e-5)
        for hit in found[1:]:  # which share no word with the query
            assert hit.score == pytest.approx(plain[hit.text].score, abs=1e-4)


def test_scores_are_the_exact_dot_products(sparse_folder, space, sparse_model):
    sparse = sw.load_sparse(sparse_model)
    with Index(sparse_folder, spaces=[space]) as index:
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
def test_the_best_of_equal_scores_are_those_of_the_first_ids(sparse_folder, k, space):
    with Index(sparse_folder, spaces=[space]) as index:
        index.search("valve")
        (vectors,) = index._sparse._kept.values()
        (name,) = kept(index)
        scores = np.array([0.0, 2, 1, 2, 1, 1, *[0.0] * 54])
        table = vectors.table()
        whole = table.best(name, scores, 60)
        assert [score for _, score in whole] == [2, 2, 1, 1, 1]
        assert table.best(name, scores, k) == whole[:k]
        assert [identifier for identifier, _ in whole[2:]] == sorted(identifier for identifier, _ in whole[2:])


def test_captions_and_labels_are_ranked_and_file_names_are_not(tmp_path, space, sparse_model, write_picture):
    with Index(tmp_path / "index", spaces=[space, sparse_model]) as index:
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
def test_every_fusion_method_ranks_by_sparse_vectors_too(sparse_folder, fusion, space):
    with Index(sparse_folder, spaces=[space]) as index:
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


def test_words_and_sparse_vectors_go_together(sparse_folder, space):
    with Index(sparse_folder, spaces=[space]) as index:
        sparse, both = index.search("n7", k=1)[0], index.search("n7", k=1, words=True)[0]
        assert sparse.text == both.text
        assert both.score >= sparse.score
        everything = {hit.text: hit.score for hit in index.search("n7 hall", k=60, words=True)}
        for hit in index.search("n7 hall", k=60):  # the better of the two counts, not their sum
            assert everything[hit.text] >= hit.score - 1e-6


def test_pages_filters_groups_and_rerankers_go_with_a_sparse_space(sparse_folder, space):
    with Index(sparse_folder, spaces=[space]) as index:
        index.add(note(71), metadata={"floor": 2})
        assert [hit.text for hit in index.search("n71", k=3, filter={"floor": 2})] == [note(71).decode()]
        assert not index.search("n7", k=3, filter={"floor": 3})
        pages = [index.search("hall", k=20, offset=offset) for offset in (0, 20, 40)]
        assert len({hit.id for page in pages for hit in page}) == 60
        assert index.search("n71", k=3, group=True, diversity=0.3)[0].text == note(71).decode()


def test_a_query_of_several_parts_weighs_its_texts(sparse_folder, write_picture, tmp_path, space):
    with Index(sparse_folder, spaces=[space]) as index:
        hits = index.search(sw.Query([("n7", 1.0), ("n9", 1.0), ("n3", -1.0)]), k=2)
        assert {hit.text for hit in hits} == {note(7).decode(), note(9).decode()}
        picture = write_picture(tmp_path / "red.png", "red")
        assert index.search(sw.Image(picture), k=3)
        assert index.search(hits[0], k=3)


async def test_asearch_finds_what_search_finds(sparse_folder, space):
    with Index(sparse_folder, spaces=[space]) as index:
        found = await asyncio.gather(*(index.asearch(f"n{number}", k=3) for number in range(12)))
        for number, hits in enumerate(found):
            expected = index.search(f"n{number}", k=3)
            assert [hit.id for hit in hits] == [hit.id for hit in expected]
            assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], abs=1e-5)


def test_an_index_remembers_its_sparse_space(sparse_folder, sparse_model, space):
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 7)
        info = index.info()
        assert [known["space"] for known in info["sparse"]] == [sparse_model]
        assert info["spaces"] == [space.name]
    with Index(sparse_folder, spaces=[space]) as index:
        assert finds(index, 8)


def test_a_sparse_space_alone_is_refused(tmp_path, sparse_model):
    with pytest.raises(sw.StoreError, match=r"sparse space.*spaces=\['starter'"):
        Index(tmp_path / "index", spaces=sparse_model)


def test_another_model_under_the_name_is_refused(sparse_folder, sparse_model, tmp_path, space):
    other = sw.load_sparse(import_tiny("tiny_rerankers").save_splade(tmp_path))
    other.name = sparse_model
    with pytest.raises(sw.FingerprintError):
        Index(sparse_folder, spaces=[space, other])
    changed = Path(import_tiny("tiny_rerankers").save_word_weights(tmp_path, WORDS))
    with Index(tmp_path / "index", spaces=[space, str(changed)]) as index:
        index.add(note(1))
    import_tiny("tiny_rerankers").save_word_weights(tmp_path, [*WORDS, "more"])
    sw.spaces.sparse_space._live.clear()
    with Index(tmp_path / "index", spaces=[space]) as index, pytest.raises(sw.FingerprintError):
        index.search("n1")


def test_a_distance_is_refused(tmp_path, space):
    other = sw.load_sparse(import_tiny("tiny_rerankers").save_splade(tmp_path, similarity_fn_name="euclidean"))
    with pytest.raises(sw.StoreError, match="compares vectors by euclidean"):
        Index(tmp_path / "index", spaces=[space, other])


def test_a_cosine_ranks_by_directions(tmp_path, space):
    sparse = sw.load_sparse(import_tiny("tiny_rerankers").save_splade(tmp_path, similarity_fn_name="cosine"))
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


def test_a_recorded_model_that_nobody_named_is_not_loaded(sparse_folder, monkeypatch, tmp_path, space):
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "data"))
    with pytest.raises(sw.TrustError, match="reads a model from the path"):
        Index(sparse_folder)
    with Index(sparse_folder, spaces=[space]) as index, pytest.raises(sw.TrustError):
        index.search("n7")
    with Index(sparse_folder, spaces=[space], trust="path") as index:
        assert finds(index, 7)
