"""Six Documents of three modalities: converted, embedded, stored in Chroma on disk, found by their own queries."""

import asyncio
import warnings

import pytest
from haystack import Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers import (
    FilterRetriever,
    MultiQueryEmbeddingRetriever,
    MultiQueryTextRetriever,
    MultiRetriever,
    SentenceWindowRetriever,
    TextEmbeddingRetriever,
)
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

pytestmark = pytest.mark.integration

QUERIES = {
    "texts/puncture.md": "how to mend a flat bicycle tyre",
    "texts/kettle.md": "getting rid of lime in a kettle",
    "images/photo-15.jpg": "a macaw, a kind of parrot",
    "images/photo-11.jpg": "a baseball",
    "audio/recording-06.wav": "when do the swimming lessons for beginners start?",
    "audio/recording-02.flac": "when does the museum close?",
}


def _indexing(store):
    pipeline = Pipeline()
    pipeline.add_component("converter", MediaToDocument())
    pipeline.add_component("embedder", SenseweaveDocumentEmbedder())
    pipeline.add_component("writer", DocumentWriter(store))
    pipeline.connect("converter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    return pipeline


@pytest.fixture(scope="module")
def indexed(samples, tmp_path_factory, starter):
    """A store on disk with the six Documents, opened anew, and the Documents that were written."""
    place = {
        "collection_name": "six",
        "distance_function": "cosine",
        "persist_path": str(tmp_path_factory.mktemp("chroma")),
    }
    sources = [samples / name for name in QUERIES]
    result = _indexing(ChromaDocumentStore(**place)).run(
        {"converter": {"sources": sources}}, include_outputs_from={"embedder"}
    )
    assert result["writer"]["documents_written"] == 6
    return ChromaDocumentStore(**place), result["embedder"]["documents"]


@pytest.fixture(scope="module")
def store(indexed):
    return indexed[0]


@pytest.fixture(scope="module")
def by_words(indexed):
    """The same Documents in a store that is searched by words."""
    words = InMemoryDocumentStore()
    words.write_documents(indexed[1])
    return words


def _name(document):
    return "/".join(document.meta["file_path"].split("/")[-2:])


def _text_retriever(store):
    return TextEmbeddingRetriever(
        retriever=SenseweaveChromaRetriever(document_store=store), text_embedder=SenseweaveTextEmbedder()
    )


def test_six_come_back_with_their_provenance(store):
    documents = store.filter_documents()
    assert {_name(document) for document in documents} == set(QUERIES)
    assert sorted(document.meta["modality"] for document in documents) == [
        "audio",
        "audio",
        "image",
        "image",
        "text",
        "text",
    ]
    assert all(document.content for document in documents)
    for document in documents:
        assert (document.meta["modality"] == "audio") == ("start" in document.meta)
        assert {"mime_type", "sha256", "source_id", "split_id"} <= set(document.meta)


def test_writing_the_same_files_again_changes_nothing(store, samples):
    pipeline = _indexing(store)
    pipeline.remove_component("writer")
    pipeline.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.SKIP))
    pipeline.connect("embedder.documents", "writer.documents")
    pipeline.run({"converter": {"sources": [samples / name for name in QUERIES]}})
    assert store.count_documents() == 6


@pytest.mark.parametrize(("name", "query"), QUERIES.items(), ids=QUERIES)
def test_each_is_found_first_by_its_own_query(name, query, store):
    embedding = SenseweaveTextEmbedder().run(text=query)["embedding"]
    wrapped = _text_retriever(store)
    several = SenseweaveMultimodalRetriever(
        retrievers={"six": SenseweaveChromaRetriever(document_store=store)}, modalities=["text", "image", "audio"]
    )
    found = {
        "alone": SenseweaveChromaRetriever(document_store=store).run(query_embedding=embedding),
        "TextEmbeddingRetriever": wrapped.run(query=query),
        "MultiRetriever": MultiRetriever(retrievers={"chroma": wrapped}).run(query=query),
        "MultiRetriever, concatenated": MultiRetriever(
            retrievers={"chroma": wrapped, "several": several}, join_mode="reciprocal_rank_fusion"
        ).run(query=query),
        "MultiQueryEmbeddingRetriever": MultiQueryEmbeddingRetriever(
            retriever=SenseweaveChromaRetriever(document_store=store), query_embedder=SenseweaveTextEmbedder()
        ).run(queries=[query]),
        "MultiQueryTextRetriever": MultiQueryTextRetriever(retriever=wrapped).run(queries=[query]),
        "SenseweaveMultimodalRetriever": several.run(query=query),
    }
    assert {wrapper: _name(result["documents"][0]) for wrapper, result in found.items()} == dict.fromkeys(found, name)
    assert all(len(result["documents"]) == 6 for result in found.values())


