"""Multi-vector and sparse models that see give the scores of sentence-transformers for pictures as for texts."""

import numpy as np
import pytest
from PIL import Image
from tiny_picture_rerankers import pictures, save_colqwen, save_colqwen_modules, save_sparse_clip
from tiny_rerankers import save_colpali

import senseweave as sw

SAVE = {
    "colpali": save_colpali,
    "colqwen2": save_colqwen,
    "colqwen2-modules": save_colqwen_modules,
    "sparse-clip": save_sparse_clip,
}


@pytest.fixture(scope="module", params=SAVE)
def saved(request, tmp_path_factory):
    return request.param, SAVE[request.param](tmp_path_factory.mktemp("model"))


def library(kind, folder):
    from sentence_transformers import MultiVectorEncoder, SparseEncoder

    return (SparseEncoder if kind == "sparse-clip" else MultiVectorEncoder)(str(folder), device="cpu")


def library_scores(model, query, documents):
    """Return what sentence-transformers computes for each pair alone."""
    asked = model.encode_query([query])
    return [float(model.similarity(asked, model.encode_document([document]))[0, 0]) for document in documents]


@pytest.mark.parametrize("asks", ["text", "picture"])
def test_pictures_are_scored_as_by_sentence_transformers(saved, asks):
    kind, folder = saved
    reranker = sw.load_reranker(str(folder), device="cpu")
    query, documents = ("a dog" if asks == "text" else pictures()[0]), pictures()
    expected = library_scores(library(kind, folder), query, documents)
    asked = query if asks == "text" else sw.Image(query)
    found = reranker.score(asked, [sw.Image(picture) for picture in documents])
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-5)
    alone = [reranker.score(asked, [sw.Image(picture)]).values[0] for picture in documents[::-1]]
    np.testing.assert_allclose(alone[::-1], found.values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["ColPali", "ColQwen2"])
def test_pages_are_scored_as_by_transformers(name, tmp_path):
    import torch
    import transformers

    folder = SAVE[name.lower()](tmp_path)
    model = getattr(transformers, f"{name}ForRetrieval").from_pretrained(folder).eval()
    processor = getattr(transformers, f"{name}Processor").from_pretrained(folder)
    expected = []
    with torch.inference_mode():
        query = model(**processor.process_queries(["a small dog"])).embeddings
        for picture in pictures():
            page = model(**processor.process_images([picture])).embeddings
            expected.append(float(processor.score_retrieval(query, page)[0, 0]))
    reranker = sw.load_reranker(str(folder), device="cpu")
    found = reranker.score("a small dog", [sw.Image(picture) for picture in pictures()])
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-5)


def test_texts_beside_pictures_are_scored_where_the_model_reads_them(saved):
    kind, folder = saved
    reranker = sw.load_reranker(str(folder), device="cpu")
    found = reranker.score("a dog", [sw.Image(pictures()[0]), "a dog on the grass", sw.Image(pictures()[2])])
    if kind == "sparse-clip":
        assert reranker.model.reads("document") == {"text", "image"}
        documents = [pictures()[0], "a dog on the grass", pictures()[2]]
        expected = library_scores(library(kind, folder), "a dog", documents)
        np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-5)
    else:
        assert reranker.model.reads("document") == {"image"}
        assert found.errors == {1: "text cannot be read by this model"}
        assert np.isfinite(found.values[[0, 2]]).all()


def test_a_space_is_refused_with_what_to_use_instead(saved):
    kind, folder = saved
    what = "a sparse encoder" if kind == "sparse-clip" else "a multi-vector model"
    schemes = ["", "omni:", "sentence:", *(["clip:"] if kind == "sparse-clip" else [])]
    for name in (f"{scheme}{folder}" for scheme in schemes):
        with pytest.raises(sw.ModelError, match=rf"{what}.*rerank=.*senseweave\.load_reranker"):
            sw.load(name)


def test_an_index_is_ranked_anew_by_what_the_pictures_show(saved, tmp_path):
    from senseweave.testing import toy_space

    kind, folder = saved
    files = []
    for at, picture in enumerate(pictures()):
        picture.save(tmp_path / f"{at}.png")
        files.append(tmp_path / f"{at}.png")
    index = sw.Index(tmp_path / "index", spaces=[toy_space()])
    index.add([sw.Image(file) for file in files])
    hits = index.search("a dog", k=3, rerank=sw.load_reranker(str(folder), device="cpu"))
    scores = library_scores(library(kind, folder), "a dog", [Image.open(file) for file in files])
    ranked = [scores[[str(file) for file in files].index(hit.media.source)] for hit in hits]
    assert ranked == sorted(scores, reverse=True)
