"""The retriever over vector stores: what is asked, what comes back, and how it is ranked."""

from __future__ import annotations

import asyncio
import copy
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.llms.mock import MockLLMWithChatMemoryOfLastCall
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import Document, NodeRelationship, NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import FilterCondition, MetadataFilter, MetadataFilters
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever
from llama_index.retrievers.senseweave.retrieval.stores import ChromaStoreView
from sensible import Sensible

import senseweave as sw


def best(found: list[NodeWithScore], modality: str) -> str:
    """The name of the best file of a modality, or the text of the best text."""
    node = next(hit.node for hit in found if hit.node.metadata.get("modality", "text") == modality)
    return Path(node.metadata["source"]).name if "source" in node.metadata else node.get_content()


def names(found: list[NodeWithScore]) -> list[str]:
    return [hit.node.metadata.get("source", hit.node.node_id) for hit in found]


def test_it_is_a_retriever_of_the_framework() -> None:
    assert BaseRetriever.__name__ in [base.__name__ for base in SenseweaveRetriever.__mro__]


def test_a_question_finds_what_fits_in_every_modality(store: Any, embed_model: SenseweaveEmbedding) -> None:
    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=13)
    found = retriever.retrieve("something green")
    assert len(found) == 13
    assert [best(found, kind) for kind in ("text", "image", "video")] == ["a green field", "image-green", "video-green"]
    assert best(retriever.retrieve("the low tone"), "audio") == "audio-low"
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_the_best_of_each_modality_come_before_the_rest(store: Any, embed_model: SenseweaveEmbedding) -> None:
    found = SenseweaveRetriever(store, embed_model, similarity_top_k=3).retrieve("something green")
    assert {hit.node.metadata.get("modality", "text") for hit in found} == {"text", "image", "video"}


def test_media_ask_too(store: Any, embed_model: SenseweaveEmbedding, files: Any) -> None:
    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=13)
    by_image = retriever.retrieve(QueryBundle("", image_path=str(files["image"][2])))
    assert (best(by_image, "image"), best(by_image, "video")) == ("image-blue", "video-blue")
    by_audio = retriever.retrieve(MediaQueryBundle(audio_path=str(files["audio"][0])))
    assert (best(by_audio, "audio"), best(by_audio, "text")) == ("audio-low", "the low note of a horn")
    by_video = retriever.retrieve(MediaQueryBundle(video_path=str(files["video"][0])))
    assert (best(by_video, "image"), best(by_video, "text")) == ("image-red", "a red door")


def test_words_and_a_picture_together_find_what_fits_both(
    store: Any, embed_model: SenseweaveEmbedding, files: Any
) -> None:
    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=13)
    found = retriever.retrieve(MediaQueryBundle("low", image_path=str(files["image"][0])))
    assert (best(found, "image"), best(found, "audio")) == ("image-red", "audio-low")


def test_strings_for_embedding_stand_in_place_of_the_question(store: Any, embed_model: SenseweaveEmbedding) -> None:
    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=13)
    rewritten = retriever.retrieve(QueryBundle("blue", custom_embedding_strs=["green", "green grass"]))
    assert best(rewritten, "image") == "image-green"


def test_a_vector_asks_where_there_is_nothing_else(store: Any, embed_model: SenseweaveEmbedding) -> None:
    vector = embed_model.get_query_embedding("green")
    retriever = SenseweaveRetriever(store, embed_model)
    alone = retriever.retrieve(QueryBundle("", embedding=vector))
    assert names(alone) == names(retriever.retrieve("green"))
    assert best(retriever.retrieve(QueryBundle("red", embedding=vector)), "image") == "image-red"
    trusting = SenseweaveRetriever(store, embed_model, use_bundle_embedding=True)
    assert best(trusting.retrieve(QueryBundle("red", embedding=vector)), "image") == "image-green"
    with pytest.raises(ValueError, match="embedding has dimension 3, the stores' vectors have 32"):
        retriever.retrieve(QueryBundle("", embedding=[1.0, 2.0, 3.0]))


