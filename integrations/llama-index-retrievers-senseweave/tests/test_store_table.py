"""The table of stores in the README: each row is driven by the same tests, or stands there as what does not work."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import chromadb
import numpy as np
import pytest
from chroma_server import ChromaServer
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, QueryBundle
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever
from llama_index.vector_stores.chroma import ChromaVectorStore
from store_tables import LLAMA_INDEX, find_row, kinds

EXAMPLE = Path(__file__).parents[1] / "examples" / "local_stores.py"
NO_DELETE = {"faiss": NotImplementedError, "faiss by distance": NotImplementedError, "lancedb": ValueError}
"""Stores whose LlamaIndex class deletes nothing, and how it says so: stated in the README."""
SHELF = MetadataFilters(filters=[MetadataFilter(key="shelf", value=2)])


class SqlStore(BasePydanticVectorStore):
    """A store of no known class whose comparisons hold for no row without the column, as those of SQL do."""

    stores_text: bool = True
    _rows: dict[str, BaseNode] = PrivateAttr(default_factory=dict)

    @property
    def client(self) -> Any:
        return self._rows

    def add(self, nodes: Any, **_: Any) -> list[str]:
        self._rows |= {node.node_id: node for node in nodes}
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        self._rows = {name: node for name, node in self._rows.items() if node.ref_doc_id != ref_doc_id}

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        rows = [node for node in self._rows.values() if all(map(self._holds(node), self._tests(query)))]
        vector = np.asarray(query.query_embedding)
        scored = sorted(
            ((float(vector @ np.asarray(node.embedding)), node) for node in rows), key=lambda pair: -pair[0]
        )
        scored = scored[: query.similarity_top_k]
        nodes = [node.model_copy(update={"embedding": None}) for _, node in scored]
        return VectorStoreQueryResult(nodes=nodes, similarities=[score for score, _ in scored])

    @staticmethod
    def _tests(query: VectorStoreQuery) -> list[Any]:
        return list(query.filters.filters) if query.filters is not None else []

    @staticmethod
    def _holds(node: BaseNode) -> Callable[[Any], bool]:
        def holds(test: Any) -> bool:
            value = node.metadata.get(test.key)
            if value is None:
                return False
            return value == test.value if test.operator == FilterOperator.EQ else value not in test.value

        return holds


@pytest.fixture(params=kinds(LLAMA_INDEX))
def kind(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def vector_store(kind: str, tmp_path: Path, embed_model: SenseweaveEmbedding, request: Any) -> Iterator[Any]:
    if kind == "chroma folder":
        yield ChromaVectorStore(
            chroma_collection=chromadb.PersistentClient(str(tmp_path / "db")).create_collection("table")
        )
    elif kind == "chroma server":
        server = ChromaServer(tmp_path / "server")
        try:
            yield ChromaVectorStore(chroma_collection=server.client().create_collection("table"))
        finally:
            server.kill()
    elif kind.startswith("faiss"):
        faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")
        stores = pytest.importorskip("llama_index.vector_stores.faiss", reason="needs llama-index-vector-stores-faiss")
        flat = faiss.IndexFlatL2 if kind == "faiss by distance" else faiss.IndexFlatIP
        yield stores.FaissVectorStore(faiss_index=flat(embed_model.dimension))
    elif kind.startswith("qdrant"):
        qdrant = pytest.importorskip("qdrant_client", reason="needs qdrant-client")
        stores = pytest.importorskip(
            "llama_index.vector_stores.qdrant", reason="needs llama-index-vector-stores-qdrant"
        )
        client = qdrant.QdrantClient(":memory:")
        twin = {"aclient": runpy.run_path(str(EXAMPLE))["InThreads"](client)} if kind == "qdrant in threads" else {}
        yield stores.QdrantVectorStore(client=client, collection_name="table", **twin)
        client.close()
    elif kind == "pgvector":
        stores = pytest.importorskip(
            "llama_index.vector_stores.postgres", reason="needs llama-index-vector-stores-postgres"
        )
        server = request.getfixturevalue("postgres")
        name = server.database()
        yield stores.PGVectorStore(
            connection_string=server.url(name, "postgresql+psycopg2"),
            async_connection_string=server.url(name, "postgresql+asyncpg"),
            embed_dim=embed_model.dimension,
        )
    elif kind.startswith("lancedb"):
        stores = pytest.importorskip(
            "llama_index.vector_stores.lancedb", reason="needs llama-index-vector-stores-lancedb"
        )
        deletes = kind == "lancedb that deletes"
        make = runpy.run_path(str(EXAMPLE))["deleting_lance_store"] if deletes else stores.LanceDBVectorStore
        yield make(uri=str(tmp_path / "lance"), mode="create")
    else:
        yield SimpleVectorStore() if kind == "simple" else SqlStore()


@pytest.fixture
def index(vector_store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any]) -> VectorStoreIndex:
    context = StorageContext.from_defaults(vector_store=vector_store)
    for node in nodes[:4]:
        node.id_ = str(uuid5(NAMESPACE_URL, node.id_))  # Qdrant takes no other ids
    return VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model, storage_context=context)


def label(hit: Any) -> str:
    """Return a node's text, or the name of its file."""
    return Path(hit.node.metadata["source"]).name if "source" in hit.node.metadata else str(hit.node.get_content())