@pytest.mark.parametrize("mode", ["concatenate", "merge", "reciprocal_rank_fusion", "distribution_based_rank_fusion"])
def test_each_is_found_first_through_the_joiner(mode, store, by_words):
    pipeline = Pipeline()
    pipeline.add_component("retriever", _text_retriever(store))
    pipeline.add_component(
        "only", FilterRetriever(by_words, filters={"field": "id", "operator": "==", "value": "none"})
    )
    pipeline.add_component("joiner", DocumentJoiner(join_mode=mode))
    pipeline.connect("retriever.documents", "joiner.documents")
    pipeline.connect("only.documents", "joiner.documents")
    for name, query in QUERIES.items():
        found = pipeline.run({"retriever": {"query": query}, "only": {}})["joiner"]["documents"]
        assert _name(found[0]) == name


def test_words_and_vectors_join_by_rank(store, by_words):
    pipeline = Pipeline()
    pipeline.add_component("vectors", _text_retriever(store))
    pipeline.add_component("words", InMemoryBM25Retriever(by_words))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("vectors.documents", "joiner.documents")
    pipeline.connect("words.documents", "joiner.documents")
    for name, query in QUERIES.items():
        found = pipeline.run({"vectors": {"query": query}, "words": {"query": query}})["joiner"]["documents"]
        assert _name(found[0]) == name


def test_a_window_retriever_returns_the_neighbours_of_a_segment(samples, tmp_path):
    place = ChromaDocumentStore(collection_name="windows", persist_path=str(tmp_path), distance_function="cosine")
    pipeline = Pipeline()
    pipeline.add_component("converter", MediaToDocument(seconds=5))
    pipeline.add_component("embedder", SenseweaveDocumentEmbedder())
    pipeline.add_component("writer", DocumentWriter(place))
    pipeline.connect("converter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    recordings = [samples / "audio" / name for name in ("recording-05.m4a", "recording-07.mp3")]
    pipeline.run({"converter": {"sources": recordings}})

    query = Pipeline()
    query.add_component("retriever", _text_retriever(place))
    query.add_component("window", SentenceWindowRetriever(place, window_size=1))
    query.connect("retriever.documents", "window.retrieved_documents")
    # Two Documents: for one alone, Haystack makes an OR of a single condition, which Chroma refuses.
    result = query.run({"retriever": {"query": "a schoolgirl has won at chess", "top_k": 2}}, {"retriever"})
    found = result["retriever"]["documents"]
    around = result["window"]["context_documents"]
    best = found[0].meta["split_id"]
    windows = {(document.meta["source_id"], document.meta["split_id"]) for document in around}
    assert best > 0
    assert {(found[0].meta["source_id"], number) for number in (best - 1, best)} <= windows
    assert all(
        any(
            document.meta["source_id"] == near.meta["source_id"]
            and abs(document.meta["split_id"] - near.meta["split_id"]) <= 1
            for near in found
        )
        for document in around
    )


async def test_eight_queries_at_once_give_what_run_gives_with_one_model_load(store, starter, monkeypatch):
    pipeline = Pipeline()
    pipeline.add_component("embedder", SenseweaveTextEmbedder(load_options={"max_length": 200}))
    pipeline.add_component("retriever", SenseweaveChromaRetriever(document_store=store))
    pipeline.add_component("builder", MultimodalPromptBuilder(modalities=["text"]))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "builder.documents")
    queries = [*QUERIES.values(), "a dog in a park", "bread"]
    inputs = [{"embedder": {"text": query}, "builder": {"query": query}} for query in queries]

    loads = []
    network = type(starter.encoder("text")._network())
    read = network.__init__
    monkeypatch.setattr(network, "__init__", lambda self, *given: loads.append(self) or read(self, *given))
    together = await asyncio.gather(*(pipeline.run_async(given) for given in inputs))
    assert len(loads) == 1

    ids = [[document.id for document in result["builder"]["documents"]] for result in together]
    assert ids == [[document.id for document in pipeline.run(given)["builder"]["documents"]] for given in inputs]
    assert len(loads) == 1


def test_no_document_is_mutated_on_the_way(samples, tmp_path):
    words = InMemoryDocumentStore()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Mutating attribute")
        pipeline = _indexing(words)
        pipeline.run({"converter": {"sources": [samples / name for name in QUERIES]}})
        several = SenseweaveMultimodalRetriever(
            retrievers={"words": _Everything(words)}, embedders=SenseweaveTextEmbedder()
        )
        found = several.run(query="a parrot")["documents"]
        MultimodalPromptBuilder().run(query="?", documents=found)
    assert len(found) == 6


class _Everything:
    """An embedding retriever that returns all that is in its store."""

    def __init__(self, store):
        self.store = store

    def run(self, query_embedding, filters=None, top_k=None):
        return {"documents": [document for document in self.store.filter_documents() if document.embedding]}
