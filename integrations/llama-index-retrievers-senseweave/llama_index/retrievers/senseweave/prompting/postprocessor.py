"""A node postprocessor that shows a language model the retrieved media, where an engine would show it words alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from llama_index.core.bridge.pydantic import Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MediaResource,
    MetadataMode,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from llama_index.embeddings.senseweave import media_from_node
from llama_index.embeddings.senseweave.items.whole import WholeNode

from senseweave.interop import (
    DEFAULT_PIXELS,
    Audio,
    Modality,
    OnUnreadable,
    PolicyFields,
    PromptDocument,
    PromptFile,
    PromptLimits,
    Provenance,
    in_thread,
    prompt_label,
    prompt_parts,
    read_metadata,
    text_without_place,
)

logger = logging.getLogger(__name__)


class MediaPostprocessor(PolicyFields, BaseNodePostprocessor):
    """Puts in the place of each retrieved node a node of words, and after it the pictures that it stands for.

    The words are a numbered label (modality, file, page or span) and the text, caption or transcript of the node,
    without a path. Images, pages and frames of videos follow as `ImageNode`s, which LlamaIndex's multimodal chat
    engines send to the model. A recording is shown by its transcript, since many providers refuse sound and those
    engines send none; with `audio` among the `modalities`, the span that was found follows as a node of sound, which
    `RetrieverQueryEngine.from_args(..., multimodal=True)` sends.

    Examples:
        ```python
        from llama_index.core.chat_engine import MultiModalContextChatEngine
        from llama_index.retrievers.senseweave import MediaPostprocessor

        engine = MultiModalContextChatEngine.from_defaults(
            retriever=retriever, multi_modal_llm=llm, node_postprocessors=[MediaPostprocessor()]
        )
        ```
    """

    modalities: tuple[Modality, ...] = Field(
        default=("text", "image", "video"), description="What the model takes; all else is shown as words."
    )
    max_images: int = Field(default=12, ge=0, description="Most images in all, frames of videos included.")
    max_pixels: int = Field(default=DEFAULT_PIXELS, gt=0, description="Most pixels of an image, else scaled down.")
    max_seconds: float = Field(default=120.0, ge=0, description="Most seconds of sound in all.")
    frames: int = Field(default=4, gt=0, description="How many frames show a video segment.")
    mark_data: bool = Field(
        default=True, description="Whether words stand between marks that no document can forge, as data."
    )
    full_paths: bool = Field(default=False, description="Whether labels name whole paths rather than files.")
    label: Callable[[int, Provenance], str] | None = Field(
        default=None, exclude=True, description="What stands before the words of a node, by its number and provenance."
    )
    on_error: OnUnreadable = Field(
        default="skip", description="`skip` shows words of media that cannot be read, with a warning; or `raise`."
    )

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "SenseweaveMediaPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        images, seconds = self.max_images, self.max_seconds
        shown: list[NodeWithScore] = []
        for number, hit in enumerate(nodes, start=1):
            limits = PromptLimits(images=images, pixels=self.max_pixels, seconds=max(0.0, seconds), frames=self.frames)
            words, files = self._parts(number, hit.node, limits)
            images -= sum(file.modality == "image" for file in files)
            seconds -= sum(Audio(file.file.data).duration for file in files if file.modality == "audio")
            shown += [NodeWithScore(node=node, score=hit.score) for node in _nodes(hit.node, words, files)]
        return shown

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return await in_thread(self._postprocess_nodes, nodes, query_bundle)

    def _parts(self, number: int, node: BaseNode, limits: PromptLimits) -> tuple[str, list[PromptFile]]:
        """Return what is shown of a node in words, and the files that follow."""
        name, provenance = f"node {node.node_id[:12]}", read_metadata(node.metadata)
        words = node.get_content(metadata_mode=MetadataMode.NONE)
        if provenance.modality != "text":  # the label says the place already
            words = text_without_place(words, provenance, node.node_id)
        document = PromptDocument(
            words,
            provenance,
            partial(media_from_node, node, self.media_policy),
            name,
        )
        parts = prompt_parts(
            [document],
            limits=limits,
            modalities=self.modalities,
            on_error=self.on_error,
            warn=logger.warning,
            mark_data=self.mark_data,
            full_paths=self.full_paths,
            label=lambda _, known: self._label(number, known, name),
        )
        files = [part for part in parts if isinstance(part, PromptFile)]
        return "\n".join(part.text for part in parts if not isinstance(part, PromptFile)), files

    def _label(self, number: int, provenance: Provenance, name: str) -> str:
        if self.label is not None:
            return self.label(number, provenance)
        return prompt_label(number, provenance, otherwise=name, full_path=self.full_paths)


def _nodes(node: BaseNode, words: str, files: Sequence[PromptFile]) -> Iterator[BaseNode]:
    """Yield a node of words and one of each file, all with the metadata of a node, which the words say already."""
    common: dict[str, Any] = {"metadata": node.metadata, "excluded_llm_metadata_keys": list(node.metadata)}
    yield TextNode(id_=node.node_id, text=words, relationships=node.relationships, **common)
    for position, file in enumerate(files):
        named = {"id_": f"{node.node_id}/{position}", **common}
        if file.modality == "image":
            yield ImageNode(image=file.file.base64, image_mimetype=file.file.mime_type, **named)
        else:
            named[f"{file.modality}_resource"] = MediaResource(data=file.file.data, mimetype=file.file.mime_type)
            yield WholeNode(text_resource=MediaResource(text=""), **named)