def modalities(found: list[Any]) -> set[str]:
    return {hit.node.metadata.get("modality", "text") for hit in found}


async def retrieve(index: Any, question: Any, asynchronous: bool = False, **options: Any) -> list[Any]:
    retriever = SenseweaveRetriever.from_defaults(index, **options)
    return await retriever.aretrieve(question) if asynchronous else retriever.retrieve(question)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_text_and_media_are_found_by_text_and_media(
    index: Any, files: dict[str, list[Path]], asynchronous: bool
) -> None:
    found = await retrieve(index, "a red door", asynchronous, similarity_top_k=13)
    assert len(found) == 13
    assert modalities(found) == {"text", "image", "audio", "video"}
    for question, expected in (
        (MediaQueryBundle(image_path=str(files["image"][1])), "image-green"),
        (MediaQueryBundle(audio_path=str(files["audio"][2])), "audio-high"),
        (MediaQueryBundle(video_path=str(files["video"][2])), "video-blue"),
    ):
        (best,) = await retrieve(index, question, asynchronous, similarity_top_k=1, modalities=[expected.split("-")[0]])
        assert label(best) == expected


def test_the_table_says_how_the_store_is_asked(index: Any, kind: str) -> None:
    row = find_row(LLAMA_INDEX, kind)
    (view,) = SenseweaveRetriever.from_defaults(index)._views
    in_store = {name: type(view).takes_filters and view.modality_filter(name) is not None for name in ("image", "text")}
    assert in_store == {"image": row.media_in_store, "text": row.texts_in_store}
    assert (view.statistics("text", "text") is not None) == row.calibrated
    assert view.is_asynchronous == (kind in row.own_async)
    assert row.deletes.startswith(("yes", "as")) or any(name in NO_DELETE for name in row.kinds)


async def test_texts_that_name_no_modality_are_found_as_texts(index: Any) -> None:
    found = await retrieve(index, "a red door", modalities=["text"])
    assert label(found[0]) == "a red door"
    assert len(found) == 4


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_filters_hold_together_with_modalities(index: Any, asynchronous: bool) -> None:
    found = await retrieve(index, "something red", asynchronous, filters=SHELF, similarity_top_k=13)
    assert {hit.node.metadata["shelf"] for hit in found} == {2}
    assert len(found) == 9
    assert await retrieve(index, "something red", asynchronous, filters=SHELF, modalities=["text"]) == []
    sounds = await retrieve(index, "something red", asynchronous, filters=SHELF, modalities=["audio"])
    assert modalities(sounds) == {"audio"}
    assert len(sounds) == 3


async def test_similarities_are_cosines(index: Any, embed_model: SenseweaveEmbedding) -> None:
    query = embed_model.get_query_embedding("a red door")
    found = await retrieve(index, "a red door", modalities=["text"], fusion="none")
    for hit in found:
        expected = float(np.dot(query, embed_model.get_text_embedding(f"shelf: 1\n\n{hit.node.get_content()}")))
        assert hit.score == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_results_can_differ_from_each_other(index: Any, asynchronous: bool) -> None:
    plain = await retrieve(index, "something red", asynchronous, similarity_top_k=3, modalities=["image", "video"])
    spread = await retrieve(
        index, "something red", asynchronous, similarity_top_k=3, modalities=["image", "video"], diversity=0.9
    )
    assert {label(hit) for hit in plain} != {label(hit) for hit in spread}


async def test_an_embedding_alone_can_ask(index: Any, embed_model: SenseweaveEmbedding) -> None:
    bundle = QueryBundle("", embedding=embed_model.get_query_embedding("a red door"))
    assert label((await retrieve(index, bundle, modalities=["text"]))[0]) == "a red door"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_files_are_replaced_and_deleted(
    vector_store: Any, kind: str, embed_model: SenseweaveEmbedding, tmp_path: Path, asynchronous: bool
) -> None:
    path = tmp_path / "note.txt"
    path.write_text("A red door.\n\nA green field.")
    reader = MediaReader(characters=15)
    documents: Any = reader.load_data(path)
    index = VectorStoreIndex.from_documents(
        documents,
        transformations=[embed_model],
        embed_model=embed_model,
        storage_context=StorageContext.from_defaults(vector_store=vector_store),
    )
    assert len(await retrieve(index, "a red door")) == 2
    path.write_text("A green field.")
    changed: Any = reader.load_data(path)
    if kind in NO_DELETE:
        with pytest.raises(NO_DELETE[kind]):
            index.refresh_ref_docs(changed)
        return
    if asynchronous and kind == "qdrant":  # LlamaIndex's class asks for a second client, and a local Qdrant serves one
        with pytest.raises(ValueError, match="Async client is not initialized"):
            await index.arefresh_ref_docs(changed)
        return
    if asynchronous:
        assert await index.arefresh_ref_docs(changed) == [True]
    else:
        assert index.refresh_ref_docs(changed) == [True]
    assert [hit.node.get_content().strip() for hit in await retrieve(index, "a red door")] == ["A green field."]
    index.delete_ref_doc(str(path))
    assert await retrieve(index, "a red door") == []
