"""Pipelines survive YAML: loaded in a fresh interpreter under the default allowlist, and equal when dumped again."""

import subprocess
import sys

import pytest
import yaml
from haystack import Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.writers import DocumentWriter
from haystack.core.errors import DeserializationError
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import (
    SenseweaveDocumentEmbedder,
    SenseweaveMediaEmbedder,
    SenseweaveTextEmbedder,
)
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

HEAVY = ("torch", "transformers", "sentence_transformers", "open_clip", "timm", "av", "faster_whisper")

LOAD_AND_DUMP = """
import sys
import haystack, haystack.components.writers, haystack.components.joiners
before = set(sys.modules)
pipeline = haystack.Pipeline.loads(open(sys.argv[1]).read())
open(sys.argv[2], "w").write(pipeline.dumps())
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""

IMPORT_ALL = """
import sys
import haystack
before = set(sys.modules)
import haystack_integrations.components.builders.senseweave
import haystack_integrations.components.converters.senseweave
import haystack_integrations.components.embedders.senseweave
import haystack_integrations.components.retrievers.senseweave
import haystack_integrations.components.writers.senseweave
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def _indexing(place):
    pipeline = Pipeline()
    pipeline.add_component("converter", MediaToDocument(seconds=15, root_path=place, describe_with="starter"))
    pipeline.add_component(
        "embedder",
        SenseweaveDocumentEmbedder(
            device=ComponentDevice.from_str("cpu"), meta_fields_to_embed=["title"], root_path=place, on_error="skip"
        ),
    )
    store = ChromaDocumentStore(collection_name="yaml", persist_path=str(place), distance_function="cosine")
    pipeline.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    pipeline.connect("converter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    return pipeline


def _querying(place):
    store = ChromaDocumentStore(collection_name="yaml", persist_path=str(place), distance_function="cosine")
    key = Secret.from_env_var("SOME_KEY", strict=False)
    pipeline = Pipeline()
    pipeline.add_component("words", SenseweaveTextEmbedder(api_key=key, load_options={"max_length": 128}))
    pipeline.add_component("media", SenseweaveMediaEmbedder(root_path=place, modality="image"))
    pipeline.add_component("by_words", SenseweaveChromaRetriever(document_store=store, filter_policy="merge"))
    pipeline.add_component("by_media", SenseweaveChromaRetriever(document_store=store, top_k=3))
    pipeline.add_component(
        "several",
        SenseweaveMultimodalRetriever(
            retrievers={"yaml": SenseweaveChromaRetriever(document_store=store)},
            embedders={"yaml": SenseweaveTextEmbedder()},
            modalities=["text", "image"],
            statistics={"yaml/text": {"mean": 0.1, "std": 0.2}},
        ),
    )
    pipeline.add_component("index", SenseweaveMultimodalRetriever(index=place / "index", fusion="rrf"))
    pipeline.add_component("joiner", DocumentJoiner())
    pipeline.add_component("builder", MultimodalPromptBuilder(modalities=["text", "image"]))
    pipeline.connect("words.embedding", "by_words.query_embedding")
    pipeline.connect("media.embedding", "by_media.query_embedding")
    for name in ("by_words", "by_media", "several", "index"):
        pipeline.connect(f"{name}.documents", "joiner.documents")
    pipeline.connect("joiner.documents", "builder.documents")
    return pipeline


@pytest.mark.slow
@pytest.mark.parametrize("make", [_indexing, _querying])
def test_a_pipeline_loads_in_a_fresh_interpreter_without_heavy_libraries(make, tmp_path):
    dumped = make(tmp_path).dumps()
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(dumped)
    imported = _fresh_interpreter(LOAD_AND_DUMP, str(before), str(after))
    assert _parsed(after.read_text()) == _parsed(dumped)
    assert imported & set(HEAVY) == set()


@pytest.mark.slow
def test_importing_every_component_adds_no_model_library():
    assert _fresh_interpreter(IMPORT_ALL) & set(HEAVY) == set()


def test_every_class_is_defined_where_haystack_loads_from():
    for component in (
        SenseweaveTextEmbedder,
        SenseweaveMediaEmbedder,
        SenseweaveDocumentEmbedder,
        MediaToDocument,
        SenseweaveChromaRetriever,
        SenseweaveMultimodalRetriever,
        MultimodalPromptBuilder,
    ):
        assert component.__module__.startswith("haystack_integrations.components.")


def test_a_parameter_that_does_not_exist_is_refused(tmp_path):
    data = SenseweaveTextEmbedder().to_dict()
    data["init_parameters"]["smell"] = {"type": "haystack.dataclasses.Document"}
    with pytest.raises(DeserializationError, match="smell"):
        SenseweaveTextEmbedder.from_dict(data)


def _parsed(dumped):
    """The content of a dump; Haystack writes connections in the order in which components were added."""
    content = yaml.safe_load(dumped)
    content["connections"].sort(key=str)
    return content


def _fresh_interpreter(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (SenseweaveMultimodalRetriever, {"index": "folder", "filters": {"conditions": []}, "weights": {"text": 2.0}}),
        (SenseweaveDocumentEmbedder, {"load_options": {"pooling": {"kind": "cls"}}, "meta_fields_to_embed": ["title"]}),
        (SenseweaveChromaRetriever, {"document_store": "chroma", "filters": {"conditions": []}}),
    ],
)
def test_a_component_shares_nothing_with_what_it_was_made_from_or_gave_out(kind, parameters):
    if "document_store" in parameters:
        parameters["document_store"] = ChromaDocumentStore(collection_name="shared").to_dict()
    data = {"type": f"{kind.__module__}.{kind.__name__}", "init_parameters": parameters}
    made = kind.from_dict(data)
    before = made.to_dict()
    for values in (data["init_parameters"], made.to_dict()["init_parameters"]):
        values.get("filters", {}).get("conditions", []).append("changed")
        values.get("weights", {})["image"] = 5.0
        values.get("load_options", {}).get("pooling", {})["kind"] = "mean"
        values.get("meta_fields_to_embed", []).append("changed")
    assert made.to_dict() == before
