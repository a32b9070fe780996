# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""From files of every modality to Documents that embedders, stores and window retrievers understand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from haystack import Document, component, logging
from haystack.components.converters.utils import normalize_metadata
from haystack.dataclasses import ByteStream
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.common.senseweave.components import check_choice, run_in_thread
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.loading import source_content, source_label

import senseweave as sw
from senseweave.interop import (
    Provenance,
    chunk_media,
    collect,
    media_provenance,
    record_id,
    source_name,
    write_metadata,
)

logger = logging.getLogger(__name__)

MediaSource = str | Path | ByteStream


@component
class MediaToDocument(SpaceComponent):
    """Makes Documents from files: one per text passage, image, PDF page, window of a recording, segment of a video.

    `content` is the text, or what `describe_with` says of an image, a recording or a video, or `""`; never None, which
    some stores leave out without an error. `meta` is flat: `modality`, `mime_type`, `source` and the same as
    `file_path`, `sha256`, `start` and `end` in seconds, `page` from 1, `source_id` and `split_id` (with these two,
    `SentenceWindowRetriever` returns the neighbours of a segment). Ids are made from content and source, so that the
    same file gives the same ids again.

    ### Usage example

    ```python
    from haystack_integrations.components.converters.senseweave import MediaToDocument

    converter = MediaToDocument(seconds=20)
    # converter.run(sources=["notes.txt", "photo.jpg", "talk.mp3", "a-folder"])["documents"]
    ```
    """

    embeds = ("image", "audio", "video")

    def __init__(
        self,
        *,
        seconds: float | None = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
        root_path: str | Path | None = None,
        network: bool = False,
        on_error: Literal["raise", "skip"] = "skip",
        describe_with: str | None = None,
        device: ComponentDevice | None = None,
        api_key: Secret | None = None,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        """Create the component; nothing is loaded yet.

        :param seconds: Length of the windows of recordings and the segments of videos. None takes what the model of
            `describe_with` hears and sees at a time, cut at pauses if it recognizes speech; 30 without a model.
        :param overlap: Seconds that neighbouring windows share.
        :param characters: Most characters of a text passage. None takes what the model of `describe_with` reads, at
            most 1000.
        :param character_overlap: Most characters that neighbouring passages share.
        :param root_path: Files must lie under this folder, symbolic links resolved, and relative paths are looked for
            there. None allows every local file.
        :param network: Whether a source may be an http or https URL.
        :param on_error: `skip` to leave out a source that cannot be read, log a warning and report it in `failed`; or
            `raise`.
        :param describe_with: A model of `senseweave.load` whose transcripts and labels become the content of what is
            not text. An embedder of the same model then finds its vectors in the cache. None leaves that content
            empty.
        :param device: Where that model runs. If None, senseweave chooses when the model is loaded.
        :param api_key: Key of that model, if it is behind an API, as `Secret.from_env_var(...)`.
        :param load_options: Further options of `senseweave.load` for that model.
        :raises ValueError: If `on_error` is neither of these.
        """
        check_choice("on_error", on_error, ("raise", "skip"))
        SpaceComponent.__init__(
            self,
            model=describe_with or "",
            device=device,
            api_key=api_key,
            load_options=load_options,
        )
        self.seconds = seconds
        self.overlap = overlap
        self.characters = characters
        self.character_overlap = character_overlap
        self.root_path = str(root_path) if root_path is not None else None
        self.network = network
        self.on_error = on_error
        self.describe_with = describe_with

    def warm_up(self) -> None:
        """Load the model that describes, if there is one. Calling it again does nothing."""
        if self.describe_with is not None:
            SpaceComponent.warm_up(self)

    @component.output_types(documents=list[Document], failed=list[dict[str, Any]])
    def run(
        self,
        sources: list[str | Path | ByteStream],
        meta: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Make Documents from sources.

        :param sources: Paths of files and folders, permitted URLs, and ByteStreams. The Documents of a ByteStream carry
            it as their blob, so that an embedder can read it.
        :param meta: Meta for all Documents, or one dictionary per source.
        :returns: A dictionary with `documents`, in the order of the sources, and `failed`, one entry with `source`,
            `position` and `reason` per file that could not be read.
        :raises TypeError: If a source is of another type.
        :raises senseweave.MediaError: With `on_error="raise"`, for the first file that cannot be read.
        """
        _check(sources)
        chunks: dict[str, _Chunk] = {}
        failed: list[sw.MediaError] = []
        for position, (source, own) in enumerate(zip(sources, normalize_metadata(meta, len(sources)), strict=True)):
            for chunk in self._read_source(source, own, position):
                if isinstance(chunk, sw.MediaError):
                    self._fail(chunk.at(position, len(sources)), failed)
                elif chunk.document.id in chunks:
                    logger.warning(
                        "{source} holds the same content twice, or was given twice; one Document is made of it.",
                        source=chunk.document.meta["source"],
                    )
                else:
                    chunks[chunk.document.id] = chunk
        documents = self._describe(list(chunks.values()), len(sources), failed)
        failed.sort(key=lambda error: error.position or 0)
        return {
            "documents": documents,
            "failed": [
                {"source": error.source, "position": error.position, "reason": error.reason} for error in failed
            ],
        }

    run_async = run_in_thread(run)

    def _read_source(
        self, source: MediaSource, own: dict[str, Any], position: int
    ) -> Iterator["_Chunk | sw.MediaError"]:
        if isinstance(source, str) and source.startswith("data:"):
            reason = "a Document cannot point at a data URI; give its bytes as a ByteStream"
            yield sw.MediaError(f"{source[:32]}…", reason)
            return
        policy = sw.MediaPolicy(root=self.root_path, network=self.network)
        counts: Counter[str] = Counter()
        for media in collect([source_content(source, policy)], policy=policy):
            if isinstance(media, sw.MediaError):
                yield media if not isinstance(source, ByteStream) else type(media)(source_label(source), media.reason)
                continue
            try:
                for chunk in self._split(media):
                    document = _chunk_document(chunk, media, source, own, counts)
                    yield _Chunk(document, chunk, position)
            except sw.MediaError as error:
                yield error

    def _split(self, media: sw.Media) -> Iterator[sw.Media]:
        """Yield the chunks of a media as the describing model takes them, or of common lengths without a model."""
        space = self._loaded() if self.describe_with is not None else None
        return chunk_media(
            media,
            space if space is not None and media.modality in space.modalities else None,
            seconds=self.seconds,
            overlap=self.overlap,
            characters=self.characters,
            character_overlap=self.character_overlap,
        )

    def _describe(self, chunks: list["_Chunk"], total: int, failed: list[sw.MediaError]) -> list[Document]:
        """Return the Documents with what the model says of media that are not text, without those it cannot read."""
        documents = [chunk.document for chunk in chunks]
        if self.describe_with is None:
            return documents
        space = self._loaded()
        rows = [i for i, chunk in enumerate(chunks) if chunk.media.modality != "text"]
        rows = [i for i in rows if chunks[i].media.modality in space.modalities]
        batch = space.encode([chunks[i].media for i in rows], on_error="skip")
        for description, kept in zip(batch.descriptions, batch.kept, strict=True):
            documents[rows[kept]] = replace(documents[rows[kept]], content=description or "")
        unreadable = {rows[error.position or 0]: error for error in batch.failed}
        for i, error in unreadable.items():
            self._fail(error.at(chunks[i].position, total), failed)
        return [document for i, document in enumerate(documents) if i not in unreadable]

    def _fail(self, error: sw.MediaError, failed: list[sw.MediaError]) -> None:
        if self.on_error == "raise":
            raise error
        logger.warning("A source is left out: {reason}", reason=str(error))
        failed.append(error)


@dataclass(frozen=True)
class _Chunk:
    """A Document, the media that it stands for, and the position of its source."""

    document: Document
    media: sw.Media
    position: int


def _chunk_document(
    chunk: sw.Media, media: sw.Media, source: MediaSource, own: dict[str, Any], counts: Counter[str]
) -> Document:
    """Return the Document of a chunk of media, and count it among those of its source."""
    stream = source if isinstance(source, ByteStream) else None
    path = stream.meta.get("file_path") if stream is not None else source_name(media)
    name = str(path) if path is not None else source_name(media)
    values = {**(stream.meta if stream is not None else {}), **own, **chunk.metadata}
    if chunk.modality != "text":
        values.pop("modality", None)
    values.pop("file_path", None)
    provenance = media_provenance(chunk, source=name, own=values)
    source_id = record_id(Provenance(media.modality, name, sha256=media.sha256))
    meta = write_metadata(provenance, file_path=path is not None)
    meta |= {"source_id": source_id, "split_id": counts[source_id]}
    if chunk.modality == "text" and chunk.page is None:
        # Offsets are within a page there, and cannot be compared across pages.
        meta["split_idx_start"] = chunk.metadata.get("character_start", 0)
    counts[source_id] += 1
    content = chunk.decode() if chunk.modality == "text" else ""
    return Document(id=record_id(provenance), content=content, meta=meta, blob=stream)


def _check(sources: Any) -> None:
    msg = "MediaToDocument expects a list of str, Path or ByteStream as sources, not "
    if not isinstance(sources, list):
        raise TypeError(msg + type(sources).__name__)
    for source in sources:
        if not isinstance(source, str | Path | ByteStream):
            raise TypeError(msg + f"a list with {type(source).__name__}")
