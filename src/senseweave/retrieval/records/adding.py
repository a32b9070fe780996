"""Make records of media for a framework's store: describe each chunk, embed it, and tell what is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np

from senseweave.errors import MediaError, placed_among
from senseweave.media import Media, Modality
from senseweave.media.base import source_name
from senseweave.progress import chunk_seconds, tracked
from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.labels import document_text, text_without_place
from senseweave.retrieval.records.loading import ChunkLoader, LoadedChunk, check_modality
from senseweave.retrieval.records.schema import Provenance, Record, media_provenance, read_metadata, write_metadata
from senseweave.retrieval.records.word_times import keep_word_times

BATCH: Final = 64
"""Chunks that are embedded and written at a time."""
BATCH_SECONDS: Final = 120.0
"""Seconds of sound and video after which fewer are, so that progress moves."""

ChunkKey = tuple[str, str | None]
"""The id that `describe_chunk` gives a chunk; for text also its words, since a splitter makes several."""


class DescribingModel(Protocol):
    """A framework's embedding model that also has words for media."""

    @property
    def modalities(self) -> Collection[Modality]:
        """Modalities that the model embeds."""

    def embed_called(self, media: Sequence[Media]) -> Sequence[Sequence[float]]:
        """Return the vector of each media as a document, of a text as the model's user has it embedded."""

    def embed_described(self, media: Sequence[Media]) -> Sequence[tuple[Sequence[float], str | None]]:
        """Return the vector of each media as a document, and its transcript, caption or label line."""


@dataclass(frozen=True)
class Added:
    """What a store was given.

    Attributes:
        sources: What each record is filed under, by its id, in the order of the inputs.
        complete: Sources of which every chunk was embedded.
    """

    sources: dict[str, str]
    complete: set[str]


def describe_chunk(
    media: Media, description: str | None = None, metadata: Mapping[str, Any] | None = None
) -> tuple[str, str, dict[str, Any]]:
    """Return the id, the text and the flat metadata of the document that a framework makes of a chunk.

    The id depends on content, span, page and source alone. The text is the text itself, or the description followed
    by where it is from. A transcript's words are in the metadata with the seconds at which they begin, as in an index.

    Args:
        media: A text, an image, or a chunk of audio or video.
        description: Its caption, transcript or label line.
        metadata: Further values, over those of the media. Their `source` replaces the media's; a label for media that
            have a path or URL is kept as `user_source`.

    Raises:
        MediaError: If the media cannot be read.
    """
    provenance = _provenance(media, metadata)
    provenance = replace(provenance, own=_timed(description, provenance, provenance.own))
    text = document_text(media, description, provenance.source)
    return record_id(provenance), text, write_metadata(provenance)


def chunk_key(provenance: Provenance, text: str | None) -> ChunkKey:
    """Return what identifies the chunk that a record holds, whatever the record's own id."""
    made = record_id(replace(provenance, fingerprint=None))
    return made, text if provenance.modality == "text" else None


def chunk_record(
    media: Media,
    vector: Sequence[float],
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    identifier: str | None = None,
) -> Record:
    """Return the record of a chunk, with the text and metadata that `describe_chunk` gives it, and its id by default.

    Raises:
        MediaError: If the media cannot be read.
    """
    made, text, values = describe_chunk(media, description, metadata)
    return Record(identifier or made, np.asarray(vector, np.float32), text, values)


def add_media(
    inputs: Any,
    loader: ChunkLoader,
    model: DescribingModel,
    write: Callable[[list[Record]], None],
    metadata: Mapping[str, Any] | None = None,
    foreign: Callable[[str], Mapping[ChunkKey, str]] = lambda _: {},
) -> Added:
    """Embed the chunks of inputs, and write a record of each, a batch at a time.

    Args:
        inputs: One or several inputs, as the loader takes them.
        loader: Divides them, and says what becomes of what cannot be read.
        model: Embeds and describes the chunks.
        write: Writes records to the store; none of them has been written in this call before.
        metadata: Flat values for all records.
        foreign: Returns the ids under which the store keeps chunks of a source that were added in another way; what
            they hold is neither embedded nor written.

    Raises:
        MediaError: If something cannot be read, or is of a modality that the model does not embed, as the loader's
            `on_error` says; what came before it is written.
    """

    def embed_new(media: list[Media]) -> list[str | tuple[Sequence[float], str | None]]:
        """Return vector and description of each media, or the id under which the store keeps it."""
        known = []
        for item in media:
            provenance = _provenance(item, metadata)
            words = item.decode() if item.modality == "text" else None
            known.append(foreign(provenance.source or "").get(chunk_key(provenance, words)))
        new = [i for i, identifier in enumerate(known) if identifier is None]
        with placed_among(new, len(media)):
            embedded = dict(zip(new, model.embed_described([media[i] for i in new]), strict=True))
        return [embedded[i] if identifier is None else identifier for i, identifier in enumerate(known)]

    sources: dict[str, str] = {}
    incomplete: set[str] = set()
    with tracked(loader.progress, "adding") as progress:
        loader = loader if progress is None else loader.following(progress, inputs)
        chunks = _embeddable(inputs, loader, model.modalities)
        while batch := _next_batch(chunks):
            embedded = loader.each(batch, embed_new)
            incomplete |= {source_name(chunk.media) for i, chunk in enumerate(batch) if i not in embedded}
            records = []
            for i, found in embedded.items():
                if isinstance(found, str):
                    sources[found] = _provenance(batch[i].media, metadata).source or ""
                    continue
                vector, description = found
                record = chunk_record(batch[i].media, vector, description, metadata)
                if record.id not in sources:
                    sources[record.id] = record.metadata["source"]
                    records.append(record)
            write(records)
    return Added(sources, set(sources.values()) - incomplete)


