"""Content blocks of messages are questions and items to embed."""

from __future__ import annotations

import base64
import uuid

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.messages.content import create_image_block, create_text_block
from langchain_core.runnables import RunnablePassthrough

from langchain_senseweave import (
    MediaLoader,
    SenseweaveChroma,
    SenseweaveRetriever,
    multimodal_prompt,
)
from senseweave import Image, MediaError


@pytest.fixture
def retriever(embeddings, red_png, blue_png, tone_wav):
    store = SenseweaveChroma(f"c{uuid.uuid4().hex}", embeddings)
    store.add_media([red_png, blue_png, tone_wav])
    return SenseweaveRetriever(vector_stores=[store], k=2)


def standard(path):
    return create_image_block(base64=base64.b64encode(path.read_bytes()).decode(), mime_type="image/png")


def openai(path):
    link = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return {"type": "image_url", "image_url": {"url": link}}


@pytest.mark.parametrize("make", [standard, openai])
async def test_a_block_is_embedded_and_searched_by_like_the_file(retriever, embeddings, blue_png, make):
    block, found = make(blue_png), retriever.retrieve_by_image(blue_png)
    assert embeddings.embed_image([block]) == embeddings.embed_image([blue_png])
    assert retriever.retrieve_by_image(block) == found
    for question in ([block], HumanMessage([block])):
        assert retriever.invoke(question) == await retriever.ainvoke(question) == found
    assert MediaLoader([block]).load()[0].metadata["sha256"] == Image(blue_png).sha256


def test_words_and_an_image_are_asked_for_together(retriever, blue_png):
    alone, both = (
        retriever.invoke(question, k=3) for question in ([standard(blue_png)], ["a tone", standard(blue_png)])
    )
    assert both[0].metadata["source"] == str(blue_png)
    assert both[0].metadata["raw_score"] != pytest.approx(alone[0].metadata["raw_score"], abs=1e-3)
    assert retriever.invoke([create_text_block("a tone")]) == retriever.invoke("a tone")


def test_callbacks_are_told_the_words_and_not_the_pixels(retriever, blue_png):
    class Told(BaseCallbackHandler):
        def on_retriever_start(self, serialized, query, **kwargs):
            self.query = query

    told = Told()
    retriever.invoke(HumanMessage(["What is this?", standard(blue_png)]), {"callbacks": [told]})
    assert told.query == "What is this? [image]"


@pytest.mark.parametrize("question", [[], [""], HumanMessage(" ")])
def test_an_empty_question_is_an_error(retriever, question):
    with pytest.raises(ValueError, match="the question is empty"):
        retriever.invoke(question)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"question": "a tone"}, r"a dict with the keys question; pick the question out of it"),
        ([HumanMessage("a tone")], "not HumanMessage; give the last of several messages alone"),
        (None, "not NoneType"),
        (7, "not int"),
        (b"a tone", "not bytes"),
    ],
)
async def test_what_is_no_question_is_an_error_that_says_what_is(retriever, question, reason):
    with pytest.raises(TypeError, match=reason):
        retriever.invoke(question)
    with pytest.raises(TypeError, match=reason):
        await retriever.ainvoke(question)


def test_a_block_that_holds_nothing_to_search_by_is_an_error_that_says_so(retriever):
    with pytest.raises(MediaError, match="holds no text, base64 or url"):
        retriever.invoke([{"type": "image", "file_id": "f-1"}])


def test_a_chain_shows_the_model_what_the_question_shows(retriever, blue_png):
    block = standard(blue_png)
    chain = {"documents": retriever, "question": RunnablePassthrough()} | multimodal_prompt()
    shown = chain.invoke(["What is this?", block]).messages[-1].content
    assert shown[-2]["text"] == "Question: What is this? [image]"
    assert shown[-1]["base64"] == block["base64"]


def test_a_block_leads_to_no_file_of_the_server(retriever, embeddings, red_png):
    assert MediaLoader([{"type": "text", "text": str(red_png)}]).load()[0].page_content == str(red_png)
    with pytest.raises(MediaError, match="names a local file"):
        retriever.invoke([{"type": "image_url", "image_url": {"url": str(red_png)}}])
    with pytest.raises(MediaError, match="names a local file"):
        embeddings.embed_image([{"type": "image", "url": f"file://{red_png}"}])
