"""The retriever over a `senseweave.Index`: hits as nodes, filters in the index's language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
import pytest
from llama_index.core.llms.mock import MockLLMWithChatMemoryOfLastCall
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, Node, QueryBundle, TextNode
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever
from llama_index.retrievers.senseweave.retrieval.filters import index_condition
from llama_index.vector_stores.chroma import ChromaVectorStore

import senseweave as sw

KINDS = ("image", "audio", "video")


@pytest.fixture
def index(space: Any, files: Any, tmp_path: Path) -> Any:
    made = sw.Index(tmp_path / "index", spaces=[space])
    report = made.add([path for paths in files.values() for path in paths], metadata={"shelf": 2}, on_error="raise")
    assert report.added == 9
    made.add(sw.Text("a green field"), metadata={"shelf": 1})
    yield made
    made.close()


def by_modality(found: list[Any]) -> dict[str, Node]:
    """The best node of each modality."""
    return {hit.node.metadata["modality"]: hit.node for hit in reversed(found)}


def test_hits_become_whole_nodes_with_the_scores_of_the_index(index: sw.Index, files: Any) -> None:
    found = SenseweaveRetriever(index=index, similarity_top_k=10).retrieve("something green")
    assert [hit.score for hit in found] == [hit.score for hit in index.search("something green", k=10)]
    nodes = by_modality(found)
    assert all(isinstance(node, Node) and node.class_name() == "Node" for node in nodes.values())
    assert {type(json_to_doc(doc_to_json(node))) for node in nodes.values()} == {Node}
    assert nodes["text"].get_content() == "a green field"
    for kind in ("image", "video"):
        assert nodes[kind].metadata["source"] == str(files[kind][1])
        assert getattr(nodes[kind], f"{kind}_resource").path == files[kind][1]
        block = nodes[kind].get_content_blocks()[-1]
        assert getattr(block, f"resolve_{kind}")().read() == files[kind][1].read_bytes()


def test_spans_are_there_for_the_language_model_to_cite(index: sw.Index) -> None:
    found = SenseweaveRetriever(index=index, modalities=["audio"]).retrieve("a low tone")
    assert (found[0].node.metadata["start"], found[0].node.metadata["end"]) == (0.0, 1.0)
    assert "start: 0.0\nend: 1.0" in found[0].node.get_content(MetadataMode.LLM)


def test_media_and_words_ask_the_index(index: sw.Index, files: Any) -> None:
    retriever = SenseweaveRetriever(index=index, similarity_top_k=10)
    asked = MediaQueryBundle("low", image_path=str(files["image"][0]))
    nodes = by_modality(retriever.retrieve(asked))
    assert nodes["image"].metadata["source"] == str(files["image"][0])
    assert nodes["audio"].metadata["source"] == str(files["audio"][0])


async def test_async_gives_what_sync_gives(index: sw.Index) -> None:
    retriever = SenseweaveRetriever.from_defaults(index, similarity_top_k=4)
    assert await retriever.aretrieve("green") == retriever.retrieve("green")


def test_filters_are_put_in_the_language_of_the_index(index: sw.Index) -> None:
    shelf = MetadataFilters(filters=[MetadataFilter(key="shelf", value=2, operator=FilterOperator.LT)])
    found = SenseweaveRetriever(index=index, filters=shelf).retrieve("green")
    assert [hit.node.get_content() for hit in found] == ["a green field"]
    recent = MetadataFilter(key="year", value=2020, operator=FilterOperator.GTE)
    nested = MetadataFilters(
        filters=[
            MetadataFilter(key="author", value=["Ann", "Bob"], operator=FilterOperator.IN),
            MetadataFilters(filters=[recent, *shelf.filters]),
        ],
        condition=FilterCondition.OR,
    )
    assert index_condition(nested) == {
        "or": [
            {"author": {"in": ["Ann", "Bob"]}},
            {"and": [{"year": {"gte": 2020}}, {"shelf": {"lt": 2}}]},
        ]
    }
    assert index_condition(MetadataFilters(filters=[], condition=None)) is None
    with pytest.raises(ValueError, match="no filter 'text_match'"):
        index_condition(
            MetadataFilters(filters=[MetadataFilter(key="a", value="b", operator=FilterOperator.TEXT_MATCH)])
        )


def test_nodes_are_found_by_the_file_path_that_they_show(index: sw.Index) -> None:
    (first, *_) = SenseweaveRetriever(index=index, similarity_top_k=1).retrieve("green")
    path = MetadataFilter(key="file_path", value=first.node.metadata["file_path"])
    found = SenseweaveRetriever(index=index, filters=MetadataFilters(filters=[path])).retrieve("green")
    assert [hit.node.metadata["file_path"] for hit in found] == [first.node.metadata["file_path"]]
    others = MetadataFilters(filters=[path], condition=FilterCondition.NOT)
    left = SenseweaveRetriever(index=index, filters=others, similarity_top_k=100).retrieve("green")
    assert first.node.metadata["file_path"] not in {hit.node.metadata["file_path"] for hit in left}
    assert len(left) > 0


def test_a_file_path_of_the_user_is_asked_for_by_the_name_that_nodes_show(index: sw.Index) -> None:
    index.add([sw.Text("a green door", metadata={"file_path": "shelf 3"})])
    own = MetadataFilters(filters=[MetadataFilter(key="user_file_path", value="shelf 3")])
    (found,) = SenseweaveRetriever(index=index, filters=own).retrieve("green")
    assert found.node.metadata["user_file_path"] == "shelf 3"


def test_a_vector_alone_cannot_ask_an_index(index: sw.Index) -> None:
    with pytest.raises(ValueError, match="cannot be asked by the bundle's embedding"):
        SenseweaveRetriever(index=index).retrieve(QueryBundle("", embedding=[0.1] * 32))


def test_a_file_that_has_gone_does_not_end_the_synthesis(index: sw.Index, files: Any) -> None:
    files["image"][1].unlink()
    llm = MockLLMWithChatMemoryOfLastCall(is_chat_model=True)
    retriever = SenseweaveRetriever(index=index, modalities=["image"], similarity_top_k=1)
    RetrieverQueryEngine.from_args(retriever, llm=llm, multimodal=True).query("green")
    sent = [getattr(block, "text", "") for message in llm.last_chat_messages or [] for block in message.blocks]
    assert any(files["image"][1].name in text for text in sent)
    assert not any(str(files["image"][1]) in text for text in sent)


async def test_words_are_searched_too(index: sw.Index) -> None:
    index.add([sw.Text(f"Valve QZ-{number:03} was looked at.") for number in range(40)])
    retriever = SenseweaveRetriever(index=index, similarity_top_k=1, words=True)
    for found in (retriever.retrieve("QZ-017"), await retriever.aretrieve("QZ-017")):
        assert [hit.node.get_content() for hit in found] == ["Valve QZ-017 was looked at."]
        assert found[0].score is not None
        assert found[0].score > 3
        assert found[0].node.metadata["matched_words"] == ["QZ-017"]


def test_the_words_that_matched_are_for_people_and_the_node_stays_the_same(index: sw.Index) -> None:
    index.add([sw.Text(f"Valve QZ-{number:03} was looked at.") for number in range(40)])
    by_word, by_number, plain = (
        SenseweaveRetriever(index=index, similarity_top_k=1, words=words).retrieve(query)[0].node
        for words, query in ((True, "valve QZ-017"), (True, "QZ-017"), (False, "Valve QZ-017 was looked at."))
    )
    assert by_word.metadata["matched_words"] == ["Valve", "QZ-017"]
    assert "matched_words" not in plain.metadata
    assert by_word.hash == by_number.hash == plain.hash  # by which fusion retrievers join what several questions find
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert by_word.get_content(mode) == plain.get_content(mode)


async def test_words_of_a_chroma_store_are_searched_as_it_changes(embed_model: Any, tmp_path: Path) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "store"))
    store = ChromaVectorStore(chroma_collection=client.create_collection("notes"))
    texts = [f"Valve QZ-{number:03} was looked at." for number in range(40)]

    def add(texts: list[str], **metadata: Any) -> None:
        nodes = [TextNode(id_=text, text=text, metadata=metadata) for text in texts]
        store.add(list(embed_model(nodes)))

    add(texts[:20], hall=1)
    add(texts[20:], hall=2)
    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=1, words=True)

    def best(query: str, **options: Any) -> str:
        (found,) = retriever.retrieve(MediaQueryBundle(query, options=options or None))
        return str(found.node.get_content())

    for found in (retriever.retrieve("QZ-017"), await retriever.aretrieve("QZ-017")):
        assert [(hit.node.node_id, hit.node.get_content()) for hit in found] == [(texts[17], texts[17])]
        assert found[0].score > 3
        assert found[0].node.metadata["matched_words"] == ["QZ-017"]
    for hall, is_there in ((1, True), (2, False)):
        only = MetadataFilters(filters=[MetadataFilter(key="hall", value=hall)])
        assert (best("QZ-017", filters=only) == texts[17]) == is_there
    add(["The fuse XK-99 is blown."])
    assert best("XK-99") == "The fuse XK-99 is blown."
    store.delete_nodes([texts[17]])
    assert best("QZ-017") != texts[17]


def test_words_of_other_stores_are_an_error_that_names_them(embed_model: Any) -> None:
    with pytest.raises(ValueError, match=r"words=True searches an index .* or a Chroma store, and SimpleVectorStore"):
        SenseweaveRetriever(SimpleVectorStore(), embed_model, words=True).retrieve("QZ-017")
