"""Reads files of all modalities into documents, one for a file, that stock LlamaIndex classes keep whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr, field_validator
from llama_index.core.readers.base import BasePydanticReader
from llama_index.embeddings.senseweave.embeddings.model import SenseweaveEmbedding
from llama_index.embeddings.senseweave.items.files import FileNode, file_node
from llama_index.embeddings.senseweave.items.nodes import node_from_media
from llama_index.embeddings.senseweave.items.whole import WholeNode

from senseweave.interop import (
    CHUNK_OPTIONS,
    FILE_PATH,
    ChunkLoader,
    LoadedChunk,
    Media,
    MediaError,
    MediaPolicy,
    Modality,
    Ocr,
    OnInputError,
    Pages,
    PolicyFields,
    check_modality,
    chunk_media,
    failure_summary,
    in_thread,
)

logger = logging.getLogger(__name__)

FILE_FACTS = ("file_name", "file_type", "file_size", "creation_date", "last_modified_date", "last_accessed_date")
"""What `SimpleDirectoryReader` says of every file, and keeps from models."""


class MediaReader(PolicyFields, BasePydanticReader):
    """Reads files of any kind, recognized by their content, into documents of text, images, audio and video.

    A file is one document, whose id is its absolute path: docstores, `refresh_ref_docs` and `delete_ref_doc` work on
    files. Its chunks become nodes by `MediaNodeParser`, or by the embedding model as a transformation: of long
    recordings and videos one node per window with its `start` and `end`, of text its passages, of a PDF the words and
    the picture of each page. They are no objects of the class `Document`, which LlamaIndex's vector stores keep as text
    without their media.

    Examples:
        ```python
        from llama_index.core import VectorStoreIndex
        from llama_index.embeddings.senseweave import MediaReader

        documents = MediaReader(embed_model=embed_model).load_data(["notes/", "photo.jpg", "talk.mp3"])
        index = VectorStoreIndex.from_documents(documents, transformations=[embed_model], embed_model=embed_model)
        index.delete_ref_doc("/home/me/talk.mp3")
        ```
    """

    embed_model: SenseweaveEmbedding | None = Field(
        default=None, description="The model that sets the length of chunks."
    )
    seconds: float | None = Field(
        default=None, gt=0, description="Length of a window of audio or video; None for what suits the model, else 30."
    )
    overlap: float = Field(default=0.0, ge=0, description="Seconds that neighboring windows share.")
    characters: int | None = Field(
        default=None, gt=0, description="Most characters of a passage; None for what suits the model, else 1000."
    )
    character_overlap: int = Field(default=0, ge=0, description="Characters that neighboring passages share.")
    modalities: tuple[Modality, ...] | None = Field(default=None, description="Only these modalities; None for all.")
    spool: str | None = Field(default=None, description="Folder for what has no path, see `media_node`.")
    on_error: OnInputError = Field(
        default="named",
        description="`named` raises for a file that is named and cannot be read, and leaves out files met in folders; "
        "`skip` leaves out both, with a warning in the log, and `raise` neither.",
    )
    encoding: str | None = Field(
        default=None, description="Of the text and HTML files, for example `cp1250`; None detects it file by file."
    )
    ocr: Ocr = Field(
        default="auto",
        description="Pictures whose words are read too: `auto` those that look as if they held writing, `on` all, "
        "`off` none, nor scanned pages. Needs `senseweave[ocr]`.",
    )
    pages: Pages = Field(
        default="separate",
        description="What becomes of pages of a PDF that have text: nodes of their text and of their picture, which "
        "are results of their own (`separate`) or one result (`both`), or of `text` or `picture` alone.",
    )
    verify: bool | None = Field(
        default=None,
        description="Whether chunks are decoded once, to find truncated files; None: unless `on_error` is `raise`.",
    )

    _failed: list[MediaError] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "SenseweaveMediaReader"

    def lazy_load_data(  # type: ignore[override]  # LlamaIndex asks for documents, but its stores lose their media
        self,
        inputs: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        extra_info: Mapping[str, Any] | None = None,
        show_progress: bool = False,
    ) -> Iterator[FileNode]:
        """Yield a document for each file of some inputs, in order.

        Args:
            inputs: Paths of files and folders, URLs (where the policy allows them), data URIs, bytes, file objects or
                media; a single input or several. Strings are paths or URLs: give text as `senseweave.Text`.
            metadata: Further flat values, kept with every document and node.
            extra_info: The same, as `SimpleDirectoryReader(file_extractor={".jpg": reader})` gives them: what it says
                of the file beside its path is shown to no model.
            show_progress: Whether loading shows a bar, or lines where there is no terminal.

        Raises:
            MediaError: If a file that is named cannot be read, or is of a modality that the model does not embed, as
                `on_error` says. What is left out is in `failed`; what `modalities` leaves out is not.
        """
        loader = ChunkLoader(
            self._failed.append,
            self.on_error,
            self.media_policy,
            chunk=self._chunk,
            modalities=self.modalities,
            verify=self.on_error != "raise" if self.verify is None else self.verify,
            progress=show_progress,
            encoding=self.encoding,
            ocr=self.ocr,
            pages=self.pages,
        )
        self._failed.clear()
        own = {name: value for name, value in {**(extra_info or {}), **(metadata or {})}.items() if value is not None}
        if extra_info is not None:
            own.pop(FILE_PATH, None)

        def make(chunk: LoadedChunk) -> tuple[LoadedChunk, WholeNode]:
            node = node_from_media(chunk.media, spool=self.spool, metadata=own)
            for field in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys"):
                getattr(node, field).extend(name for name in FILE_FACTS if extra_info is not None and name in own)
            return chunk, node

        parts = loader.load(inputs, make)
        files = groupby(parts, lambda part: (part[0].position, part[1].metadata["source"]))
        yield from (file_node(list(chunks), own) for _, chunks in files)
        if self._failed:
            logger.warning("%s", failure_summary(self._failed))

    def load_data(  # type: ignore[override]  # as above
        self,
        inputs: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        extra_info: Mapping[str, Any] | None = None,
        show_progress: bool = False,
    ) -> list[FileNode]:
        """Return the documents of some inputs in a list, see `lazy_load_data`."""
        return list(self.lazy_load_data(inputs, metadata, extra_info=extra_info, show_progress=show_progress))

    async def aload_data(self, *args: Any, **load_kwargs: Any) -> list[FileNode]:  # type: ignore[override]  # as above
        """Run `load_data` off the event loop, in no thread of its own."""
        return await in_thread(self.load_data, *args, **load_kwargs)

    async def alazy_load_data(self, *args: Any, **load_kwargs: Any) -> list[FileNode]:  # type: ignore[override]
        """Return what `aload_data` returns: walking through a lazy iterator would hold up the event loop."""
        return await self.aload_data(*args, **load_kwargs)

    @property
    def failed(self) -> list[MediaError]:
        """What the last call left out, with the reasons."""
        return self._failed

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read: the policy that was given, or that of the model."""
        if self.embed_model is not None and self.given_policy is None:
            return self.embed_model.media_policy
        return super().media_policy

    @field_validator("embed_model", mode="before")
    @classmethod
    def _rebuild_model(cls, given: Any) -> Any:
        return SenseweaveEmbedding.from_dict(given) if isinstance(given, dict) else given

    def _chunk(self, media: Media) -> Iterator[Media]:
        space = self.embed_model.space if self.embed_model is not None else None
        if space is not None:
            check_modality(media, space.modalities)
        return chunk_media(media, space, **{name: getattr(self, name) for name in CHUNK_OPTIONS})