async def test_a_bundle_is_never_changed(store: Any, embed_model: SenseweaveEmbedding, files: Any) -> None:
    retriever = SenseweaveRetriever(store, embed_model)
    bundle = MediaQueryBundle("green", image_path=str(files["image"][0]), audio_path=str(files["audio"][0]))
    before = copy.deepcopy(bundle)
    retriever.retrieve(bundle)
    await retriever.aretrieve(bundle)
    assert bundle == before


def test_an_empty_bundle_and_a_missing_file_are_errors(store: Any, embed_model: SenseweaveEmbedding) -> None:
    retriever = SenseweaveRetriever(store, embed_model)
    with pytest.raises(ValueError, match="neither text nor media nor an embedding"):
        retriever.retrieve(QueryBundle(" "))
    with pytest.raises(sw.MediaError, match=r"no-such\.png.*no such file"):
        retriever.retrieve(QueryBundle("", image_path="no-such.png"))


def test_a_query_that_no_model_embeds_is_an_error_that_names_what_they_do(store: Any, space: Any, files: Any) -> None:
    words = SenseweaveEmbedding(space=sw.Space("words", {"text": space.encoders["text"]}))
    with pytest.raises(sw.UnsupportedModalityError, match="cannot embed image; it embeds: text"):
        SenseweaveRetriever(store, words).retrieve(QueryBundle("", image_path=str(files["image"][0])))


@pytest.mark.parametrize("way", ["cosine", "l2", "ip", "in memory"])
def test_similarities_are_true_cosines_whatever_the_store_gives(
    way: str, new_store: Callable[..., Any], embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    embedded = list(embed_model(nodes))
    if way == "in memory":
        retriever = SenseweaveRetriever.from_nodes(nodes, embed_model, similarity_top_k=13, fusion="none")
    else:
        store = new_store(way)
        store.add(embedded)
        retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=13, fusion="none")
    found = {hit.node.node_id: hit.score for hit in retriever.retrieve("something green")}
    query = np.asarray(embed_model.get_query_embedding("something green"))
    assert found == {node.node_id: pytest.approx(float(query @ node.embedding), abs=1e-5) for node in embedded}


def test_modalities_and_filters_narrow_the_answer(store: Any, embed_model: SenseweaveEmbedding) -> None:
    images = SenseweaveRetriever(store, embed_model, modalities={"image"}).retrieve("green")
    assert {hit.node.metadata["modality"] for hit in images} == {"image"}
    shelf = MetadataFilters(filters=[MetadataFilter(key="shelf", value=1)])
    texts = SenseweaveRetriever(store, embed_model, filters=shelf).retrieve("green")
    assert all(isinstance(hit.node, TextNode) for hit in texts)
    assert {hit.node.class_name() for hit in texts} == {"TextNode"}
    either = MetadataFilters(
        filters=[MetadataFilter(key="shelf", value=1), MetadataFilter(key="modality", value="audio")],
        condition=FilterCondition.OR,
    )
    found = SenseweaveRetriever(store, embed_model, filters=either).retrieve("green")
    assert {hit.node.metadata.get("modality", "text") for hit in found} == {"text", "audio"}
    with pytest.raises(ValueError, match="unknown modality 'smell'; expected some of text, image, audio, video"):
        SenseweaveRetriever(store, embed_model, modalities={"smell"})  # type: ignore[arg-type]


