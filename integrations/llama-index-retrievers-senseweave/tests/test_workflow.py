"""The retriever and the postprocessor as steps of a LlamaIndex workflow, several runs at once."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.schema import ImageNode, NodeWithScore
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaPostprocessor, MediaQueryBundle, SenseweaveRetriever


class Retrieved(Event):
    """What the retriever found."""

    hits: list[NodeWithScore]


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
