"""What warming up loads, and what components are when they are pickled or copied: their parameters."""

import copy
import inspect
import pickle

import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
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

import senseweave as sw
from senseweave.interop import Lazy

OWN_MODEL = {"model": "starter", "dimensions": 200}
"""A space that no other test has loaded."""


@pytest.fixture
def loads(monkeypatch):
    """What was loaded late, in order, by the name of the function that loads it."""
    seen = []
    load = Lazy.__call__

    def noting(self):
        if self._value is None:
            seen.append(self)
        return load(self)

    monkeypatch.setattr(Lazy, "__call__", noting)
    return seen


@pytest.mark.integration
@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (SenseweaveTextEmbedder, lambda samples: {"text": "a cat"}),
        (
            lambda **model: SenseweaveMediaEmbedder(modality="image", **model),
            lambda samples: {"media": samples / "images" / "photo-01.jpg"},
        ),
        (
            SenseweaveMediaEmbedder,
            lambda samples: {"media": samples / "audio" / "recording-01.wav"},
        ),
        (
            SenseweaveDocumentEmbedder,
            lambda samples: {
                "documents": [
                    Document(content="a cat"),
                    Document(content="", meta={"file_path": str(samples / "images" / "photo-01.jpg")}),
                    Document(content="", meta={"file_path": str(samples / "audio" / "recording-01.wav")}),
                ]
            },
        ),
    ],
    ids=["text", "image", "audio", "documents"],
)
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_after_warming_up_the_first_run_loads_nothing(make, inputs, way, samples, loads):
    component = make(**OWN_MODEL)
    if way == "sync":
        component.warm_up()
    else:
        await component.warm_up_async()
    assert loads
    loads.clear()
    component.run(**inputs(samples))
    assert loads == []
    component.close()


@pytest.mark.integration
def test_warming_up_loads_only_what_the_component_embeds(loads):
    counts = {}
    for name, component in {
        "text": SenseweaveTextEmbedder(**OWN_MODEL),
        "image": SenseweaveMediaEmbedder(modality="image", **OWN_MODEL),
        "all": SenseweaveDocumentEmbedder(**OWN_MODEL),
    }.items():
        loads.clear()
        component.warm_up()
        counts[name] = len(loads)
        component.warm_up()
        assert len(loads) == counts[name]
        component.close()
    assert 0 < counts["text"] < counts["all"]
    assert 0 < counts["image"] < counts["all"]


@pytest.mark.integration
def test_after_warming_up_a_retriever_over_an_index_the_first_question_loads_nothing(loads, tmp_path):
    with sw.load("starter", dimensions=200) as space, sw.Index(tmp_path, spaces=[space]) as index:
        index.add([sw.Text("a cat"), sw.Text("a dog")])
    retriever = SenseweaveMultimodalRetriever(index=tmp_path)
    loads.clear()
    retriever.warm_up()
    assert loads
    loads.clear()
    assert retriever.run(query="a cat")["documents"][0].content == "a cat"
    assert loads == []
    retriever.close()


def _components(tmp_path):
    key = Secret.from_env_var("SOME_KEY", strict=False)
    chroma = ChromaDocumentStore(collection_name="copied", persist_path=str(tmp_path), distance_function="cosine")
    return [
        SenseweaveTextEmbedder(api_key=key, device=ComponentDevice.from_str("cpu"), load_options={"max_length": 64}),
        SenseweaveMediaEmbedder(root_path=tmp_path, modality="image"),
        SenseweaveDocumentEmbedder(meta_fields_to_embed=["title"], on_error="skip"),
        MediaToDocument(seconds=9, describe_with="starter"),
        SenseweaveChromaRetriever(document_store=chroma, top_k=3, filter_policy="merge"),
        SenseweaveMultimodalRetriever(index=tmp_path / "index", modalities=["text"]),
        SenseweaveMultimodalRetriever(retrievers={"a": SenseweaveChromaRetriever(document_store=chroma)}),
        MultimodalPromptBuilder(max_images=3),
    ]


def test_a_pickle_and_a_copy_are_made_of_the_parameters(tmp_path):
    for component in _components(tmp_path):
        assert pickle.loads(pickle.dumps(component)).to_dict() == component.to_dict()
        assert copy.deepcopy(component).to_dict() == component.to_dict()


def test_what_is_written_are_all_the_parameters_of_the_constructor(tmp_path):
    for component in _components(tmp_path):
        names = set(inspect.signature(type(component).__init__).parameters) - {"self"}
        assert set(component.to_dict()["init_parameters"]) == names
        assert "kwargs" not in names


def test_a_class_of_the_user_with_a_constructor_of_its_own_keeps_the_parameters_of_its_base():
    class ShortEmbedder(SenseweaveTextEmbedder):
        def __init__(self, length):
            super().__init__(dimensions=length)

    embedder = ShortEmbedder(8)
    assert (embedder.model, embedder.dimensions, embedder.normalize) == ("starter", 8, None)


def test_a_parameter_that_does_not_exist_is_an_error_of_the_constructor():
    with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'modle'"):
        SenseweaveTextEmbedder(modle="starter")


def test_both_ways_of_running_are_documented_and_have_one_signature(tmp_path):
    for component in _components(tmp_path):
        assert inspect.signature(component.run) == inspect.signature(component.run_async)
        assert inspect.iscoroutinefunction(component.run_async)
        assert component.run.__doc__
        assert component.run_async.__doc__


@pytest.mark.integration
def test_a_copy_of_a_loaded_component_works_and_shares_its_model():
    embedder = SenseweaveTextEmbedder()
    embedding = embedder.run(text="a cat")["embedding"]
    other = copy.deepcopy(embedder)
    assert other.run(text="a cat")["embedding"] == embedding
    assert other._space is embedder._space


def test_a_component_in_a_pipeline_is_copied_out_of_it():
    pipeline = Pipeline()
    pipeline.add_component("embedder", SenseweaveTextEmbedder(dimensions=8))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(InMemoryDocumentStore()))
    pipeline.connect("embedder", "retriever")
    another = Pipeline()
    another.add_component("embedder", copy.deepcopy(pipeline.get_component("embedder")))
    assert another.get_component("embedder").dimensions == 8