def test_options_that_make_no_sense_are_errors(store: Any, embed_model: SenseweaveEmbedding) -> None:
    with pytest.raises(ValueError, match="similarity_top_k must be at least 1"):
        SenseweaveRetriever(store, embed_model, similarity_top_k=0)
    with pytest.raises(ValueError, match="unknown fusion method 'magic'; there are none, rrf"):
        SenseweaveRetriever(store, embed_model, fusion="magic")
    with pytest.raises(ValueError, match="1 vector stores need as many models, or one for all, not 0"):
        SenseweaveRetriever(store)
    with pytest.raises(ValueError, match="either policy or root and network"):
        SenseweaveRetriever(store, embed_model, policy=sw.MediaPolicy(), root="/srv")
    with pytest.raises(ValueError, match="give vector_stores or an index"):
        SenseweaveRetriever()
    with pytest.raises(ValueError, match="exactly one of index, nodes and vector_stores"):
        SenseweaveRetriever.from_defaults()


def test_queries_are_read_under_the_policy(
    store: Any, embed_model: SenseweaveEmbedding, files: Any, tmp_path: Path
) -> None:
    fenced = SenseweaveRetriever(store, embed_model, root=str(tmp_path / "inside"))
    with pytest.raises(sw.PolicyError, match="root"):
        fenced.retrieve(QueryBundle("", image_path=str(files["image"][0])))


class Louder(Sensible):
    """Another space of the same dimension: its similarities are all much higher, and mean nothing to the first."""

    def _vector(self, item: Any, role: Any) -> np.ndarray:
        return np.roll(super()._vector(item, role), 7) + 2.0

    def identity(self) -> Any:
        return {**super().identity(), "louder": True}


def test_stores_of_different_spaces_share_one_ranking(
    new_store: Callable[..., Any], embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    loud = SenseweaveEmbedding(space=sw.Space("loud", {m: Louder(m) for m in ("text", "audio")}, cache_size=0))
    quiet_store, loud_store = new_store("cosine"), new_store("l2")
    quiet_store.add(list(embed_model([node for node in nodes if node.metadata.get("modality") in ("image", "video")])))
    loud_store.add(list(loud([node for node in nodes if node.metadata.get("modality", "text") in ("text", "audio")])))
    raw, calibrated = (
        SenseweaveRetriever([quiet_store, loud_store], [embed_model, loud], similarity_top_k=7, fusion=fusion)
        for fusion in ("none", None)
    )
    assert {hit.node.metadata.get("modality", "text") for hit in raw.retrieve("something green")} <= {"text", "audio"}
    found = calibrated.retrieve("something green")
    assert (best(found, "image"), best(found, "video"), best(found, "text")) == (
        "image-green",
        "video-green",
        "a green field",
    )


def test_one_content_in_two_stores_is_answered_once(
    new_store: Callable[..., Any], embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    stores = [new_store("cosine"), new_store("l2")]
    for store in stores:
        store.add(list(embed_model(nodes)))
    found = SenseweaveRetriever(stores, embed_model, similarity_top_k=26).retrieve("green")
    assert len(names(found)) == len(set(names(found))) == 13


@pytest.mark.parametrize("simple", [False, True])
async def test_vectors_of_two_spaces_in_one_store_are_refused_though_their_dimension_is_the_same(
    store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any], simple: bool
) -> None:
    other = SenseweaveEmbedding(space=sw.Space("other", {"text": Sensible("text")}))
    note = Document(text="another green note", id_="other")
    chunks = [TextNode(text=note.text, relationships={NodeRelationship.SOURCE: note.as_related_node_info()})]
    if simple:
        index = VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model)
        index.insert_nodes(list(other(chunks)))
        retriever = SenseweaveRetriever.from_defaults(index)
    else:
        store.add(list(other(chunks)))
        retriever = SenseweaveRetriever(store, embed_model)
    with pytest.raises(sw.FingerprintError, match=f"{other.fingerprint}.*{embed_model.fingerprint}"):
        retriever.retrieve("something green")
    with pytest.raises(sw.FingerprintError, match=f"{other.fingerprint}.*{embed_model.fingerprint}"):
        await retriever.aretrieve("something green")


