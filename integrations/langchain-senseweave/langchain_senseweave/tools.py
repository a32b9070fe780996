"""A retriever as a tool whose results an agent sees as content blocks: text, images and sound."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import run_in_executor
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from langchain_senseweave.content import DEFAULT_LIMITS, BlockLimits, content_blocks
from senseweave.media import MediaPolicy, Modality

_SHOWN: tuple[Modality, ...] = ("text", "image", "video")


class MediaRetrieverInput(BaseModel):
    """What the agent says."""

    query: str = Field(description="What to look for, in words.")


class MediaRetrieverTool(StructuredTool):
    """A tool that answers with content blocks; made by `create_media_retriever_tool`."""

    def _to_args_and_kwargs(
        self, tool_input: str | dict[str, Any], tool_call_id: str | None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        # LangChain writes a list that holds an audio block as JSON text into the tool message (audio is not among
        # its TOOL_MESSAGE_BLOCK_TYPES), so the tool makes the message itself and needs the id of the call.
        args, kwargs = super()._to_args_and_kwargs(tool_input, tool_call_id)
        return args, {**kwargs, "tool_call_id": tool_call_id}


def create_media_retriever_tool(
    retriever: BaseRetriever,
    name: str,
    description: str,
    *,
    limits: BlockLimits = DEFAULT_LIMITS,
    modalities: Collection[Modality] = _SHOWN,
    policy: MediaPolicy | None = None,
    on_error: Literal["raise", "skip"] = "skip",
) -> MediaRetrieverTool:
    """Make a tool with which an agent searches media and sees what it finds.

    The tool message holds content blocks (see `content_blocks`), and the documents as its `artifact`. Few providers
    take sound in tool messages, so recordings stand as their text unless `modalities` names `audio`.

    Args:
        retriever: Any retriever of documents; `SenseweaveRetriever` ranks several modalities as one list.
        name: Name of the tool, for the model.
        description: What it is good for, for the model.
        limits: How much is shown.
        modalities: What the model takes in a tool message.
        policy: What may be read; by default that of the retriever, if it has one.
        on_error: `skip` to let the text stand for media that cannot be read, or `raise`.

    Returns:
        The tool.
    """
    allowed = policy
    if allowed is None:
        of_retriever = getattr(retriever, "_media_policy", None)
        allowed = of_retriever() if callable(of_retriever) else None

    def answer(documents: list[Document], tool_call_id: str | None) -> tuple[Any, list[Document]]:
        blocks: list[Any] = list(
            content_blocks(documents, limits=limits, modalities=modalities, policy=allowed, on_error=on_error)
        )
        content = blocks or "Nothing was found."
        if tool_call_id is None:
            return content, documents
        return ToolMessage(content, artifact=documents, tool_call_id=tool_call_id, name=name), documents

    def search(query: str, callbacks: Callbacks = None, tool_call_id: str | None = None) -> tuple[Any, list[Document]]:
        return answer(retriever.invoke(query, config={"callbacks": callbacks}), tool_call_id)

    async def asearch(
        query: str, callbacks: Callbacks = None, tool_call_id: str | None = None
    ) -> tuple[Any, list[Document]]:
        documents = await retriever.ainvoke(query, config={"callbacks": callbacks})
        return await run_in_executor(None, answer, documents, tool_call_id)

    return MediaRetrieverTool(
        name=name,
        description=description,
        func=search,
        coroutine=asearch,
        args_schema=MediaRetrieverInput,
        response_format="content_and_artifact",
    )
