"""What the retriever makes of the scores of different stores."""

from __future__ import annotations

import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever
from langchain_senseweave.retrieval.sources import view_of
from senseweave import Text

TEXTS = ["a dog on the grass", "bread from the oven", "the train is late"]


class Foreign(VectorStore):
    """A store of which only what every store has is known."""

    def __init__(self, embeddings):
        self._inner = InMemoryVectorStore(embeddings)

    @property
    def embeddings(self):
        return self._inner.embeddings

    def add_texts(self, texts, metadatas=None, **kwargs):
        return self._inner.add_texts(texts, metadatas, **kwargs)

    def similarity_search(self, query, k=4, **kwargs):
        return self._inner.similarity_search(query, k, **kwargs)

    def similarity_search_with_score(self, query, k=4, **kwargs):
        return self._inner.similarity_search_with_score(query, k, **kwargs)

    def _select_relevance_score_fn(self):
        return lambda score: score

    @classmethod
    def from_texts(cls, texts, embedding, metadatas=None, **kwargs):
        store = cls(embedding)
        store.add_texts(texts, metadatas)
        return store


def cosines(embeddings, query):
    return np.array(embeddings.embed_documents(TEXTS)) @ np.array(embeddings.embed_query(query))


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
def test_distances_of_every_metric_become_cosine_similarities(embeddings, tmp_path, metric):
    store = Chroma(
        "texts", embeddings, persist_directory=str(tmp_path), collection_configuration={"hnsw": {"space": metric}}
    )
    store.add_texts(TEXTS)
    found = SenseweaveRetriever(vector_stores=[store]).invoke("the dog")
    similarity = dict(zip(TEXTS, cosines(embeddings, "the dog"), strict=True))
    for document in found:
        assert document.metadata["raw_score"] == pytest.approx(similarity[document.page_content], abs=1e-4)


def test_a_store_of_which_little_is_known_can_be_asked_by_text_and_not_by_media(embeddings, red_png):
    store = Foreign.from_texts(TEXTS, embeddings, [{"n": n} for n in range(3)])
    retriever = SenseweaveRetriever(vector_stores=[store], k=2)
    found = retriever.invoke("the dog")
    assert len(found) == 2
    assert found[0].page_content == TEXTS[0]
    assert found[0].metadata["raw_score"] == pytest.approx(cosines(embeddings, "the dog")[0], abs=1e-5)
    assert retriever.invoke("the dog", filter=lambda one: one.metadata["n"] == 1)[0].page_content == TEXTS[1]
    assert retriever.invoke("the dog", modalities=["image"]) == []
    with pytest.raises(TypeError, match="Foreign gives no scores for a vector"):
        retriever.retrieve_by_image(red_png)


def test_statistics_are_estimated_once_and_again_when_the_store_has_doubled(embeddings, tmp_path):
    store = SenseweaveChroma("texts", embeddings, persist_directory=str(tmp_path))
    store.add_texts(TEXTS)
    view = view_of(store)
    first = view.statistics("text", "text")
    assert first is not None
    assert first.documents == 3
    store.add_texts(["one more"])
    assert view.statistics("text", "text") is first
    store.add_texts([f"text {n}" for n in range(8)])
    assert view.statistics("text", "text").documents == 12
    assert view.statistics("image", "text") is None


def test_text_without_a_modality_counts_as_text_in_every_store(embeddings, tmp_path, red_png):
    documents = [Document(TEXTS[0], id="1"), Document(TEXTS[1], id="2", metadata={"modality": "text"})]
    stores = [
        SenseweaveChroma("texts", embeddings, persist_directory=str(tmp_path)),
        InMemoryVectorStore(embeddings),
        Foreign(embeddings),
    ]
    for store in stores:
        store.add_texts([one.page_content for one in documents], [one.metadata for one in documents], ids=["1", "2"])
        vector = embeddings.embed_query("the dog")
        found = view_of(store).find(Text("the dog"), vector, 5, None, None)
        assert {one.page_content for one, _ in found["text"]} == set(TEXTS[:2])


def test_a_document_that_uses_the_name_modality_for_something_else_counts_as_text(embeddings, tmp_path):
    stores = [
        Chroma("scans", embeddings, persist_directory=str(tmp_path)),
        InMemoryVectorStore(embeddings),
        Foreign(embeddings),
    ]
    for store in stores:
        store.add_texts(TEXTS[:2], [{"modality": "CT"}, {"modality": "text"}])
        retriever = SenseweaveRetriever(vector_stores=[store])
        assert {one.page_content for one in retriever.invoke("the dog")} == set(TEXTS[:2])
        assert {one.page_content for one in retriever.invoke("the dog", modalities=["text"])} == set(TEXTS[:2])
        assert retriever.invoke("the dog", modalities=["image"]) == []


def test_a_store_without_embeddings_is_refused():
    class Without(Foreign):
        @property
        def embeddings(self):
            return None

    with pytest.raises(ValueError, match="Without has no embeddings"):
        SenseweaveRetriever(vector_stores=[Without(SenseweaveEmbeddings())])