def embed_documents(
    ids: Sequence[str],
    media: Sequence[Media | MediaError],
    texts: Sequence[str],
    metadata: Sequence[Mapping[str, Any]],
    model: DescribingModel,
    failed: list[MediaError] | None = None,
) -> list[Record]:
    """Embed the media that a framework's documents stand for, and return the records to store.

    Media whose text is empty, or only the label that a loader writes, get the description of the model.

    Args:
        ids: Ids of the documents.
        media: What each document stands for, or the error because of which it is not known.
        texts: Their texts.
        metadata: Their flat metadata.
        model: Embeds and describes the media.
        failed: Takes the errors of media that cannot be read or are of a modality that the model does not embed, with
            their positions; the records of the others are returned. None raises the first instead.

    Raises:
        MediaError: If a media cannot be read and `failed` is None; the error has its position.
    """
    if failed is not None:
        return _embed_readable(ids, media, texts, metadata, model, failed)
    unknown = next((item for item in media if isinstance(item, MediaError)), None)
    if unknown is not None:
        raise unknown
    known = [item for item in media if isinstance(item, Media)]
    provenances = [read_metadata(values) for values in metadata]
    is_bare = [not text_without_place(text, place) for text, place in zip(texts, provenances, strict=True)]
    bare = [i for i, item in enumerate(known) if item.modality != "text" and is_bare[i]]
    others = [i for i in range(len(known)) if i not in set(bare)]
    with placed_among(bare, len(known)):
        described = dict(zip(bare, model.embed_described([known[i] for i in bare]), strict=True))
    with placed_among(others, len(known)):
        vectors = dict(zip(others, model.embed_called([known[i] for i in others]), strict=True))
    written, values = list(texts), [dict(each) for each in metadata]
    for i, (vector, description) in described.items():
        vectors[i] = vector
        values[i] = _timed(description, provenances[i], values[i])
        written[i] = document_text(known[i], description, provenances[i].source)
    return [
        Record(identifier, np.asarray(vectors[i], np.float32), written[i], values[i])
        for i, identifier in enumerate(ids)
    ]


def _embed_readable(
    ids: Sequence[str],
    media: Sequence[Media | MediaError],
    texts: Sequence[str],
    metadata: Sequence[Mapping[str, Any]],
    model: DescribingModel,
    failed: list[MediaError],
) -> list[Record]:
    """Embed documents as `embed_documents` does: together if all can be read and embedded, else one by one."""
    try:
        _check_modalities(media, model)
        return embed_documents(ids, media, texts, metadata, model)
    except MediaError:
        records = []
    for at in range(len(media)):
        part = slice(at, at + 1)
        try:
            _check_modalities(media[part], model)
            records += embed_documents(ids[part], media[part], texts[part], metadata[part], model)
        except MediaError as error:
            failed.append(error.at(at, len(media)))
    return records


def _check_modalities(media: Sequence[Media | MediaError], model: DescribingModel) -> None:
    for item in media:
        if isinstance(item, Media):
            check_modality(item, model.modalities)


def _provenance(media: Media, metadata: Mapping[str, Any] | None) -> Provenance:
    """Return the provenance of a chunk, filed under the `source` of some metadata if they name a source.

    Media are found again by their source, so a label does not take the place of a path or URL.
    """
    own = {**media.metadata, **(metadata or {})}
    given = own.get("source") or None
    source = os.fspath(given) if isinstance(given, os.PathLike) else given
    is_usable = media.modality == "text" or not _leads_to_a_file(source_name(media)) or _leads_to_a_file(source)
    if given is None or (isinstance(source, str) and is_usable):
        own.pop("source", None)
        return media_provenance(media, source=source, own=own)
    return media_provenance(media, own=own)


def _timed(description: str | None, provenance: Provenance, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with the times of the words of a transcript, counted from the beginning of its source."""
    return keep_word_times(description, provenance.span[0] if provenance.span else 0.0, metadata)


def _leads_to_a_file(source: Any) -> bool:
    return isinstance(source, str) and (os.path.isabs(source) or "://" in source)


def _embeddable(inputs: Any, loader: ChunkLoader, modalities: Collection[Modality]) -> Iterator[LoadedChunk]:
    """Yield the chunks of inputs that a model embeds; the loader hears of the others."""
    for chunk in loader.chunks(inputs):
        try:
            check_modality(chunk.media, modalities)
        except MediaError as error:
            loader.fail(error, chunk.position, named=chunk.named)
        else:
            yield chunk


def _next_batch(chunks: Iterator[LoadedChunk]) -> list[LoadedChunk]:
    """Return the next chunks, as many as are embedded at a time."""
    batch, seconds = list[LoadedChunk](), 0.0
    for chunk in chunks:
        batch.append(chunk)
        seconds += chunk_seconds(chunk.media)
        if len(batch) == BATCH or seconds >= BATCH_SECONDS:
            break
    return batch
