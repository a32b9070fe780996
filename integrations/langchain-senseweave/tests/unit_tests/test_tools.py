"""The tool gives an agent what it found as content blocks, and the documents as the artifact."""

from __future__ import annotations

import uuid

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import ToolMessage

from langchain_senseweave import SenseweaveChroma, SenseweaveRetriever, create_media_retriever_tool


@pytest.fixture
def retriever(embeddings, red_png, tone_wav, clip_mp4, tmp_path):
    (tmp_path / "sea.txt").write_text("the sea is blue")
    store = SenseweaveChroma(f"c{uuid.uuid4().hex}", embeddings)
    store.add_media([tmp_path / "sea.txt", red_png, tone_wav, clip_mp4])
    return SenseweaveRetriever(vector_stores=[store])


def call(tool, query="sea"):
    return {"name": tool.name, "args": {"query": query}, "id": "call-1", "type": "tool_call"}


def kinds(blocks):
    return [block["type"] for block in blocks]


def test_a_call_gives_a_tool_message_with_blocks_and_documents(retriever):
    tool = create_media_retriever_tool(retriever, "search_media", "Searches photos and notes.")
    message = tool.invoke(call(tool))
    assert isinstance(message, ToolMessage)
    assert (message.name, message.tool_call_id, message.status) == ("search_media", "call-1", "success")
    assert set(kinds(message.content)) == {"text", "image"}
    assert message.artifact == retriever.invoke("sea")


def test_sound_is_a_block_only_where_asked_for_and_never_text_in_base64(retriever):
    tool = create_media_retriever_tool(retriever, "search", "x", modalities=["text", "image", "audio"])
    message = tool.invoke(call(tool))
    assert isinstance(message.content, list)
    assert {block.get("mime_type") for block in message.content if block["type"] == "file"} == {"audio/wav"}
    assert all(len(block["text"]) < 1000 for block in message.content if block["type"] == "text")


async def test_async_calls_give_the_same(retriever):
    tool = create_media_retriever_tool(retriever, "search", "x")
    sync, later = tool.invoke(call(tool)), await tool.ainvoke(call(tool))
    assert kinds(later.content) == kinds(sync.content)
    assert later.artifact == sync.artifact


def test_without_a_call_the_blocks_come_back_as_they_are(retriever):
    tool = create_media_retriever_tool(retriever, "search", "x")
    assert kinds(tool.invoke({"query": "sea"}))[0] == "text"


def test_the_model_sees_one_argument(retriever):
    tool = create_media_retriever_tool(retriever, "search", "Searches.")
    assert list(tool.tool_call_schema.model_json_schema()["properties"]) == ["query"]
    assert tool.description == "Searches."


def test_a_search_without_hits_is_reported_in_words(retriever):
    tool = create_media_retriever_tool(retriever.model_copy(update={"filter": {"n": 1}}), "search", "x")
    assert tool.invoke(call(tool)).content == "Nothing was found."


def test_media_that_went_away_stand_as_their_text(retriever, red_png):
    red_png.unlink()
    tool = create_media_retriever_tool(retriever, "search", "x")
    with pytest.warns(UserWarning, match="text alone"):
        message = tool.invoke(call(tool))
    assert any("red.png" in block.get("text", "") for block in message.content)


def test_equal_calls_give_equal_messages(retriever):
    tool = create_media_retriever_tool(retriever, "search", "x", modalities=["text", "image", "audio"])
    assert tool.invoke(call(tool)).content == tool.invoke(call(tool)).content


async def test_a_model_may_ask_for_some_modalities(retriever):
    tool = create_media_retriever_tool(retriever, "search", "Searches.", modality_argument=True)
    assert list(tool.tool_call_schema.model_json_schema()["properties"]) == ["query", "modalities"]
    asked = {**call(tool), "args": {"query": "sea", "modalities": ["image"]}}
    for message in (tool.invoke(asked), await tool.ainvoke(asked)):
        assert [document.metadata["modality"] for document in message.artifact] == ["image"]
    assert len(tool.invoke(call(tool)).artifact) == 4


def test_a_model_that_takes_no_images_in_tool_messages_is_shown_their_text(retriever):
    model = FakeListChatModel(responses=["x"], profile={"image_inputs": True, "image_tool_message": False})
    tool = create_media_retriever_tool(retriever, "search", "Searches.", model=model)
    assert set(kinds(tool.invoke(call(tool)).content)) == {"text"}