@pytest.mark.parametrize("fusion", [None, "none"])
@pytest.mark.parametrize("simple", [False, True])
def test_a_store_of_another_dimension_is_an_error_that_names_both(
    store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any], simple: bool, fusion: str | None
) -> None:
    shorter = SenseweaveEmbedding(space=sw.Space("shorter", embed_model.space.encoders, dimensions=8))
    if simple:
        index = VectorStoreIndex(list(embed_model(nodes)), embed_model=shorter)
        retriever = SenseweaveRetriever.from_defaults(index, fusion=fusion)
    else:
        retriever = SenseweaveRetriever(store, shorter, fusion=fusion)
    with pytest.raises(Exception, match=r"32.* 8|8.* 32"):
        retriever.retrieve("something green")


def test_it_learns_of_a_modality_that_comes_later(
    new_store: Callable[..., Any], embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    store = new_store()
    store.add(list(embed_model(nodes[:4])))
    retriever = SenseweaveRetriever(store, embed_model)
    assert len(retriever.retrieve("green")) == 4
    store.add(list(embed_model(nodes[4:7])))
    assert best(retriever.retrieve("green"), "image") == "image-green"


def test_an_empty_store_answers_with_nothing(new_store: Callable[..., Any], embed_model: SenseweaveEmbedding) -> None:
    assert SenseweaveRetriever(new_store(), embed_model).retrieve("green") == []


@pytest.mark.parametrize("kind", ["chroma", "simple"])
def test_nodes_of_a_modality_that_does_not_exist_are_text(
    new_store: Callable[..., Any], embed_model: SenseweaveEmbedding, kind: str
) -> None:
    notes = [TextNode(text=text, metadata={"modality": "note"}) for text in ("a green field", "a red door")]
    context = StorageContext.from_defaults(vector_store=new_store() if kind == "chroma" else SimpleVectorStore())
    index = VectorStoreIndex(notes, embed_model=embed_model, storage_context=context)
    retriever = SenseweaveRetriever.from_defaults(index, modalities=["text"])
    for _ in range(2):  # the second time with what the first one learned of the store
        assert {hit.node.get_content() for hit in retriever.retrieve("green")} == {"a green field", "a red door"}


def test_phrases_for_calibration_are_embedded_once_per_store(
    store: Any, embed_model: SenseweaveEmbedding, space: Any
) -> None:
    retriever = SenseweaveRetriever(store, embed_model)
    retriever.retrieve("green")
    embedded = sum(space.encoders["text"].batches)
    retriever.retrieve("red")
    assert sum(space.encoders["text"].batches) == embedded + 1


def test_from_defaults_takes_indexes_nodes_and_stores(
    store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    in_memory = VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model)
    made = [
        SenseweaveRetriever.from_defaults(index),
        SenseweaveRetriever.from_defaults([in_memory]),
        SenseweaveRetriever.from_defaults(nodes=nodes, embed_model=embed_model),
        SenseweaveRetriever.from_defaults(vector_stores=store, embed_model=embed_model),
    ]
    answers = [retriever.retrieve("green") for retriever in made]
    for answer in answers:
        assert names(answer)[:3] == names(answers[0])[:3]
        assert [hit.score for hit in answer] == pytest.approx([hit.score for hit in answers[0]], abs=1e-3)


def test_a_store_of_vectors_alone_needs_the_docstore(embed_model: SenseweaveEmbedding, nodes: list[Any]) -> None:
    context = StorageContext.from_defaults(vector_store=SimpleVectorStore())
    VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model, storage_context=context)
    with pytest.raises(ValueError, match="holds vectors without their nodes"):
        SenseweaveRetriever(context.vector_store, embed_model).retrieve("green")
    found = SenseweaveRetriever(context.vector_store, embed_model, docstore=context.docstore).retrieve("green")
    assert best(found, "image") == "image-green"


