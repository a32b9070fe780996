"""SenseweaveMultimodalRetriever: one ranking out of several stores, or out of an index."""

from dataclasses import replace

import pytest
from haystack import Document
from haystack.components.embedders import MockTextEmbedder
from haystack.components.retrievers import MultiRetriever
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

import senseweave as sw
from senseweave.interop import METHODS

TEXTS = ["The dog is asleep on the sofa.", "Bread needs flour and water.", "The train leaves at noon."]
CALIBRATED = {name for name, method in METHODS.items() if method.needs_statistics}
QUESTION = "When does the train depart?"


@pytest.fixture(scope="module")
def documents(samples, starter):
    made = [Document(content=text, meta={"modality": "text"}) for text in TEXTS]
    photos = sorted((samples / "images").glob("*.jpg"))[:4]
    made += [Document(content="", meta={"modality": "image", "file_path": str(photo)}) for photo in photos]
    return SenseweaveDocumentEmbedder().run(documents=made)["documents"]


@pytest.fixture(scope="module")
def retrievers(documents):
    stores = {}
    for name in ("text", "image"):
        store = ChromaDocumentStore(collection_name=f"multimodal-{name}", distance_function="cosine")
        store.write_documents([document for document in documents if document.meta["modality"] == name])
        stores[name] = SenseweaveChromaRetriever(document_store=store)
    return stores


@pytest.fixture(scope="module")
def folder(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("index")
    photos = sorted((samples / "images").glob("*.jpg"))[:3]
    with sw.Index(folder) as index:
        index.add([*(sw.Text(text) for text in TEXTS), *photos], metadata={"owner": "Ann"})
    return folder


@pytest.mark.integration
def test_to_dict_holds_every_parameter_and_from_dict_restores_them(retrievers, tmp_path):
    retriever = SenseweaveMultimodalRetriever(
        retrievers=retrievers,
        embedders={"text": SenseweaveTextEmbedder(), "image": SenseweaveTextEmbedder(dimensions=64)},
        fusion="zscore",
        statistics={"text": {"mean": 0.1, "std": 0.1}, "image": {"mean": 0.2, "std": 0.1}},
        root_path=tmp_path,
    )
    data = retriever.to_dict()
    assert set(data["init_parameters"]) == {
        "index",
        "retrievers",
        "embedders",
        "modalities",
        "fusion",
        "statistics",
        "auto_calibrate",
        "weights",
        "quota",
        "min_score",
        "offset",
        "group",
        "diversity",
        "rerank",
        "rerank_depth",
        "words",
        "filters",
        "top_k",
        "filter_policy",
        "root_path",
        "network",
    }
    assert SenseweaveMultimodalRetriever.from_dict(data).to_dict() == data
    written = SenseweaveMultimodalRetriever(retrievers=retrievers, embedders=MockTextEmbedder(dimension=4)).to_dict()
    assert SenseweaveMultimodalRetriever.from_dict(written).to_dict() == written
    index = SenseweaveMultimodalRetriever(index=tmp_path, modalities=["text"]).to_dict()
    assert SenseweaveMultimodalRetriever.from_dict(index).to_dict() == index


def test_init_opens_nothing(tmp_path):
    SenseweaveMultimodalRetriever(index=tmp_path / "absent")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"index": "x", "retrievers": {"a": 1}},
        {"index": "x", "modalities": ["smell"]},
        {"index": "x", "modalities": []},
        {"index": "x", "top_k": -1},
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match=r"one of the two|unknown modality|modalities is empty|top_k"):
        SenseweaveMultimodalRetriever(**arguments)


@pytest.mark.integration
def test_several_stores_give_one_ranking_with_the_similarity_kept(retrievers):
    retriever = SenseweaveMultimodalRetriever(retrievers=retrievers, top_k=5)
    found = retriever.run(query=QUESTION)["documents"]
    assert len(found) == 5
    assert found[0].content == "The train leaves at noon."
    assert [document.score for document in found] == sorted((document.score for document in found), reverse=True)
    assert {document.meta["modality"] for document in found} == {"text", "image"}
    assert found[0].meta["fusion"] in CALIBRATED
    alone = retrievers["text"].run(query_embedding=SenseweaveTextEmbedder().run(text=QUESTION)["embedding"])
    assert found[0].meta["raw_score"] == pytest.approx(alone["documents"][0].score, abs=1e-6)


