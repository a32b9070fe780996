# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""From files of every modality to Documents that embedders, stores and window retrievers understand."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from haystack import Document, component, logging
from haystack.components.converters.utils import normalize_metadata
from haystack.dataclasses import ByteStream
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.common.senseweave.configured import check_choice, in_thread
from haystack_integrations.common.senseweave.media import source_content, source_label
from haystack_integrations.common.senseweave.space import SpaceComponent

import senseweave as sw
from senseweave.media import collect
from senseweave.retrieval.records.chunking import pieces_of

logger = logging.getLogger(__name__)

MediaSource = str | Path | ByteStream


@component
class MediaToDocument(SpaceComponent):
    """Makes Documents from files: one per text passage, image, PDF page, window of a recording, segment of a video.

    `content` is the text, or what `describe_with` says of an image, a recording or a video, or `""`; never None, which
    some stores leave out without an error. `meta` is flat: `modality`, `mime_type`, `file_path`, `sha256`, `start` and
    `end` in seconds, `page` from 1, `source_id` and `split_id` (with these two, `SentenceWindowRetriever` returns the
    neighbours of a segment). Ids are made from the content, so that the same file gives the same ids wherever it lies.

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
            `describe_with` hears and sees at a time, cut where nobody speaks if it recognises speech; 30 without one.
        :param overlap: Seconds that neighbouring windows share.
        :param characters: Most characters of a text passage. None takes what the model of `describe_with` reads, at
            most 1000.
        :param character_overlap: Most characters that neighbouring passages share.
        :param root_path: Files must lie under this folder, symbolic links resolved, and relative paths are looked for
            there. None allows every local file.
        :param network: Whether a source may be an http or https URL.
        :param on_error: `skip` to go on without a source that cannot be read, log a warning and report it in `failed`;
            or `raise`.
        :param describe_with: A model of `senseweave.load` whose transcripts and labels become the content of what is
            not text. An embedder of the same model then finds its vectors made already. None leaves that content
            empty.
        :param device: Where that model runs. If None, senseweave picks the best there is when the model is loaded.
        :param api_key: Key of that model, if it is behind an API, as `Secret.from_env_var(...)`.
        :param load_options: Further options of `senseweave.load` for that model.
        :raises ValueError: If `on_error` is neither.
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
        made: dict[str, _Made] = {}
        failed: list[sw.MediaError] = []
        for position, (source, own) in enumerate(zip(sources, normalize_metadata(meta, len(sources)), strict=True)):
            for one in self._from_source(source, own):
                if isinstance(one, sw.MediaError):
                    self._fail(one.at(position, len(sources)), failed)
                    continue
                document, media = one
                if document.id in made:
                    logger.warning(
                        "{source} has the same content as {other} and is left out.",
                        source=document.meta.get("file_path", source_label(source)),
                        other=made[document.id].document.meta.get("file_path", "an earlier source"),
                    )
                    continue
                made[document.id] = _Made(document, media, position)
        documents = self._described(list(made.values()), len(sources), failed)
        failed.sort(key=lambda error: error.position or 0)
        return {
            "documents": documents,
            "failed": [{"source": one.source, "position": one.position, "reason": one.reason} for one in failed],
        }

    run_async = in_thread(run)

    def _from_source(
        self, source: MediaSource, own: dict[str, Any]
    ) -> Iterator[tuple[Document, sw.Media] | sw.MediaError]:
        if isinstance(source, str) and source.startswith("data:"):
            yield sw.MediaError(
                f"{source[:32]}…", "a Document cannot point at a data URI; give its bytes as a ByteStream"
            )
            return
        policy = sw.MediaPolicy(root=self.root_path, network=self.network)
        counts: Counter[str] = Counter()
        for media in collect([source_content(source, policy)], policy=policy):
            if isinstance(media, sw.MediaError):
                yield media if not isinstance(source, ByteStream) else type(media)(source_label(source), media.reason)
                continue
            try:
                yield from self._from_media(media, source, own, counts)
            except sw.MediaError as error:
                yield error

    def _from_media(
        self, media: sw.Media, source: MediaSource, own: dict[str, Any], counts: Counter[str]
    ) -> Iterator[tuple[Document, sw.Media]]:
        sha256, mime_type = media.sha256, media.mime_type
        source_id = f"{sha256[:32]}-{media.modality}"
        for piece in self._pieces(media):
            start, end = piece.span or (None, None)
            offset = piece.metadata.get("character_start", 0)
            meta = {
                "modality": piece.modality,
                "mime_type": mime_type,
                "file_path": _file_path(media, source),
                "sha256": sha256,
                "start": start,
                "end": end,
                "page": piece.page,
                "source_id": source_id,
                "split_id": counts[source_id],
                # Offsets are within a page there, and cannot be compared across pages.
                "split_idx_start": offset if piece.modality == "text" and piece.page is None else None,
            }
            counts[source_id] += 1
            from_stream = source.meta if isinstance(source, ByteStream) else {}
            content = piece.decode() if piece.modality == "text" else ""
            document = Document(
                id=_document_id(piece.modality, sha256, start, end, piece.page, offset, len(content)),
                content=content,
                meta={**from_stream, **own, **{name: value for name, value in meta.items() if value is not None}},
                blob=source if isinstance(source, ByteStream) else None,
            )
            yield document, piece

    def _pieces(self, media: sw.Media) -> Iterator[sw.Media]:
        """Cut a media as the describing model takes it, or into common lengths where there is none."""
        space = self._loaded() if self.describe_with is not None else None
        return pieces_of(
            media,
            space if space is not None and media.modality in space.modalities else None,
            seconds=self.seconds,
            overlap=self.overlap,
            characters=self.characters,
            character_overlap=self.character_overlap,
        )

    def _described(self, made: list["_Made"], total: int, failed: list[sw.MediaError]) -> list[Document]:
        """Return the Documents with what the model says of those that are not text, without those it cannot read."""
        documents = [one.document for one in made]
        if self.describe_with is None:
            return documents
        space = self._loaded()
        asked = [i for i, one in enumerate(made) if one.media.modality != "text"]
        asked = [i for i in asked if made[i].media.modality in space.modalities]
        batch = space.encode([made[i].media for i in asked], on_error="skip")
        for row, kept in enumerate(batch.kept):
            documents[asked[kept]] = replace(documents[asked[kept]], content=batch.descriptions[row] or "")
        unreadable = {asked[error.position or 0]: error for error in batch.failed}
        for i, error in unreadable.items():
            self._fail(error.at(made[i].position, total), failed)
        return [document for i, document in enumerate(documents) if i not in unreadable]

    def _fail(self, error: sw.MediaError, failed: list[sw.MediaError]) -> None:
        if self.on_error == "raise":
            raise error
        logger.warning("A source is left out: {reason}", reason=str(error))
        failed.append(error)


@dataclass(frozen=True)
class _Made:
    """A Document, the media that it stands for, and the position of its source."""

    document: Document
    media: sw.Media
    position: int


def _file_path(media: sw.Media, source: MediaSource) -> str | None:
    """Return where the content can be found again; None for bytes that came without a path."""
    if isinstance(source, ByteStream):
        given = source.meta.get("file_path")
        return str(given) if given is not None else None
    return media.source if "://" in media.source else str(Path(media.source).absolute())


def _document_id(*parts: object) -> str:
    return hashlib.sha256("\n".join("" if part is None else str(part) for part in parts).encode()).hexdigest()


def _check(sources: Any) -> None:
    msg = "MediaToDocument expects a list of str, Path or ByteStream as sources, not "
    if not isinstance(sources, list):
        raise TypeError(msg + type(sources).__name__)
    for source in sources:
        if not isinstance(source, str | Path | ByteStream):
            raise TypeError(msg + f"a list with {type(source).__name__}")
