"""From files and folders to documents: one per passage, image, page, audio window or video segment."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from langchain_core.document_loaders import BaseBlobParser, BaseLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.items import document_from_media, unwrap_blob
from senseweave.interop import (
    CHUNK_OPTIONS,
    ChunkLoader,
    ChunkOptions,
    MediaError,
    MediaPolicy,
    Ocr,
    OnInputError,
    Pages,
    choose_policy,
    chunk_media,
    failure_summary,
    in_thread,
)


class ParserOptions(ChunkOptions, total=False):
    """The arguments of `MediaParser`, which describes them."""

    embeddings: MediaEmbeddings | None
    describe: bool
    root: str | Path | None
    network: bool
    policy: MediaPolicy | None
    on_error: OnInputError
    encoding: str | None
    ocr: Ocr
    pages: Pages
    show_progress: bool


class MediaParser(BaseBlobParser):
    """Turns a blob of any modality into documents, lazily.

    Text gives passages, an image a document, a PDF its pages, audio windows and video segments. The `page_content` of
    media other than text is a short line: the transcript or labels that the embeddings' model makes, if it makes any,
    and where the chunk is from. Metadata is flat: `source, modality, mime_type, sha256`, and `start, end, page` where
    they apply. Nothing is ever stored as base64.

    Instantiate:
        ```python
        from langchain_core.documents.base import Blob
        from langchain_senseweave import MediaParser

        documents = MediaParser(seconds=20).parse(Blob.from_path("talk.mp3"))
        ```
    """

    def __init__(
        self,
        *,
        embeddings: MediaEmbeddings | None = None,
        describe: bool = True,
        root: str | Path | None = None,
        network: bool = False,
        policy: MediaPolicy | None = None,
        on_error: OnInputError = "named",
        encoding: str | None = None,
        ocr: Ocr = "auto",
        pages: Pages = "separate",
        show_progress: bool = False,
        **chunking: Unpack[ChunkOptions],
    ) -> None:
        """Set how files are divided and described.

        Args:
            embeddings: Those of the store: their model sets the length of chunks, and describes media where it can; the
                vectors that this takes are remembered for the embedding. None for common lengths: then a text longer
                than the model reads is cut with a warning, and long sound and video get a mean vector.
            describe: Whether to describe while loading. If not, `SenseweaveChroma` describes what it embeds: right for
                folders of which most was indexed before.
            root: Local files must lie under this folder; None allows all.
            network: Whether http and https URLs may be fetched.
            policy: All limits on reading, instead of `root` and `network`.
            on_error: `named` raises for a file that is named and cannot be read, and leaves out files met in folders,
                with a warning that counts them; they are in `failed`. `skip` leaves out both, `raise` neither. Chunks
                that are not described are decoded once, except with `raise`.
            encoding: Of the text and HTML files, for example `cp1250`; None detects it file by file.
            ocr: Pictures whose words are read, as documents of their own beside them: `auto` those that look as if they
                held writing, `on` all, `off` none, nor scanned pages. Needs `senseweave[ocr]`.
            pages: What becomes of pages of a PDF that have text: documents of their text and of their picture, which
                are results of their own (`separate`) or one result (`both`), or of `text` or `picture` alone.
            show_progress: Whether loading shows a bar, or lines where there is no terminal.
            **chunking: `seconds` of a window (30) and `characters` of a passage (1,000), by default what suits the
                embeddings' model, and `overlap` (0) and `character_overlap` (0) that neighbors share.

        Raises:
            ValueError: If both `policy` and `root` or `network` are given, or `on_error`, `encoding`, `ocr` or
                `pages` is unknown.
            TypeError: If an argument is unknown.
        """
        if unknown := set(chunking) - set(CHUNK_OPTIONS):
            msg = f"unknown argument {', '.join(sorted(unknown))}; arguments for chunks are {', '.join(CHUNK_OPTIONS)}"
            raise TypeError(msg)
        given = choose_policy(policy, root, network)
        self.failed: list[MediaError] = []
        """What the last call left out."""
        self.loader = ChunkLoader(
            self._leave_out,
            on_error,
            embeddings.media_policy if given is None and embeddings is not None else given,
            unwrap=unwrap_blob,
            chunk=partial(embeddings.chunk if embeddings is not None else chunk_media, **chunking),
            describe=embeddings.describe_media if embeddings is not None and describe else None,
            described=embeddings.modalities if embeddings is not None and describe else (),
            verify=on_error != "raise",  # a truncated file would fail in the store
            progress=show_progress,
            encoding=encoding,
            ocr=ocr,
            pages=pages,
        )

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Yield the documents of one blob.

        Args:
            blob: By path or with its data; its own metadata goes into the documents.

        Raises:
            MediaError: If it cannot be read, unless `on_error` is `skip`.
        """
        source = {"source": blob.source} if blob.data is not None and blob.source else {}
        return self.documents([blob], metadata={**blob.metadata, **source})

    def documents(self, inputs: Any, *, metadata: dict[str, Any] | None = None) -> Iterator[Document]:
        """Yield the documents of paths, folders, URLs, bytes, blobs or media; see `lazy_parse`."""
        self.failed.clear()
        yield from self.loader.load(
            inputs, lambda chunk: document_from_media(chunk.media, chunk.description, metadata=metadata)
        )
        self.warn_of_failed()

    def warn_of_failed(self) -> None:
        """Warn of what was left out, with its number, if anything was."""
        if self.failed:
            warnings.warn(failure_summary(self.failed), UserWarning, stacklevel=3)

    def _leave_out(self, error: MediaError) -> None:
        self.failed.append(error)


class MediaLoader(BaseLoader):
    """Loads files and folders of text, images, audio and video as documents, lazily.

    Kinds of files are told by their content.

    Instantiate:
        ```python
        from langchain_senseweave import MediaLoader

        loader = MediaLoader(["notes/", "photo.jpg", "talk.mp3"])
        ```

    Lazy load:
        ```python
        for document in loader.lazy_load():
            print(document.page_content, document.metadata)
        ```
    """

    def __init__(self, paths: Any, **options: Unpack[ParserOptions]) -> None:
        """Set what is loaded and how.

        Args:
            paths: A list of, or a single: file, folder (walked in sorted order), URL, bytes, media.
            **options: Arguments of `MediaParser`.
        """
        self.paths = paths
        self.parser = MediaParser(**options)

    def lazy_load(self) -> Iterator[Document]:
        """Yield documents, file by file, holding a few chunks in memory at a time.

        Raises:
            MediaError: If a file that is named cannot be read, see `on_error` of `MediaParser`.
        """
        yield from self.parser.documents(self.paths)

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Yield documents as `lazy_load` does, off the event loop."""
        documents = self.lazy_load()
        while (document := await in_thread(next, documents, None)) is not None:
            yield document

    @property
    def failed(self) -> list[MediaError]:
        """What the last call left out, with the reasons."""
        return self.parser.failed