@pytest.mark.integration
def test_without_statistics_lists_are_compared_by_themselves(retrievers, documents):
    plain = SenseweaveMultimodalRetriever(retrievers=retrievers, auto_calibrate=False)
    assert plain.run(query=QUESTION)["documents"][0].meta["fusion"] == "dbsf"
    store = InMemoryDocumentStore()
    store.write_documents(documents)
    silent = SenseweaveMultimodalRetriever(retrievers={"a": _WithoutEmbeddings(store)})
    assert silent.run(query=QUESTION)["documents"][0].meta["fusion"] == "dbsf"
    in_memory = SenseweaveMultimodalRetriever(retrievers={"a": InMemoryEmbeddingRetriever(store)})
    assert in_memory.run(query=QUESTION)["documents"][0].meta["fusion"] in CALIBRATED


class _WithoutEmbeddings:
    """An embedding retriever that keeps embeddings to itself."""

    def __init__(self, store):
        self.inner = InMemoryEmbeddingRetriever(store)

    def run(self, query_embedding, filters=None, top_k=None):
        return self.inner.run(query_embedding, filters, top_k)


@pytest.mark.integration
def test_an_empty_store_beside_a_full_one_does_no_harm(retrievers):
    empty = SenseweaveChromaRetriever(document_store=ChromaDocumentStore(collection_name="multimodal-empty"))
    retriever = SenseweaveMultimodalRetriever(retrievers={**retrievers, "empty": empty})
    found = retriever.run(query=QUESTION)["documents"]
    assert found[0].content == "The train leaves at noon."
    assert found[0].meta["fusion"] in CALIBRATED


@pytest.mark.integration
def test_calibration_is_plain_numbers_and_survives_a_dump(retrievers, documents):
    retriever = SenseweaveMultimodalRetriever(retrievers=retrievers, auto_calibrate=False)
    by_list = {
        name: [document for document in documents if document.meta["modality"] == name] for name in ("text", "image")
    }
    retriever.calibrate(by_list)
    restored = SenseweaveMultimodalRetriever.from_dict(retriever.to_dict())
    assert restored.statistics == retriever.statistics
    assert all(isinstance(value, float | int | str) for cell in restored.statistics.values() for value in cell.values())
    found = retriever.run(query=QUESTION)["documents"]
    assert found[0].content == "The train leaves at noon."
    assert found[0].meta["fusion"] in CALIBRATED
    with pytest.raises(ValueError, match="none of the lists"):
        retriever.calibrate({"smell": []})


@pytest.mark.integration
def test_one_store_of_several_modalities_is_asked_once_for_each(documents):
    store = InMemoryDocumentStore()
    store.write_documents(documents)
    retriever = SenseweaveMultimodalRetriever(
        retrievers={"all": InMemoryEmbeddingRetriever(document_store=store)}, modalities=["text", "image"]
    )
    found = retriever.run(query=QUESTION, top_k=7)["documents"]
    assert len(found) == 7
    assert found[0].content == "The train leaves at noon."
    only = SenseweaveMultimodalRetriever(
        retrievers={"all": InMemoryEmbeddingRetriever(document_store=store)}, modalities=["image"]
    )
    assert {document.meta["modality"] for document in only.run(query=QUESTION)["documents"]} == {"image"}


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["in memory", "chroma"])
def test_documents_that_name_no_modality_are_found_as_text(documents, kind):
    plain = [Document(content=text, meta={"shelf": 1}) for text in TEXTS]
    plain = SenseweaveDocumentEmbedder().run(documents=plain)["documents"]
    plain = [replace(document, meta={"shelf": 1}) for document in plain]
    store = ChromaDocumentStore(collection_name="multimodal-plain", distance_function="cosine")
    inner = SenseweaveChromaRetriever(document_store=store)
    if kind == "in memory":
        store = InMemoryDocumentStore()
        inner = InMemoryEmbeddingRetriever(document_store=store)
    images = [document for document in documents if document.meta["modality"] == "image"]
    store.write_documents([*plain, *images])
    both = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=["text", "image"])
    found = both.run(query=QUESTION, top_k=10)["documents"]
    assert found[0].content == "The train leaves at noon."
    assert {document.id for document in found} == {document.id for document in [*plain, *images]}
    shelf = {"field": "meta.shelf", "operator": "==", "value": 1}
    text = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=["text"], filters=shelf)
    assert {document.id for document in text.run(query=QUESTION)["documents"]} == {document.id for document in plain}
    image = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=["image"])
    assert {document.id for document in image.run(query=QUESTION)["documents"]} == {document.id for document in images}


