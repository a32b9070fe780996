"""The retriever and the postprocessor as steps of a LlamaIndex workflow, several runs at once."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from llama_index.core.schema import ImageNode, NodeWithScore
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaPostprocessor, MediaQueryBundle, SenseweaveRetriever


class Retrieved(Event):
    """What the retriever found."""

    hits: list[NodeWithScore]


class Shown(Event):
    """What a model would be shown next."""

    words: str
    is_picture: bool


class ShowPictures(Workflow):
    """Retrieves in one step and prepares pictures for a model in the next."""

    def __init__(self, retriever: SenseweaveRetriever, **options: Any) -> None:
        super().__init__(**options)
        self._retriever = retriever

    @step
    async def retrieve(self, context: Context, event: StartEvent) -> Retrieved:
        await context.store.set("question", event.question)
        bundle = MediaQueryBundle(event.question, options={"similarity_top_k": event.count})
        return Retrieved(hits=await self._retriever.aretrieve(bundle))

    @step
    async def show(self, context: Context, event: Retrieved) -> StopEvent:
        shown = await MediaPostprocessor().apostprocess_nodes(event.hits)
        for hit in shown:
            context.write_event_to_stream(
                Shown(words=hit.node.get_content(), is_picture=isinstance(hit.node, ImageNode))
            )
        pictures = [hit for hit in shown if isinstance(hit.node, ImageNode)]
        return StopEvent(result=(await context.store.get("question"), len(pictures)))


async def test_a_workflow_retrieves_and_shows_media_in_runs_that_do_not_mix(
    embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    retriever = SenseweaveRetriever.from_nodes(nodes, embed_model, modalities=["image"])
    workflow = ShowPictures(retriever, timeout=60)
    colours = ("red", "green", "blue")
    results = await asyncio.gather(
        *(workflow.run(question=colour, count=count) for count, colour in enumerate(colours, start=1))
    )
    assert results == [("red", 1), ("green", 2), ("blue", 3)]


async def test_a_workflow_streams_over_http_what_it_shows(embed_model: SenseweaveEmbedding, nodes: list[Any]) -> None:
    fastapi = pytest.importorskip("fastapi", reason="needs fastapi")
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn")
    responses = pytest.importorskip("fastapi.responses", reason="needs fastapi")
    retriever = SenseweaveRetriever.from_nodes(nodes, embed_model, modalities=["image"])
    app = fastapi.FastAPI()

    @app.get("/ask")
    async def ask(question: str, count: int) -> Any:
        async def events() -> AsyncIterator[str]:
            handler = ShowPictures(retriever, timeout=60).run(question=question, count=count)
            async for event in handler.stream_events():
                if isinstance(event, Shown):
                    yield event.model_dump_json() + "\n"
            yield json.dumps(await handler) + "\n"

        return responses.StreamingResponse(events(), media_type="application/x-ndjson")

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        await asyncio.sleep(0.02)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/ask"
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            calls = (
                client.get(url, params={"question": colour, "count": n}) for n, colour in ((1, "red"), (3, "blue"))
            )
            answers = [list(map(json.loads, answer.text.splitlines())) for answer in await asyncio.gather(*calls)]
    finally:
        server.should_exit = True
        thread.join(timeout=30)
    assert [lines[-1] for lines in answers] == [["red", 1], ["blue", 3]]
    for lines, count in zip(answers, (1, 3), strict=True):
        assert [line["is_picture"] for line in lines[:-1]] == [False, True] * count
        assert all("image, image-" in line["words"] for line in lines[:-1:2])
