"""A subclass that overrides `run` is heeded by every call, asynchronous ones and those of retrievers too."""

import pytest
from haystack import Document, Pipeline, component
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.senseweave import (
    SenseweaveDocumentEmbedder,
    SenseweaveMediaEmbedder,
    SenseweaveTextEmbedder,
)
from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

pytestmark = pytest.mark.integration


@component
class OwnTextEmbedder(SenseweaveTextEmbedder):
    @component.output_types(embedding=list[float])
    def run(self, text: str):
        return SenseweaveTextEmbedder.run(self, f"a photograph of {text}")


@component
class OwnDocumentEmbedder(SenseweaveDocumentEmbedder):
    @component.output_types(documents=list[Document], failed=list)
    def run(self, documents: list[Document]):
        named = [Document(id=each.id, content=f"{each.content}!") for each in documents]
        return SenseweaveDocumentEmbedder.run(self, named)


@component
class OwnMediaEmbedder(SenseweaveMediaEmbedder):
    def embed_media(self, media):
        return [-number for number in SenseweaveMediaEmbedder.embed_media(self, media)]


async def test_a_text_embedder_of_ones_own_is_heeded():
    expected = SenseweaveTextEmbedder().run(text="a photograph of a dog")["embedding"]
    own = OwnTextEmbedder()
    assert own.run(text="a dog")["embedding"] == pytest.approx(expected)
    assert (await own.run_async(text="a dog"))["embedding"] == pytest.approx(expected)
    pipeline = Pipeline()
    pipeline.add_component("own", own)
    found = await pipeline.run_async({"own": {"text": "a dog"}})
    assert found["own"]["embedding"] == pytest.approx(expected)


async def test_a_document_embedder_of_ones_own_is_heeded():
    (expected,) = SenseweaveDocumentEmbedder().run([Document(content="A dog!")])["documents"]
    own = OwnDocumentEmbedder()
    for result in (own.run([Document(content="A dog")]), await own.run_async([Document(content="A dog")])):
        assert result["documents"][0].embedding == pytest.approx(expected.embedding)


async def test_a_media_embedder_of_ones_own_is_heeded(photo):
    expected = SenseweaveMediaEmbedder().run(media=photo)["embedding"]
    own = OwnMediaEmbedder()
    for result in (own.run(media=photo), await own.run_async(media=photo)):
        assert result["embedding"] == pytest.approx([-number for number in expected])


async def test_a_retriever_asks_with_the_embedder_of_ones_own():
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    texts = [Document(content=content) for content in ("A photograph of a dog.", "Bread needs flour and water.")]
    store.write_documents(SenseweaveDocumentEmbedder().run(texts)["documents"])
    scores = []
    for embedder, question in ((SenseweaveTextEmbedder(), "a photograph of dogs"), (OwnTextEmbedder(), "dogs")):
        retriever = SenseweaveMultimodalRetriever(
            retrievers={"a": InMemoryEmbeddingRetriever(store)}, embedders=embedder, fusion="none"
        )
        for result in (retriever.run(query=question), await retriever.run_async(query=question)):
            scores.append([document.score for document in result["documents"]])
    for other in scores[1:]:
        assert other == pytest.approx(scores[0], abs=1e-6)
