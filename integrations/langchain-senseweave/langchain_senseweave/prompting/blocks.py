"""From retrieved documents to what a chat model sees: labelled content blocks of text, images, sound and video."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.messages.content import (
    AudioContentBlock,
    ContentBlock,
    ImageContentBlock,
    TextContentBlock,
    VideoContentBlock,
)
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables import Runnable, RunnableLambda

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.items import media_from_document
from langchain_senseweave.prompting.profile import model_modalities
from langchain_senseweave.questions import question_words, read_question
from senseweave.interop import (
    MODALITIES,
    SYSTEM_PROMPT,
    MediaPolicy,
    Modality,
    OnUnreadable,
    PromptDocument,
    PromptFile,
    PromptLimits,
    PromptPart,
    Provenance,
    prompt_parts,
    read_metadata,
    text_without_place,
)

BlockLimits = PromptLimits
"""How much of the documents a model is shown."""
DEFAULT_LIMITS = BlockLimits()
Label = Callable[[int, Provenance], str]
"""Returns what stands before the text of a document, by its number and where it is from."""

_BLOCKS: Final = {"image": ImageContentBlock, "audio": AudioContentBlock, "video": VideoContentBlock}


def content_blocks(
    documents: Sequence[Document],
    *,
    question: str | None = None,
    limits: PromptLimits = DEFAULT_LIMITS,
    modalities: Collection[Modality] | None = None,
    model: Any = None,
    policy: MediaPolicy | None = None,
    on_error: OnUnreadable = "raise",
    mark_data: bool = True,
    full_paths: bool = False,
    label: Label | None = None,
    embeddings: MediaEmbeddings | None = None,
) -> list[ContentBlock]:
    """Return standard content blocks for documents: a text block with label and text of each, and its media.

    An image gives an image block, sound an audio block (WAV, mono, 16 kHz), a video its frames as images, or a video
    block where the limits say `video_as="file"`. The text of media is their transcript or labels.

    Args:
        documents: Documents of the loader, the store or the retriever.
        question: Becomes the last block.
        limits: How much is shown.
        modalities: What the model takes; documents of other modalities are shown as their text alone, which is a
            transcript or caption. None for what `model` takes, or for all.
        model: The chat model, whose `profile` says what it takes; sound is left out where it does not say so.
        policy: What may be read; pass the policy of the embeddings where sources come from others.
        on_error: `raise`, or `skip` to show media that cannot be read as their text, with a warning.
        mark_data: Whether each document stands between marks that no document can forge, after a notice that what
            they enclose is data and no instruction.
        full_paths: Whether labels name whole paths and URLs rather than the names of files.
        label: Returns what stands before the text of a document, by its number and `Provenance`, for example
            `lambda number, provenance: f"[{number}] {provenance.own['title']}:"`.
        embeddings: Their model describes media of which the text of the document says only where they are.

    Returns:
        Blocks for `HumanMessage(content_blocks=...)` or the content of a tool message.

    Raises:
        MediaError: If a media cannot be read, unless `on_error` is `skip`.
        ValueError: If the span of a document makes no sense.
    """
    if modalities is None:
        modalities = MODALITIES if model is None else model_modalities(model)
    given = (_prompt_document(document, policy) for document in documents)
    parts = prompt_parts(
        given,
        question=question,
        limits=limits,
        modalities=modalities,
        on_error=on_error,
        mark_data=mark_data,
        full_paths=full_paths,
        label=label,
        describe=embeddings.describe_media if embeddings is not None else None,
    )
    return [_block(part) for part in parts]


def multimodal_prompt(
    system: str | None = SYSTEM_PROMPT,
    *,
    question_key: str = "question",
    documents_key: str = "documents",
    history_key: str = "history",
    limits: PromptLimits = DEFAULT_LIMITS,
    modalities: Collection[Modality] | None = None,
    model: Any = None,
    policy: MediaPolicy | None = None,
    on_error: OnUnreadable = "raise",
    mark_data: bool = True,
    full_paths: bool = False,
    label: Label | None = None,
    embeddings: MediaEmbeddings | None = None,
) -> Runnable[Mapping[str, Any], ChatPromptValue]:
    """Return a runnable that turns a question and documents into messages with content blocks.

    ```python
    chain = {"documents": retriever, "question": RunnablePassthrough()} | multimodal_prompt(model=model) | model
    ```

    Args:
        system: The system message; None for none.
        question_key: Key of the input that holds the question.
        documents_key: Key of the input that holds the documents.
        history_key: Key of the input that holds the messages before the question, if there are any.
        limits: How much is shown, see `content_blocks`, as for what follows.
        modalities: What the model takes.
        model: The chat model, whose `profile` says what it takes.
        policy: What may be read.
        on_error: `raise` or `skip`.
        mark_data: Whether documents are marked as data.
        full_paths: Whether labels name whole paths.
        label: Returns what stands before the text of a document.
        embeddings: Their model describes media without a caption.

    Returns:
        A runnable from a mapping to a prompt value: an optional system message, the history, and a human message with
        the sources first and the question last. A question of content blocks is shown with its media.
    """

    def prompt(values: Mapping[str, Any]) -> ChatPromptValue:
        missing = [key for key in (question_key, documents_key) if key not in values]
        if missing:
            given = ", ".join(map(str, values)) or "no keys"
            msg = f"multimodal_prompt expects the keys {', '.join(missing)}; the input has {given}"
            raise KeyError(msg)
        question = values[question_key]
        shown = [] if isinstance(question, str) else _question_blocks(question)
        asked = question if isinstance(question, str) else question_words(read_question(question, policy))
        blocks = content_blocks(
            values[documents_key],
            question=asked,
            limits=limits,
            modalities=modalities,
            model=model,
            policy=policy,
            on_error=on_error,
            mark_data=mark_data,
            full_paths=full_paths,
            label=label,
            embeddings=embeddings,
        )
        messages: list[BaseMessage] = [SystemMessage(system)] if system else []
        earlier = convert_to_messages(values.get(history_key) or [])
        return ChatPromptValue(messages=[*messages, *earlier, HumanMessage(content_blocks=[*blocks, *shown])])

    return RunnableLambda(prompt, name="multimodal_prompt")


def _question_blocks(question: Any) -> list[ContentBlock]:
    """Return the media blocks of a question, which follow its words."""
    blocks = HumanMessage(getattr(question, "content", question)).content_blocks
    return [block for block in blocks if block["type"] != "text"]


def _prompt_document(document: Document, policy: MediaPolicy | None) -> PromptDocument:
    provenance, words = read_metadata(document.metadata), document.page_content
    if provenance.modality != "text":
        words = text_without_place(words, provenance, document.id)  # the label of the prompt says the place already
    name = document.id or "without a source"
    return PromptDocument(words, provenance, partial(media_from_document, document, policy=policy), name)


def _block(part: PromptPart) -> ContentBlock:
    """Return a block without an id: the random ids of LangChain's `create_..._block` make equal prompts unequal."""
    if not isinstance(part, PromptFile):
        return TextContentBlock(type="text", text=part.text)
    block: ContentBlock = _BLOCKS[part.modality](
        type=part.modality, base64=part.file.base64, mime_type=part.file.mime_type
    )
    return block