@pytest.mark.integration
async def test_a_store_of_another_space_of_equal_dimension_is_refused_by_both_names(documents):
    strange = [replace(document, meta={**document.meta, "fingerprint": "0123456789abcdef"}) for document in documents]
    store = InMemoryDocumentStore()
    store.write_documents(strange)
    embedder = SenseweaveTextEmbedder()
    retriever = SenseweaveMultimodalRetriever(
        retrievers={"strange": InMemoryEmbeddingRetriever(store)}, embedders=embedder
    )
    both = f"'strange' holds vectors of fingerprint 0123456789abcdef, but was given fingerprint {embedder.fingerprint}"
    with pytest.raises(sw.FingerprintError, match=both):
        retriever.run(query=QUESTION)
    with pytest.raises(sw.FingerprintError, match=both):
        await retriever.run_async(query=QUESTION)


def test_a_top_k_that_is_no_number_is_named():
    with pytest.raises(TypeError, match="top_k must be a whole number, not '3'"):
        SenseweaveMultimodalRetriever(index="x", top_k="3")


@pytest.mark.integration
async def test_run_async_gives_the_same_as_run(retrievers, folder):
    for retriever in (
        SenseweaveMultimodalRetriever(retrievers=retrievers),
        SenseweaveMultimodalRetriever(index=folder),
    ):
        run, run_async = retriever.run(query=QUESTION), await retriever.run_async(query=QUESTION)
        assert [document.id for document in run["documents"]] == [document.id for document in run_async["documents"]]


@pytest.mark.integration
def test_top_k_zero_gives_nothing(retrievers, folder):
    assert SenseweaveMultimodalRetriever(retrievers=retrievers).run(query="x", top_k=0) == {"documents": []}
    assert SenseweaveMultimodalRetriever(index=folder, top_k=0).run(query="x") == {"documents": []}


@pytest.mark.integration
def test_an_index_gives_documents_with_flat_meta(folder):
    retriever = SenseweaveMultimodalRetriever(index=folder)
    found = retriever.run(query=QUESTION)["documents"]
    assert found[0].content == "The train leaves at noon."
    assert found[0].meta["modality"] == "text"
    assert found[0].meta["owner"] == "Ann"
    assert {document.meta["modality"] for document in found} == {"text", "image"}
    assert all(isinstance(value, str | int | float) for document in found for value in document.meta.values())
    expected = [hit.id for hit in sw.Index.open(folder).search(QUESTION)]
    assert [document.id for document in found] == expected
    retriever.close()


@pytest.mark.integration
def test_an_index_that_is_open_already_is_used_and_left_open(folder):
    index = sw.Index.open(folder)
    retriever = SenseweaveMultimodalRetriever(index=index)
    retriever.run(query=QUESTION)
    retriever.close()
    assert len(index) == 6
    assert retriever.to_dict()["init_parameters"]["index"] == str(folder)


@pytest.mark.integration
def test_filters_reach_the_index(folder):
    retriever = SenseweaveMultimodalRetriever(index=folder)
    no_text = {"operator": "NOT", "conditions": [{"field": "meta.modality", "operator": "==", "value": "text"}]}
    found = retriever.run(query=QUESTION, filters=no_text)["documents"]
    assert {document.meta["modality"] for document in found} == {"image"}


@pytest.mark.integration
def test_a_photograph_is_a_query(retrievers, folder, samples):
    photo = sorted((samples / "images").glob("*.jpg"))[1]
    for retriever in (
        SenseweaveMultimodalRetriever(index=folder, modalities=["image"]),
        SenseweaveMultimodalRetriever(retrievers={"image": retrievers["image"]}),
    ):
        assert retriever.run(media=photo)["documents"][0].meta["file_path"] == str(photo)
    mock = SenseweaveMultimodalRetriever(retrievers=retrievers, embedders=MockTextEmbedder(dimension=384))
    with pytest.raises(TypeError, match="MockTextEmbedder embeds text alone"):
        mock.run(media=photo)


@pytest.mark.integration
def test_wrong_input_names_the_right_component(folder):
    retriever = SenseweaveMultimodalRetriever(index=folder)
    with pytest.raises(TypeError, match="SenseweaveChromaRetriever"):
        retriever.run(query=[0.1, 0.2])
    with pytest.raises(ValueError, match="one of the two"):
        retriever.run()


@pytest.mark.integration
def test_a_multi_retriever_of_core_accepts_it(folder, retrievers):
    multi = MultiRetriever(
        retrievers={
            "index": SenseweaveMultimodalRetriever(index=folder),
            "stores": SenseweaveMultimodalRetriever(retrievers=retrievers),
        },
        top_k=3,
    )
    assert multi.run(query=QUESTION)["documents"][0].content == "The train leaves at noon."
