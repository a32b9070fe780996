# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Puts ranked Documents of several modalities and a question into messages for a chat generator."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from haystack import Document, component, default_from_dict, logging
from haystack.dataclasses import ChatMessage, FileContent, ImageContent, TextContent
from haystack.utils import deserialize_callable, serialize_callable
from haystack_integrations.common.senseweave.components import Configured, check_list, keep_parameters, run_in_thread
from haystack_integrations.common.senseweave.items import document_provenance, document_to_media

from senseweave.interop import (
    DEFAULT_PIXELS,
    MODALITIES,
    SYSTEM_PROMPT,
    ImageFormat,
    Modality,
    OnUnreadable,
    PromptDocument,
    PromptFile,
    PromptLimits,
    PromptPart,
    Provenance,
    check_choice,
    chosen_modalities,
    prompt_parts,
    text_without_place,
)

logger = logging.getLogger(__name__)

Part: TypeAlias = TextContent | ImageContent | FileContent
WITHOUT_SOUND: tuple[Modality, ...] = ("text", "image", "video")
"""What models are shown of which nothing is said: most providers refuse sound."""


@component
class MultimodalPromptBuilder(Configured):
    """Builds a list of `ChatMessage` in which a model sees the Documents themselves, best first, and then a question.

    Each Document begins with a label (its number, modality and source, and the page or the seconds that it covers) and
    its content, which of media is their caption or transcript. An image follows as `ImageContent`, a video as frames or
    as `FileContent`, and sound as `FileContent` (WAV) where `modalities` names `audio`. Images are scaled down, sound
    is cut to the span that was found, and of what exceeds the limits only label and content are shown.

    ### Usage example

    ```python
    from haystack import Document
    from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder

    builder = MultimodalPromptBuilder(modalities=["text", "image"])
    documents = [Document(content="The dog is asleep.", meta={"modality": "text", "file_path": "diary.txt"})]
    print(builder.run(query="What does the dog do?", documents=documents)["prompt"][-1])
    ```
    """

    @keep_parameters
    def __init__(
        self,
        *,
        system_prompt: str | None = SYSTEM_PROMPT,
        modalities: list[Modality] | None = None,
        max_documents: int = 8,
        max_characters: int | None = None,
        max_images: int = 12,
        max_pixels: int = DEFAULT_PIXELS,
        max_seconds: float = 120.0,
        frames: int = 4,
        video_as: Literal["frames", "file"] = "frames",
        max_file_bytes: int = 20 * 1024 * 1024,
        image_format: ImageFormat = "jpeg",
        detail: Literal["auto", "high", "low"] | None = None,
        file_path_meta_field: str = "file_path",
        root_path: str | Path | None = None,
        network: bool = False,
        on_error: OnUnreadable = "skip",
        mark_data: bool = True,
        full_paths: bool = False,
        label: Callable[[int, Provenance], str] | None = None,
    ) -> None:
        """Create the component.

        :param system_prompt: The system message; None for none.
        :param modalities: What the model takes; of Documents of other modalities only label and content
            are shown. None is text, image and video: most providers refuse sound, so a recording is shown by its
            transcript. Name `audio` too for a model that listens.
        :param max_documents: Most Documents; the rest is left out.
        :param max_characters: Most characters of the content of each Document; None for all.
        :param max_images: Most images, frames of videos included.
        :param max_pixels: Most pixels of each image (width times height); larger ones are scaled down.
        :param max_seconds: Most seconds of sound in all.
        :param frames: How many frames of each video segment are shown.
        :param video_as: `frames`, or `file` for models that take video: the whole file, of which the label names the
            segment.
        :param max_file_bytes: Largest video file; a larger one is shown as frames.
        :param image_format: `jpeg` or `png`.
        :param detail: The level of detail that OpenAI's models are asked for.
        :param file_path_meta_field: The meta field that holds the path or URL of a Document's file.
        :param root_path: Files must lie under this folder, symbolic links resolved, and relative paths are looked for
            there. None allows every local file.
        :param network: Whether a Document may name an http or https URL.
        :param on_error: `skip` to show only label and content of a file that cannot be read, with a warning; or
            `raise`.
        :param mark_data: Whether each Document stands between marks that no Document can forge, after a notice that
            what they enclose is data and no instruction.
        :param full_paths: Whether labels name whole paths and URLs rather than the names of files.
        :param label: Returns what stands before the content of a Document, by its number and provenance, in place of
            that label; a function with a name, which serialization keeps.
        :raises ValueError: If a choice or a limit makes no sense.
        """
        check_choice("on_error", on_error)
        chosen_modalities(modalities or None, MODALITIES)
        self._limits = PromptLimits(
            documents=max_documents,
            characters=max_characters,
            images=max_images,
            pixels=max_pixels,
            seconds=max_seconds,
            frames=frames,
            video_as=video_as,
            file_bytes=max_file_bytes,
            image_format=image_format,
        )

    def _parameters(self) -> dict[str, Any]:
        label = serialize_callable(self.label) if self.label is not None else None
        return {**Configured._parameters(self), "label": label}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "MultimodalPromptBuilder":
        """Deserialize the component.

        :param data: What `to_dict` returned; the component shares nothing with it.
        :returns: The component.
        """
        parameters = deepcopy(data.get("init_parameters", {}))
        if parameters.get("label") is not None:
            parameters["label"] = deserialize_callable(parameters["label"])
        return default_from_dict(cls, {**data, "init_parameters": parameters})

    @component.output_types(prompt=list[ChatMessage], documents=list[Document])
    def run(self, query: str, documents: list[Document]) -> dict[str, Any]:
        """Build the messages.

        :param query: The question.
        :param documents: Ranked Documents, best first.
        :returns: A dictionary with `prompt`, the messages, and `documents`, those that the prompt shows: the first is
            number 1. `AnswerBuilder` takes them to resolve the numbers in a reply.
        :raises TypeError: If `query` is not a string or `documents` is not a list of Documents.
        :raises senseweave.MediaError: With `on_error="raise"`, for a file that cannot be read.
        """
        if not isinstance(query, str):
            msg = f"MultimodalPromptBuilder expects a string as query, not {type(query).__name__}"
            raise TypeError(msg)
        check_list(documents, Document, "MultimodalPromptBuilder expects a list of Documents as documents")
        system = [ChatMessage.from_system(self.system_prompt)] if self.system_prompt else []
        prompt = [*system, ChatMessage.from_user(content_parts=self.parts(documents, query))]
        return {"prompt": prompt, "documents": documents[: self.max_documents]}

    run_async = run_in_thread(run)

    def parts(self, documents: list[Document], query: str | None = None) -> list[Part]:
        """Return what the message of the user holds.

        :param documents: Ranked Documents, best first.
        :param query: The question, which comes last.
        :returns: Labels and contents, in rank order.
        :raises senseweave.MediaError: With `on_error="raise"`, for a file that cannot be read.
        """
        parts = prompt_parts(
            map(self._prompt_document, documents),
            question=query,
            limits=self._limits,
            modalities=WITHOUT_SOUND if self.modalities is None else self.modalities,
            on_error=self.on_error,
            warn=lambda reason: logger.warning("{reason}", reason=reason),
            mark_data=self.mark_data,
            full_paths=self.full_paths,
            label=self.label,
        )
        return [self._part(part) for part in parts]

    def _prompt_document(self, document: Document) -> PromptDocument:
        field = self.file_path_meta_field
        provenance = document_provenance(document, file_path_meta_field=field)
        source = provenance.source or document.meta.get("url") or document.meta.get("file_name")
        words = document.content or ""
        if provenance.modality != "text":  # the label says the place already
            words = text_without_place(words, provenance, document.id)
        return PromptDocument(
            text=words,
            provenance=replace(provenance, source=str(source) if source else None),
            read=partial(document_to_media, document, policy=self._policy, file_path_meta_field=field),
            name=f"Document {document.id[:12]}",
        )

    def _part(self, part: PromptPart) -> Part:
        if not isinstance(part, PromptFile):
            return TextContent(text=part.text)
        data, mime_type = part.file.base64, part.file.mime_type
        if part.modality == "image":
            return ImageContent(
                data, mime_type=mime_type, detail=self.detail, meta={"file_path": part.name}, validation=False
            )
        return FileContent(data, mime_type=mime_type, filename=part.name, validation=False)


def documents_to_tool_result(documents: list[Document]) -> list[TextContent | ImageContent]:
    """Show Documents to an agent as the result of a tool: labels and texts, images and frames of videos.

    A recording is shown as its transcript, since tool results hold only text and images. Every local file that a
    Document names is read: where others may write the meta of a corpus, use a handler of your own with a `root_path`.

    ### Usage example

    ```python
    from haystack.tools import ComponentTool
    from haystack_integrations.components.builders.senseweave import documents_to_tool_result
    from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

    tool = ComponentTool(
        component=SenseweaveMultimodalRetriever(index="my-index", top_k=3),
        name="search",
        description="Search texts, photographs, recordings and videos.",
        parameters={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        outputs_to_string={"source": "documents", "handler": documents_to_tool_result, "raw_result": True},
    )
    ```

    :param documents: Ranked Documents, best first.
    :returns: What `outputs_to_string` with `raw_result` takes.
    """
    builder = MultimodalPromptBuilder()
    return [part for part in builder.parts(documents) if not isinstance(part, FileContent)]
