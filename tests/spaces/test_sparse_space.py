"""Sparse spaces: the vectors are those of sentence-transformers, as sparse rows."""

import asyncio
import pickle

import numpy as np
import pytest
from tiny_models import import_tiny

import senseweave as sw
from senseweave.errors import TruncationWarning

pytest.importorskip("sentence_transformers")
sparse = pytest.importorskip("scipy.sparse")

TEXTS = ["a small dog runs on the green grass", "rain", "a fox is a small animal", "the old house. " * 6]


@pytest.fixture(scope="module")
def tiny():
    """The module that saves tiny sparse encoders."""
    return import_tiny("tiny_rerankers")


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    return tiny.save_splade(tmp_path_factory.mktemp("splade"), prompts={"query": "a dog: ", "document": "old "})


def library(folder):
    from sentence_transformers import SparseEncoder

    return SparseEncoder(str(folder), device="cpu")


@pytest.mark.parametrize("role", ["query", "document"])
def test_vectors_are_those_of_sentence_transformers(folder, role):
    space = sw.load_sparse(folder)
    model = library(folder)
    encode = model.encode_query if role == "query" else model.encode_document
    expected = np.stack([encode([text]).to_dense().numpy()[0] for text in TEXTS])
    rows = space.embed_text(TEXTS, role=role)
    assert isinstance(rows, sparse.csr_array)
    assert (rows.shape, rows.dtype) == ((4, space.dimension), np.float32)
    np.testing.assert_allclose(rows.toarray(), expected, atol=1e-5)
    assert 0 < rows.nnz < rows.shape[0] * rows.shape[1]


def test_queries_and_documents_have_their_own_prompts(folder):
    space = sw.load_sparse(folder)
    queries, documents = space.embed_text(TEXTS, role="query"), space.embed_text(TEXTS)
    assert abs(queries - documents).max() > 1e-3


@pytest.mark.parametrize("type_name", ["bert", "fnet"])
def test_a_vector_is_the_same_alone_and_in_any_batch(tiny, tmp_path, type_name):
    space = sw.load_sparse(tiny.save_splade(tmp_path, type_name))
    together = space.embed_text(TEXTS)
    alone = sparse.vstack([space.embed_text([text]) for text in TEXTS])
    np.testing.assert_allclose(together.toarray(), alone.toarray(), atol=1e-5)


def test_more_texts_than_are_computed_together_keep_their_order(folder, monkeypatch):
    monkeypatch.setattr("senseweave.encoders.rerankers.sparse.SLICE", 3)
    space = sw.load_sparse(folder)
    texts = [TEXTS[at % 4] for at in range(8)]
    rows = space.embed_text(texts).toarray()
    np.testing.assert_allclose(rows, np.tile(space.embed_text(TEXTS).toarray(), (2, 1)), atol=1e-5)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_similarities_are_those_of_the_folder(tiny, tmp_path, similarity):
    folder = tiny.save_splade(tmp_path, similarity_fn_name=similarity)
    space, model = sw.load_sparse(folder), library(folder)
    found = space.similarity(space.embed_text(TEXTS[:2], role="query"), space.embed_text(TEXTS))
    expected = model.similarity(model.encode_query(TEXTS[:2]), model.encode_document(TEXTS))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4)
    assert space.similarity_fn == similarity


def test_a_space_says_what_it_is(folder):
    space = sw.load_sparse(str(folder))
    assert space.info() == {
        "name": str(folder),
        "kind": "sparse",
        "modalities": ["text"],
        "dimension": space.dimension,
        "fingerprint": space.fingerprint,
        "similarity": "dot",
    }
    assert sw.load_sparse(folder) is space
    assert pickle.loads(pickle.dumps(space)) is space
    assert sw.load_sparse(folder, max_length=8).fingerprint != space.fingerprint
    rows = asyncio.run(space.aembed_text(TEXTS))
    np.testing.assert_allclose(rows.toarray(), space.embed_text(TEXTS).toarray(), atol=1e-5)


def test_what_is_cut_off_is_told(folder):
    space = sw.load_sparse(folder, max_length=8)
    with pytest.warns(TruncationWarning, match=r"1 of 2 texts are longer.*tokens are not in the vectors"):
        space.embed_text(["rain", "a small dog runs on the green grass again and again"])


def test_a_text_that_cannot_be_embedded_is_its_own_error(folder):
    space = sw.load_sparse(folder)
    with pytest.raises(sw.MediaError, match=r"half a character.*") as caught:
        space.embed_text(["rain", "half \ud800", "a fox"])
    assert (caught.value.position, caught.value.total) == (1, 3)
    kept = space.embed_text(["rain", "half \ud800", "a fox"], on_error="skip")
    np.testing.assert_allclose(kept.toarray(), space.embed_text(["rain", "a fox"]).toarray(), atol=1e-5)
    with pytest.raises(TypeError, match="takes a list"):
        space.embed_text("rain")


def test_a_vector_that_is_not_finite_is_an_error_of_its_text(folder, monkeypatch):
    space = sw.load_sparse(folder, batch_tokens=1)
    model = space.model._loaded()
    real = model.encode_document

    def encode(texts, **options):
        rows = real(texts, **options)
        return rows * float("nan") if "fox" in str(texts) else rows

    monkeypatch.setattr(model, "encode_document", encode)
    with pytest.raises(sw.EncodingError, match="not finite") as caught:
        space.embed_text(TEXTS)
    assert caught.value.position == 2
    assert space.embed_text(TEXTS, on_error="skip").shape[0] == 3


def test_words_that_a_model_does_not_know_have_no_weight(tiny, tmp_path):
    space = sw.load_sparse(tiny.save_word_weights(tmp_path, ["rain", "roof"]))
    rows = space.embed_text(["rain on the roof", "snow"])
    assert rows.toarray().tolist() == [[0, 0, 1, 2], [0, 0, 0, 0]]


def test_other_models_are_refused(tiny, tmp_path, folder):
    dense = tiny.save_type(tmp_path / "dense", "bert")
    with pytest.raises(sw.ModelError, match="is no sparse encoder"):
        sw.load_sparse(dense)
    with pytest.raises(sw.ModelError, match=r"is a sparse encoder.*load_sparse"):
        sw.load(folder)
    with pytest.raises(TypeError, match="no option pooling"):
        sw.load_sparse(folder, pooling="max")
