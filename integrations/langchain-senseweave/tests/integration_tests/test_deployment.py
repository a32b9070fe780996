"""What users deploy works with media: a LangGraph state that is kept and taken up again, and FastAPI streaming."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnablePassthrough

from langchain_senseweave import (
    SenseweaveChroma,
    SenseweaveRetriever,
    create_media_retriever_tool,
    multimodal_prompt,
)


class RepeatingChatModel(BaseChatModel):
    """Repeats the words that it was sent, one at a time."""

    @property
    def _llm_type(self):
        return "repeating"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].text))])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for word in messages[-1].text.split():
            yield ChatGenerationChunk(message=AIMessageChunk(f"{word} "))


@pytest.fixture
def retriever(embeddings, red_png, tone_wav, tmp_path):
    (tmp_path / "sea.txt").write_text("the sea is blue")
    store = SenseweaveChroma("deployed", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_media([tmp_path / "sea.txt", red_png, tone_wav])
    return SenseweaveRetriever(vector_stores=[store], k=3)


@contextmanager
def served(app):
    """Serve an application on the loopback interface, and give its port."""
    uvicorn = pytest.importorskip("uvicorn")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=30)


async def test_a_state_with_media_is_kept_and_taken_up_again(retriever):
    graphs = pytest.importorskip("langgraph.graph")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.prebuilt import ToolNode

    tool = create_media_retriever_tool(retriever, "search", "Searches.", modalities=["text", "image", "audio"])
    call = AIMessage("", tool_calls=[{"name": "search", "args": {"query": "sea"}, "id": "call-1"}])

    def build(saver):
        graph = graphs.StateGraph(graphs.MessagesState)
        graph.add_node("ask", lambda state: {"messages": [call]})
        graph.add_node("tools", ToolNode([tool]))
        graph.add_node(
            "answer", lambda state: {"messages": [AIMessage(f"{len(state['messages'][-1].content)} blocks")]}
        )
        for start, end in ((graphs.START, "ask"), ("ask", "tools"), ("tools", "answer"), ("answer", graphs.END)):
            graph.add_edge(start, end)
        return graph.compile(checkpointer=saver, interrupt_before=["answer"])

    saver, thread = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    await build(saver).ainvoke({"messages": [HumanMessage("sea?")]}, thread)
    kept = build(saver).get_state(thread)
    message = kept.values["messages"][-1]
    assert kept.next == ("answer",)
    # LangGraph keeps an artifact as plain values.
    assert [Document.model_validate(entry) for entry in message.artifact] == retriever.invoke("sea")
    assert all(entry["metadata"]["score"] is not None for entry in message.artifact)
    assert message.content == tool.invoke(call.tool_calls[0]).content
    assert {block["type"] for block in message.content} == {"text", "image", "file"}
    done = await build(saver).ainvoke(None, thread)
    assert done["messages"][-1].text == f"{len(message.content)} blocks"


async def test_answers_are_streamed_over_http_while_others_are_asked(retriever):
    fastapi = pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    from fastapi.responses import StreamingResponse

    model = RepeatingChatModel()
    chain = {"documents": retriever, "question": RunnablePassthrough()} | multimodal_prompt() | model
    app = fastapi.FastAPI()

    @app.get("/ask")
    async def ask(question: str) -> StreamingResponse:
        chunks = chain.astream(question)
        return StreamingResponse((chunk.text async for chunk in chunks), media_type="text/plain")

    async def answer(client, question):
        async with client.stream("GET", f"http://127.0.0.1:{port}/ask", params={"question": question}) as response:
            return [chunk async for chunk in response.aiter_text()]

    with served(app) as port:
        async with httpx.AsyncClient(timeout=60) as client:
            answers = await asyncio.gather(*(answer(client, "the sea is blue") for _ in range(8)))
    assert len(answers) == 8
    for chunks in answers:
        assert "the sea is blue" in "".join(chunks)
        assert len(chunks) > 1


async def test_langserve_serves_the_retriever_and_streams_a_chain(retriever, red_png):
    fastapi = pytest.importorskip("fastapi")
    langserve = pytest.importorskip("langserve")
    chain = {"documents": retriever, "question": RunnablePassthrough()} | multimodal_prompt() | RepeatingChatModel()
    app = fastapi.FastAPI()
    langserve.add_routes(app, retriever.with_types(input_type=str), path="/search")
    langserve.add_routes(app, chain.with_types(input_type=str), path="/ask")
    with served(app) as port:
        search = langserve.RemoteRunnable(f"http://127.0.0.1:{port}/search")
        found = await search.ainvoke("the sea is blue")
        ask = langserve.RemoteRunnable(f"http://127.0.0.1:{port}/ask")
        chunks = [chunk.text async for chunk in ask.astream("the sea is blue")]
        several = await ask.abatch(["the sea is blue", "red"])
    assert found == await retriever.ainvoke("the sea is blue")
    assert str(red_png) in {document.metadata["source"] for document in found}
    assert len(chunks) > 1
    assert "the sea is blue" in "".join(chunks)
    assert [message.text.split()[-1] for message in several] == ["blue", "red"]