@pytest.mark.parametrize("kind", ["text", "image", "audio", "video"])
async def test_async_gives_what_sync_gives_and_does_not_hold_up_the_event_loop(
    store: Any, embed_model: SenseweaveEmbedding, space: Any, kind: str, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()
    passed: list[str] = []

    def held_up(place: str) -> None:
        assert opened.wait(60), "the event loop stood still while a thread was at work"
        passed.append(place)

    find = ChromaStoreView.find
    monkeypatch.setattr(ChromaStoreView, "find", lambda *given: (held_up("store"), find(*given))[1])
    space.encoders[kind].before_forward = lambda: held_up("model")
    retriever = SenseweaveRetriever(store, embed_model)
    bundle = QueryBundle("green") if kind == "text" else MediaQueryBundle(**{f"{kind}_path": str(files[kind][0])})
    task = asyncio.ensure_future(retriever.aretrieve(bundle))
    for _ in range(5):
        await asyncio.sleep(0.01)
    opened.set()
    found = await task
    assert set(passed) == {"model", "store"}
    assert [(hit.node.node_id, hit.score) for hit in found] == [
        (hit.node.node_id, hit.score) for hit in retriever.retrieve(bundle)
    ]


def test_callbacks_are_notified_of_retrieval(store: Any, embed_model: SenseweaveEmbedding) -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    SenseweaveRetriever(store, embed_model, callback_manager=CallbackManager([handler])).retrieve("green")
    assert len(handler.get_event_pairs(CBEventType.RETRIEVE)) == 1


@pytest.mark.parametrize("use_async", [False, True])
def test_in_fusion_with_another_space_it_is_not_misled_by_the_shared_bundle(
    store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any], use_async: bool
) -> None:
    loud = SenseweaveEmbedding(space=sw.Space("loud", {"text": Louder("text")}))
    other = VectorStoreIndex(nodes[:4], embed_model=loud).as_retriever(similarity_top_k=4)
    own = SenseweaveRetriever(store, embed_model, modalities={"image"}, similarity_top_k=3)
    fusion = QueryFusionRetriever(
        [other, own],
        llm=MockLLMWithChatMemoryOfLastCall(is_chat_model=True),
        num_queries=1,
        similarity_top_k=7,
        use_async=use_async,
        mode="reciprocal_rerank",  # type: ignore[arg-type]
    )
    images = [name for name in names(fusion.retrieve("something green")) if "image-" in name]
    assert len(images) == 3
    assert images[0].endswith("image-green")


def test_what_another_process_adds_is_found(
    store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any], tmp_path: Path
) -> None:
    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=50)
    assert len(retriever.retrieve("green")) == len(nodes)
    code = (
        "import chromadb, sys\n"
        "settings = chromadb.Settings(anonymized_telemetry=False)\n"
        "collection = chromadb.PersistentClient(sys.argv[1], settings=settings).get_collection('media-cosine')\n"
        "row = collection.get(ids=['a green field'], include=['embeddings', 'metadatas'])\n"
        "collection.add(ids=['new'], documents=['new'], embeddings=row['embeddings'], metadatas=[{'shelf': 3}])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "chroma")], check=True)
    assert len(retriever.retrieve("green")) == len(nodes) + 1


async def test_a_model_that_embeds_questions_in_its_own_way_is_heeded(space: Any, nodes: list[Any]) -> None:
    class Own(SenseweaveEmbedding):
        def get_query_embedding(self, query: str) -> list[float]:
            return super().get_query_embedding(f"green {query}")

    plain, own = (
        SenseweaveRetriever.from_nodes(nodes, kind(space=space), modalities=["image"])
        for kind in (SenseweaveEmbedding, Own)
    )
    expected = [(hit.node.node_id, hit.score) for hit in plain.retrieve("green thing")]
    assert [(hit.node.node_id, hit.score) for hit in own.retrieve("thing")] == expected
    assert [(hit.node.node_id, hit.score) for hit in await own.aretrieve("thing")] == expected
