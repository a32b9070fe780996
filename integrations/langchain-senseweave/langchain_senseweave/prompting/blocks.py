"""From retrieved documents to what a chat model sees: labelled content blocks of text, images and sound."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.messages.content import (
    ContentBlock,
    create_audio_block,
    create_image_block,
    create_text_block,
)
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables import Runnable, RunnableLambda, run_in_executor

from langchain_senseweave.items import media_from_document
from senseweave.interop import (
    DEFAULT_PIXELS,
    MODALITIES,
    Audio,
    Image,
    ImageFormat,
    MediaError,
    MediaPolicy,
    Modality,
    Video,
    frame_files,
    image_file,
    place_label,
    read_metadata,
    sound_file,
)

DEFAULT_SYSTEM = (
    "Answer the question from the numbered sources that come before it. Name the numbers of the sources you used. "
    "If they do not hold the answer, say so."
)


@dataclass(frozen=True)
class BlockLimits:
    """How much of the documents a model is shown.

    Attributes:
        documents: Most documents; the rest is left out.
        images: Most images, frames of video included; further media are shown as their text alone.
        pixels: Most pixels of each image (width times height); larger images are scaled down.
        seconds: Most seconds of sound in all; further sound is shown as its text alone.
        frames: Frames shown of each video segment.
        image_format: `jpeg` or `png`.
    """

    documents: int = 8
    images: int = 12
    pixels: int = DEFAULT_PIXELS
    seconds: float = 120.0
    frames: int = 4
    image_format: ImageFormat = "jpeg"


DEFAULT_LIMITS = BlockLimits()


def content_blocks(
    documents: Sequence[Document],
    *,
    limits: BlockLimits = DEFAULT_LIMITS,
    modalities: Collection[Modality] = MODALITIES,
    policy: MediaPolicy | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> list[ContentBlock]:
    """Return standard content blocks for documents, each preceded by a label with its number, source and place.

    Text gives a text block, an image an image block, sound an audio block (WAV, mono, 16 kHz), a video its frames as
    images, since no chat model of LangChain takes video. The transcript or labels of a document are in the label.

    Args:
        documents: Documents of the loader, the store or the retriever.
        limits: How much is shown.
        modalities: What the model takes; documents of other modalities are shown as their text alone.
        policy: What may be read; pass the policy of the embeddings where sources come from others.
        on_error: `raise`, or `skip` to show media that cannot be read as their text, with a warning.

    Returns:
        Blocks for `HumanMessage(content_blocks=...)` or the content of a tool message.

    Raises:
        MediaError: If a media cannot be read, unless `on_error` is `skip`.
        ValueError: If the span of a document makes no sense.
    """
    budget = _Budget(limits.images, limits.seconds)
    blocks: list[ContentBlock] = []
    for number, document in enumerate(documents[: limits.documents], start=1):
        modality = read_metadata(document.metadata).modality
        blocks.append(create_text_block(_label(number, document)))
        if modality == "text" or modality not in modalities:
            if modality == "text":
                blocks.append(create_text_block(document.page_content))
            continue
        try:
            blocks += _media_blocks(document, limits, budget, policy)
        except MediaError as error:
            if on_error == "raise":
                raise
            warnings.warn(f"shown as text alone: {error}", UserWarning, stacklevel=2)
    return blocks


def multimodal_prompt(
    system: str | None = DEFAULT_SYSTEM,
    *,
    question_key: str = "question",
    documents_key: str = "documents",
    limits: BlockLimits = DEFAULT_LIMITS,
    modalities: Collection[Modality] = MODALITIES,
    policy: MediaPolicy | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> Runnable[Mapping[str, Any], ChatPromptValue]:
    """Return a runnable that turns a question and documents into messages with content blocks.

    ```python
    chain = {"documents": retriever, "question": RunnablePassthrough()} | multimodal_prompt() | model
    ```

    Args:
        system: The system message; None for none.
        question_key: Key of the input that holds the question.
        documents_key: Key of the input that holds the documents.
        limits: How much is shown, see `content_blocks`, as for what follows.
        modalities: What the model takes.
        policy: What may be read.
        on_error: `raise` or `skip`.

    Returns:
        A runnable from a mapping to a prompt value: an optional system message, and a human message with the sources
        first and the question last.
    """

    def prompt(values: Mapping[str, Any]) -> ChatPromptValue:
        missing = [key for key in (question_key, documents_key) if key not in values]
        if missing:
            given = ", ".join(map(str, values)) or "no keys"
            msg = f"multimodal_prompt expects the keys {', '.join(missing)}; the input has {given}"
            raise KeyError(msg)
        blocks = content_blocks(
            values[documents_key], limits=limits, modalities=modalities, policy=policy, on_error=on_error
        )
        blocks.append(create_text_block(f"Question: {values[question_key]}"))
        messages: list[Any] = [SystemMessage(system)] if system else []
        return ChatPromptValue(messages=[*messages, HumanMessage(content_blocks=blocks)])

    async def aprompt(values: Mapping[str, Any]) -> ChatPromptValue:
        return await run_in_executor(None, prompt, values)

    return RunnableLambda(prompt, afunc=aprompt, name="multimodal_prompt")


@dataclass
class _Budget:
    """How many images and seconds of sound may still be shown."""

    images: int
    seconds: float


def _media_blocks(
    document: Document, limits: BlockLimits, budget: _Budget, policy: MediaPolicy | None
) -> list[ContentBlock]:
    """Return the blocks of a media as far as the budget allows, which they use up."""
    media = media_from_document(document, policy=policy)
    if isinstance(media, Image) and budget.images > 0:
        budget.images -= 1
        file = image_file(media, max_pixels=limits.pixels, image_format=limits.image_format)
        return [create_image_block(base64=file.base64, mime_type=file.mime_type)]
    if isinstance(media, Audio) and budget.seconds > 0:
        length = min(media.duration, budget.seconds)
        budget.seconds -= length
        file = sound_file(media, max_seconds=length)
        return [create_audio_block(base64=file.base64, mime_type=file.mime_type)]
    if isinstance(media, Video) and budget.images > 0:
        shown = frame_files(
            media,
            frames=min(limits.frames, budget.images),
            max_pixels=limits.pixels,
            image_format=limits.image_format,
        )
        budget.images -= len(shown)
        return [create_image_block(base64=file.base64, mime_type=file.mime_type) for _, file in shown]
    return []


def _label(number: int, document: Document) -> str:
    """Return the line that precedes a document: number, modality, source and place, and the description of media."""
    provenance = read_metadata(document.metadata)
    place = place_label(provenance, otherwise=document.id)
    words = document.page_content.removesuffix(f"({place})").strip() if provenance.modality != "text" else ""
    return f"[{number}] {place}" + (f": {words}" if words and words != place else ":")
