"""A retriever as a tool whose results an agent sees as content blocks: text, images and sound."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.messages.content import ContentBlock, FileContentBlock
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from langchain_senseweave.prompting.blocks import DEFAULT_LIMITS, Label, content_blocks
from langchain_senseweave.prompting.profile import model_modalities
from senseweave.interop import MediaPolicy, Modality, OnUnreadable, PromptLimits, in_thread

_SHOWN: tuple[Modality, ...] = ("text", "image", "video")
"""What models are shown in tool messages of which nothing else is said."""


class MediaRetrieverInput(BaseModel):
    """Arguments of the tool, as the agent gives them."""

    query: str = Field(description="What to look for, in words.")


class ModalityRetrieverInput(MediaRetrieverInput):
    """Arguments of the tool over a retriever that can be asked for modalities."""

    modalities: list[Modality] | None = Field(
        default=None, description="Only results of these kinds, some of text, image, audio and video; all if left out."
    )


def create_media_retriever_tool(
    retriever: BaseRetriever,
    name: str,
    description: str,
    *,
    limits: PromptLimits = DEFAULT_LIMITS,
    modalities: Collection[Modality] | None = None,
    model: Any = None,
    policy: MediaPolicy | None = None,
    on_error: OnUnreadable = "skip",
    mark_data: bool = True,
    full_paths: bool = False,
    label: Label | None = None,
    modality_argument: bool = False,
) -> StructuredTool:
    """Return a tool with which an agent searches media and sees what it finds.

    The tool message holds content blocks (see `content_blocks`), and the documents as its `artifact`. Few providers
    take sound in tool messages, so recordings stand as their text unless `modalities` names `audio`; they are then
    file blocks of type `audio/wav`, since LangChain and LangGraph write a list that holds an audio block as JSON text.

    Args:
        retriever: Any retriever of documents; `SenseweaveRetriever` ranks several modalities as one list.
        name: Name of the tool, for the model.
        description: When to use it, for the model.
        limits: How much is shown.
        modalities: What the model takes in a tool message; None for what `model` takes, or for text, images and video.
        model: The chat model, whose `profile` says what it takes.
        policy: What may be read; by default the policy of the retriever, if it has a policy.
        on_error: `skip` to let the text stand for media that cannot be read, or `raise`.
        mark_data: Whether documents are marked as data, see `content_blocks`.
        full_paths: Whether labels name whole paths; the artifact always does, which no model is shown.
        label: Returns what stands before the text of a document, see `content_blocks`.
        modality_argument: Whether the model may ask for some modalities alone, by an argument `modalities` that a
            `SenseweaveRetriever` takes.

    Returns:
        The tool.
    """
    if modalities is None:
        modalities = _SHOWN if model is None else model_modalities(model, in_tools=True)
    allowed = policy if policy is not None else getattr(retriever, "media_policy", None)

    def answer(documents: list[Document]) -> tuple[Any, list[Document]]:
        blocks = content_blocks(
            documents,
            limits=limits,
            modalities=modalities,
            policy=allowed,
            on_error=on_error,
            mark_data=mark_data,
            full_paths=full_paths,
            label=label,
        )
        return [_tool_block(block) for block in blocks] or "Nothing was found.", documents

    def search(query: str, callbacks: Callbacks = None, **options: Any) -> tuple[Any, list[Document]]:
        return answer(retriever.invoke(query, config={"callbacks": callbacks}, **options))

    async def asearch(query: str, callbacks: Callbacks = None, **options: Any) -> tuple[Any, list[Document]]:
        documents = await retriever.ainvoke(query, config={"callbacks": callbacks}, **options)
        return await in_thread(answer, documents)

    return StructuredTool(
        name=name,
        description=description,
        func=search,
        coroutine=asearch,
        args_schema=ModalityRetrieverInput if modality_argument else MediaRetrieverInput,
        response_format="content_and_artifact",
    )


def _tool_block(block: ContentBlock) -> ContentBlock:
    """Return a block of a type that tool messages may hold: sound becomes a file of its MIME type."""
    if block["type"] != "audio":
        return block
    return FileContentBlock(type="file", base64=block["base64"], mime_type=block["mime_type"])
