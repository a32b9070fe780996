"""The key of an embedding API is in nothing that LlamaIndex persists, serializes, shows or logs."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from key_server import KEY, VARIABLE, holds_key, key_server, written
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, MediaResource, MetadataMode, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.items.shown import shown_node
from llama_index.embeddings.senseweave.items.whole import make_node
from llama_index.retrievers.senseweave import SenseweaveRetriever

import senseweave as sw
from senseweave.interop import Provenance

LINK = f"https://user:{KEY}@host/photo.png?sig={KEY}"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[SenseweaveEmbedding]:
    monkeypatch.setenv(VARIABLE, KEY)
    with key_server() as url:
        options = {"base_url": url, "key_variable": VARIABLE, "max_retries": 0}
        yield SenseweaveEmbedding("openai:m", cache_size=0, load_options=options, embeddings_cache=SimpleKVStore())


def test_the_key_is_in_no_storage_dict_cache_pickle_log_or_error(
    model: SenseweaveEmbedding, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pipeline = IngestionPipeline(transformations=[model])
    nodes = pipeline.run(nodes=[TextNode(text="a dog")])
    context = StorageContext.from_defaults()
    index = VectorStoreIndex(nodes, embed_model=model, storage_context=context)
    index.storage_context.persist(str(tmp_path / "storage"))
    pipeline.persist(str(tmp_path / "pipeline"))
    retriever = SenseweaveRetriever.from_nodes([TextNode(text="a dog")], model)
    found = retriever.retrieve("a dog")
    shown = [str(model.to_dict()), model.to_json(), model.model_dump_json(), repr(model), pickle.dumps(model).hex()]
    shown += [str(context.to_dict()), repr(retriever), repr(index), repr(found), str(pipeline.model_dump())]
    shown += [str(model.embeddings_cache.get_all("embeddings")), found[0].node.to_json()]
    with pytest.raises(sw.ModelError, match="answered 401") as caught:
        model.get_query_embedding("poison")
    shown += [written(caught.value), caplog.text]
    shown += [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    assert any(VARIABLE in text for text in shown)  # what names the key is written, so the search looks at it
    assert KEY.encode().hex() not in shown[4]
    assert not [text for text in shown if holds_key(text)]


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": KEY},
        {"load_options": {"api_key": KEY}, "dimensions": "many"},
        {"load_options": {"options": {"headers": {"Authorization": KEY}}}},
        {"load_options": {"base_url": f"http://user:{KEY}@localhost:1/v1"}},
        {"load_options": {"base_url": f"http://localhost:1/v1?api_key={KEY}"}},
    ],
)
def test_a_key_in_the_wrong_place_is_repeated_by_no_error_and_no_dict(options: dict[str, Any]) -> None:
    models: list[SenseweaveEmbedding] = []

    def use() -> None:
        models.append(SenseweaveEmbedding("openai:m", **options))
        models[0].get_text_embedding("a dog")

    with pytest.raises((ValueError, TypeError)) as caught:
        use()
    assert not holds_key(written(caught.value))
    assert not [model for model in models if holds_key(repr(model) + json.dumps(model.to_dict()) + model.to_json())]


def test_a_signed_address_is_shown_to_no_language_model() -> None:
    resource = {"image_resource": MediaResource(path=Path("photo.png"))}
    nodes: list[BaseNode] = [
        make_node("1", "a red square", Provenance("image", LINK), resource),
        TextNode(text="words", metadata={"source": LINK, "modality": "text"}),
    ]
    shown = [nodes[0].get_content(MetadataMode.LLM)]
    for full_paths in (False, True):
        shown += [shown_node(node, full_paths=full_paths).get_content(MetadataMode.LLM) for node in nodes]
    assert "photo.png" in shown[1]
    assert not [text for text in shown if holds_key(text)]
