"""An index made by the core, read by the stock stores of three frameworks; and what they write, found by the core."""

import pytest

from senseweave.retrieval import Index

pytestmark = pytest.mark.integration
QUESTION = "the last train leaves"


@pytest.fixture
def folder(tmp_path, space, corpus_folder):
    with Index(tmp_path / "shared", spaces=[space]) as index:
        index.add(corpus_folder)
    return tmp_path / "shared"


@pytest.fixture
def vector(space):
    return space.embed_text([QUESTION], role="query")[0].tolist()


def test_langchains_chroma_reads_an_index(folder, vector):
    chroma = pytest.importorskip("langchain_chroma")
    store = chroma.Chroma(collection_name="tiny-text", persist_directory=str(folder))
    (document,) = store.similarity_search_by_vector(vector, k=1)
    assert document.page_content == "the last train leaves at midnight"
    assert document.metadata["modality"] == "text"
    assert document.metadata["source"].endswith("trains.txt")
    sounds = chroma.Chroma(collection_name="tiny-audio", persist_directory=str(folder))
    assert {metadata["start"] for metadata in sounds.get(where={"end": {"$gt": 3}})["metadatas"]} == {2.0, 4.0}


def test_llama_indexes_chroma_reads_an_index(folder, vector):
    pytest.importorskip("llama_index.vector_stores.chroma")
    import chromadb
    from llama_index.core.vector_stores import VectorStoreQuery
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = chromadb.PersistentClient(path=str(folder)).get_collection("tiny-text")
    result = ChromaVectorStore(chroma_collection=collection).query(
        VectorStoreQuery(query_embedding=vector, similarity_top_k=1)
    )
    assert result.nodes[0].get_content() == "the last train leaves at midnight"
    assert result.nodes[0].metadata["source"].endswith("trains.txt")


def test_haystacks_chroma_reads_an_index(folder, vector):
    module = pytest.importorskip("haystack_integrations.document_stores.chroma")
    store = module.ChromaDocumentStore("tiny-text", persist_path=str(folder), distance_function="cosine")
    assert store.count_documents() == 4
    (documents,) = store.search_embeddings([vector], 1)
    assert documents[0].content == "the last train leaves at midnight"
    assert documents[0].meta["source"].endswith("trains.txt")


def test_what_langchain_adds_to_a_collection_is_found_by_the_index(folder, space, names):
    chroma = pytest.importorskip("langchain_chroma")
    from langchain_core.embeddings import Embeddings

    class Words(Embeddings):
        def embed_documents(self, texts):
            return space.embed_text(texts).tolist()

        def embed_query(self, text):
            return space.embed_text([text], role="query")[0].tolist()

    store = chroma.Chroma(collection_name="tiny-text", persist_directory=str(folder), embedding_function=Words())
    store.add_texts(["penguins walk over the ice"], metadatas=[{"shelf": 3}], ids=["penguins"])
    with Index(folder, spaces=[space]) as index:
        hit = index.search("penguins on ice", k=1)[0]
    assert (hit.id, hit.modality, hit.text) == ("penguins", "text", "penguins walk over the ice")
    assert hit.source == "penguins"
    assert hit.metadata == {"shelf": 3}


def test_the_calibration_outlives_a_visit_of_the_stock_stores(folder, space):
    with Index(folder, spaces=[space]) as index:
        before = index.info()["collections"]
        scores = [(hit.id, hit.score) for hit in index.search("red", k=12)]
    chroma = pytest.importorskip("langchain_chroma")
    chroma.Chroma(collection_name="tiny-text", persist_directory=str(folder))
    with Index(folder, spaces=[space]) as index:
        assert index.info()["collections"] == before
        assert [(hit.id, hit.score) for hit in index.search("red", k=12)] == scores
