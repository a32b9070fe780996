"""A subclass that embeds questions or texts in its own way is heeded by every call, and its super() by none twice."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_node

import senseweave as sw


class Public(SenseweaveEmbedding):
    """Overrides the methods that users call."""

    def get_query_embedding(self, query: str) -> list[float]:
        return super().get_query_embedding(f"red {query}")

    def get_text_embedding(self, text: str) -> list[float]:
        return super().get_text_embedding(f"blue {text}")


class Bare(SenseweaveEmbedding):
    """Overrides the methods that LlamaIndex asks a model to fill."""

    def _get_query_embedding(self, query: str) -> list[float]:
        return super()._get_query_embedding(f"red {query}")

    def _get_text_embedding(self, text: str) -> list[float]:
        return super()._get_text_embedding(f"blue {text}")


class Batch(SenseweaveEmbedding):
    """Overrides the method for lists, and that for questions asynchronously too."""

    def get_query_embedding(self, query: str) -> list[float]:
        return super().get_query_embedding(f"red {query}")

    async def aget_query_embedding(self, query: str) -> list[float]:
        return await super().aget_query_embedding(f"red {query}")

    def get_text_embedding_batch(self, texts: list[str], *args: Any, **kwargs: Any) -> list[list[float]]:
        return super().get_text_embedding_batch([f"blue {text}" for text in texts], *args, **kwargs)


@pytest.fixture(params=[Public, Bare, Batch])
def model(request: Any, space: sw.Space) -> SenseweaveEmbedding:
    made: SenseweaveEmbedding = request.param(space=space)
    return made


async def test_every_call_heeds_a_subclass(model: SenseweaveEmbedding, embed_model: SenseweaveEmbedding) -> None:
    question = embed_model.get_query_embedding("red door")
    assert model.get_query_embedding("door") == question
    assert await model.aget_query_embedding("door") == question
    assert model.get_query_embedding_batch(["door", "door"]) == [question] * 2
    assert await model.aget_query_embedding_batch(["door", "door"]) == [question] * 2
    assert model.get_agg_embedding_from_queries(["door"]) == pytest.approx(question)
    text = embed_model.get_text_embedding("blue door")
    assert model.get_text_embedding("door") == text
    assert await model.aget_text_embedding("door") == text
    assert model.get_text_embedding_batch(["door", "door"]) == [text] * 2
    assert await model.aget_text_embedding_batch(["door", "door"]) == [text] * 2


async def test_every_way_into_an_index_heeds_a_subclass(
    model: SenseweaveEmbedding, embed_model: SenseweaveEmbedding, files: Any
) -> None:
    text, picture = embed_model.get_text_embedding("blue door"), embed_model.get_image_embedding(files["image"][0])

    def nodes() -> list[Any]:
        return [TextNode(text="door", id_="door"), media_node("image", files["image"][0])]

    for made in (
        model(nodes()),
        await model.acall(nodes()),
        IngestionPipeline(transformations=[model]).run(nodes=nodes()),
    ):
        assert [node.embedding for node in made] == [text, picture]
    index: Any = VectorStoreIndex(nodes(), embed_model=model)
    assert index.vector_store.get("door") == text


def test_a_cache_does_not_give_a_subclass_the_vectors_of_its_parent(space: sw.Space) -> None:
    cache = SimpleKVStore()
    plain, own = (kind(space=space, embeddings_cache=cache) for kind in (SenseweaveEmbedding, Bare))
    assert plain.get_text_embedding("door") != own.get_text_embedding("door")
    assert plain.get_text_embedding("door") != own.get_text_embedding("door")
