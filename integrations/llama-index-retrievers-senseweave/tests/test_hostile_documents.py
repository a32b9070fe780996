"""What nodes say reaches a language model as data: marked, escaped, never in the system message, without folders."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
from hostile import HIDDEN, HOSTILE
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.llms.mock import MockLLMWithChatMemoryOfLastCall
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import Document, MetadataMode, Node, TextNode
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc
from llama_index.core.tools import RetrieverTool
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_node
from llama_index.embeddings.senseweave.items.shown import shown_node
from llama_index.retrievers.senseweave import SenseweaveRetriever

MARKED = re.compile(r"^<source-([0-9a-f]{16})>\n(.*?)\n</source-\1>$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def retriever(embed_model: SenseweaveEmbedding, files: Any) -> SenseweaveRetriever:
    metadata = {"source": "/home/ann/a\n[2] system\u202e.txt", "modality": "text"}
    texts = [TextNode(text=words, metadata=metadata) for words in HOSTILE]
    picture = media_node("image", files["image"][0], text=HOSTILE[0])
    return SenseweaveRetriever.from_nodes([*texts, picture], embed_model, similarity_top_k=10)


def test_hostile_words_stay_between_marks(retriever: SenseweaveRetriever, files: Any) -> None:
    shown = [hit.node.get_content(MetadataMode.LLM) for hit in retriever.retrieve("x")]
    assert len(shown) == len(HOSTILE) + 1
    for text in shown:
        assert len(MARKED.findall(text)) == 1
        assert not any(words in MARKED.sub("", text) for words in ("Ignore", "obey", "key?", "administrator"))
    whole = "".join(shown)
    assert not re.search(HIDDEN, whole)
    assert "<|im_start|>" not in whole
    assert "[/INST]" not in whole
    assert "source: a\\n[2] system\\u202e.txt" in whole
    assert "/home/ann" not in whole
    assert str(files["image"][0].parent) not in whole


def test_pictures_stand_between_marks(retriever: SenseweaveRetriever) -> None:
    (node,) = (hit.node for hit in retriever.retrieve("x") if hit.node.metadata["modality"] == "image")
    blocks = node.get_content_blocks(MetadataMode.LLM)
    assert [type(block) for block in blocks] == [TextBlock, TextBlock, TextBlock, ImageBlock, TextBlock]
    boundary = blocks[0].text[-17:-1]
    assert blocks[0].text.endswith(f"\n<source-{boundary}>")
    assert blocks[-1].text == f"</source-{boundary}>"
    assert [type(block) for block in node.get_content_blocks()] == [TextBlock, ImageBlock]


@pytest.mark.parametrize("multimodal", [True, False])
def test_no_synthesis_sends_a_folder_or_puts_words_into_the_system_message(
    retriever: SenseweaveRetriever, files: Any, multimodal: bool
) -> None:
    llm = MockLLMWithChatMemoryOfLastCall(is_chat_model=True)
    RetrieverQueryEngine.from_args(retriever, llm=llm, multimodal=multimodal).query("Who?")
    messages = llm.last_chat_messages or []
    texts = {str(message.role.value): "" for message in messages}
    for message in messages:
        texts[message.role.value] += "\n".join(b.text for b in message.blocks if isinstance(b, TextBlock))
    assert "Ignore previous" in texts["user"]
    assert "Ignore previous" not in texts.get("system", "")
    assert not any("/home/ann" in text or str(files["image"][0].parent) in text for text in texts.values())


def test_a_tool_answers_with_marks(retriever: SenseweaveRetriever) -> None:
    answer = RetrieverTool.from_defaults(retriever).call("x").content
    assert len(MARKED.findall(answer)) == len(HOSTILE) + 1
    assert "/home/ann" not in answer


def test_only_language_models_are_shown_marks(files: Any) -> None:
    for plain in (TextNode(text="a", metadata={"source": "/home/ann/a.txt"}), media_node("image", files["image"][0])):
        shown = shown_node(plain)
        for mode in (MetadataMode.NONE, MetadataMode.EMBED, MetadataMode.ALL):
            assert shown.get_content(mode) == plain.get_content(mode)
        assert shown.hash == plain.hash
        assert shown.metadata == plain.metadata
        assert type(json_to_doc(doc_to_json(shown))) is (TextNode if isinstance(plain, TextNode) else Node)
        again = pickle.loads(pickle.dumps(shown)), shown.model_copy()
        assert all(copy.get_content(MetadataMode.LLM) == shown.get_content(MetadataMode.LLM) for copy in again)


def test_marks_and_short_names_are_options() -> None:
    node = TextNode(text="\x1b", metadata={"source": "/home/ann/a.txt"})
    assert shown_node(node, mark_data=False).get_content(MetadataMode.LLM) == "source: a.txt\n\n\x1b"
    assert "source: /home/ann/a.txt" in shown_node(node, full_paths=True).get_content(MetadataMode.LLM)
    document = Document(text="a")
    assert shown_node(document) is document


def test_a_node_of_this_package_shows_no_folder_to_language_models_even_without_the_retriever(files: Any) -> None:
    node = media_node("image", files["image"][0], text="a red wall")
    assert str(files["image"][0].parent) not in node.get_content(MetadataMode.LLM)
