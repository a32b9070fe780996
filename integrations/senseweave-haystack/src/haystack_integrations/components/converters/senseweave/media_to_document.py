# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""From files of every modality to Documents that embedders, stores and window retrievers understand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from haystack import Document, component, logging
from haystack.components.converters.utils import normalize_metadata
from haystack.dataclasses import ByteStream
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.common.senseweave.components import check_list, keep_parameters, run_in_thread
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.loading import absolute_path, source_content, source_label

import senseweave as sw
from senseweave.interop import (
    CHUNK_OPTIONS,
    PAGES,
    ChunkLoader,
    LoadedChunk,
    Provenance,
    check_choice,
    chunk_media,
    keep_word_times,
    media_provenance,
    printable,
    record_id,
    source_name,
    without_secrets,
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

    @keep_parameters
    def __init__(
        self,
        *,
        seconds: float | None = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
        root_path: str | Path | None = None,
        network: bool = False,
        on_error: Literal["named", "raise", "skip"] = "named",
        encoding: str | None = None,
        ocr: Literal["auto", "on", "off"] = "auto",
        pages: Literal["separate", "both", "text", "picture"] = "separate",
        progress_bar: bool = False,
        describe_with: str | None = None,
        device: ComponentDevice | None = None,
        api_key: Secret | None = None,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        """Create the component; nothing is loaded yet.

        :param seconds: Length of windows and segments; None for what the model of `describe_with` takes, else 30.
        :param overlap: Seconds that neighbouring windows share.
        :param characters: Most characters of a passage; None for what that model reads, at most 1000.
        :param character_overlap: Most characters that neighbouring passages share.
        :param root_path: Folder of all files, links resolved, and of relative paths; None allows every local file.
        :param network: Whether a source may be an http or https URL.
        :param on_error: `named` raises for a source that cannot be read, and reports files met in folders in `failed`,
            with a warning in the log; `skip` reports both, `raise` raises for both.
        :param encoding: Of the text and HTML files, for example `cp1250`; None detects it file by file.
        :param ocr: Pictures whose words become Documents beside them: `auto` those that look as if they held writing,
            `on` all, `off` none, nor scanned pages. Needs `senseweave[ocr]`.
        :param pages: What becomes of pages of a PDF that have text: Documents of their text and of their picture, which
            are results of their own (`separate`) or one result (`both`), or of `text` or `picture` alone.
        :param progress_bar: Whether `run` shows a progress bar, or lines where there is no terminal.
        :param describe_with: A model of `senseweave.load` whose transcripts and labels become the content of what is
            not text; an embedder of it then finds its vectors in the cache. None leaves that content empty.
        :param device: Where that model runs. If None, senseweave chooses when the model is loaded.
        :param api_key: Key of that model, if it is behind an API, as `Secret.from_env_var(...)`.
        :param load_options: Further options of `senseweave.load` for that model.
        :raises ValueError: If `on_error` is neither of these.
        """
        check_choice("on_error", on_error, ("named", "raise", "skip"))
        check_choice("ocr", ocr, ("auto", "on", "off"))
        check_choice("pages", pages, PAGES)
        self.model = describe_with or ""
        self._prepare()

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
        :raises senseweave.MediaError: If a source cannot be read, as `on_error` says.
        """
        expected = "MediaToDocument expects a list of str, Path or ByteStream as sources"
        check_list(sources, str | Path | ByteStream, expected)
        metas = normalize_metadata(meta, len(sources))
        space = self._loaded() if self.describe_with is not None else None
        policy = self._policy
        sources = [_with_absolute_path(source, policy) for source in sources]
        failed: list[sw.MediaError] = []
        counts: Counter[str] = Counter()

        def warn(error: sw.MediaError) -> None:
            logger.warning("A source is left out: {reason}", reason=str(error))
            failed.append(error)

        def locate(error: sw.MediaError, position: int) -> sw.MediaError:
            if isinstance(sources[position], ByteStream):
                error = type(error)(source_label(sources[position]), error.reason)
            return error.at(position, len(sources))

        def split(media: sw.Media) -> Iterator[sw.Media]:
            lengths = {name: getattr(self, name) for name in CHUNK_OPTIONS}
            return chunk_media(media, space if space and media.modality in space.modalities else None, **lengths)

        loader = ChunkLoader(
            warn,
            self.on_error,
            policy,
            unwrap=lambda source: _content(source, policy),
            chunk=split,
            describe=(lambda media: space.encode(media).descriptions) if space is not None else None,
            described=space.modalities if space is not None else (),
            locate=locate,
            verify=self.on_error != "raise",
            progress=self.progress_bar,
            encoding=self.encoding,
            ocr=self.ocr,
            pages=self.pages,
        )
        documents: dict[str, Document] = {}
        for document in loader.load(
            sources, lambda chunk: _document(chunk, sources[chunk.position], metas[chunk.position], counts)
        ):
            if document.id in documents:
                logger.warning(
                    "{source} holds the same content twice, or was given twice; one Document is made of it.",
                    source=printable(without_secrets(document.meta["source"])),
                )
            else:
                documents[document.id] = document
        failed.sort(key=lambda error: error.position or 0)
        reports = [{"source": error.source, "position": error.position, "reason": error.reason} for error in failed]
        return {"documents": list(documents.values()), "failed": reports}

    run_async = run_in_thread(run)


def _document(chunk: LoadedChunk, source: MediaSource, own: dict[str, Any], counts: Counter[str]) -> Document:
    """Return the Document of a chunk of a source, and count it among those of its source."""
    media = chunk.media
    stream = source if isinstance(source, ByteStream) else None
    given = {**stream.meta} if stream is not None else {"file_path": source_name(media)}
    path = given.pop("file_path", None)
    name = str(path) if path is not None else source_name(media)
    values = {**given, **own, **media.metadata}
    values.pop("file_path", None)
    values = keep_word_times(chunk.description, media.span[0] if media.span else 0.0, values)
    provenance = media_provenance(media, source=name, own=values)
    source_id = record_id(Provenance(chunk.whole.modality, name, sha256=chunk.whole.sha256))
    meta = write_metadata(provenance, file_path=path is not None)
    meta |= {"source_id": source_id, "split_id": counts[source_id]}
    if media.modality == "text" and media.page is None:
        # Offsets are within a page there, and cannot be compared across pages.
        meta["split_idx_start"] = media.metadata.get("character_start", 0)
    counts[source_id] += 1
    content = media.decode() if media.modality == "text" else chunk.description or ""
    return Document(id=record_id(provenance), content=content, meta=meta, blob=stream)


def _with_absolute_path(source: MediaSource, policy: sw.MediaPolicy) -> MediaSource:
    """Return a source; a ByteStream of a file with the file's absolute path, by which others find it too."""
    path = source.meta.get("file_path") if isinstance(source, ByteStream) else None
    if not isinstance(source, ByteStream) or path is None:
        return source
    return replace(source, meta={**source.meta, "file_path": absolute_path(str(path), source.data, policy)})


def _content(source: MediaSource, policy: sw.MediaPolicy) -> str | Path | bytes:
    if isinstance(source, str) and source.startswith("data:"):
        reason = "a Document cannot point at a data URI; give its bytes as a ByteStream"
        raise sw.MediaError(f"{source[:32]}…", reason)
    return source_content(source, policy)
