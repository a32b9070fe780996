"""An agent that searches all modalities, looks at pictures, listens to the span that was found, and cites its sources.

    python agent.py FOLDER "a question"

Runs offline on the embedded starter model. A function stands in for the language model: it searches, listens to the
first recording that was found, and answers with the source's label. `FunctionAgent` takes any model that calls tools,
sees and hears, in its place.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import AudioBlock, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaPostprocessor, MediaQueryBundle, SenseweaveRetriever

Blocks = list[TextBlock | ImageBlock | AudioBlock]


class MediaTools:
    """The tools of an agent: search, and listening to a recording that was found."""

    def __init__(self, retriever: SenseweaveRetriever) -> None:
        self._retriever = retriever
        self._found: list[NodeWithScore] = []

    async def search(self, query: str, count: int = 3) -> Blocks:
        """Search texts, photographs, recordings and videos in plain words; pictures come with the numbered sources."""
        bundle = MediaQueryBundle(query, options={"similarity_top_k": count})
        self._found = await self._retriever.aretrieve(bundle)
        shown = await MediaPostprocessor(mark_data=False).apostprocess_nodes(self._found)
        return [block for hit in shown for block in hit_blocks(hit)]

    async def listen(self, number: int) -> Blocks:
        """Listen to the span of a recording that a search found, by its number."""
        hears = MediaPostprocessor(modalities=("audio",), mark_data=False)
        shown = await hears.apostprocess_nodes(self._found[number - 1 : number])
        return [block for hit in shown for block in hit_blocks(hit)]


def hit_blocks(hit: NodeWithScore) -> Blocks:
    """Return the blocks of a node, without empty texts."""
    return [block for block in hit.node.get_content_blocks() if not isinstance(block, TextBlock) or block.text]


def search_listen_and_cite(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
    """Stand in for a model: search for the question, listen to the first recording, cite it with its span."""
    results = [message for message in messages if message.role == "tool"]
    texts = [[block.text for block in result.blocks if isinstance(block, TextBlock)] for result in results]
    if not results:
        question = next(message.content for message in messages if message.role == "user")
        return call("search", query=question)
    heard = sum(isinstance(block, AudioBlock) for result in results for block in result.blocks)
    seen = sum(isinstance(block, ImageBlock) for result in results for block in result.blocks)
    recordings = [text for text in texts[0] if "] audio, " in text]
    if recordings and len(results) == 1:
        return call("listen", number=int(recordings[0][1 : recordings[0].index("]")]))
    source = (recordings or texts[0])[0]
    return ChatMessage(
        role="assistant", content=f"I saw {seen} pictures and heard {heard} recordings. Source: {source}"
    )


def call(name: str, **arguments: Any) -> ChatMessage:
    """Return the message of a model that calls a tool."""
    return ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_call_id=name, tool_name=name, tool_kwargs=arguments)]
    )


async def ask(folder: Path, question: str) -> str:
    """Make nodes of a folder and ask the agent."""
    embed_model = SenseweaveEmbedding()
    documents = MediaReader(embed_model=embed_model).load_data(folder)
    tools = MediaTools(SenseweaveRetriever.from_nodes(documents, embed_model))
    agent = FunctionAgent(
        tools=[FunctionTool.from_defaults(async_fn=tools.search), FunctionTool.from_defaults(async_fn=tools.listen)],
        llm=MockFunctionCallingLLM(response_generator=search_listen_and_cite, is_chat_model=True),
        streaming=False,
    )
    answer = str(await agent.run(question))
    print(answer)
    return answer


if __name__ == "__main__":
    asyncio.run(ask(Path(sys.argv[1]), sys.argv[2]))
