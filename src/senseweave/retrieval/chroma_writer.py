"""Writes records of media to a Chroma collection that a framework's store opened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from senseweave.errors import FingerprintError, MediaError
from senseweave.media import Media
from senseweave.retrieval.records.adding import ChunkKey, DescribingModel, add_media, chunk_key, chunk_record
from senseweave.retrieval.records.loading import ChunkLoader, LoadedChunk, check_modality
from senseweave.retrieval.records.schema import Record, read_metadata
from senseweave.retrieval.report import raise_failed
from senseweave.retrieval.stores.pacing import Pace

FINGERPRINT: Final = "fingerprint"
"""Key of the collection's metadata for the fingerprint of the space whose vectors it holds."""


@dataclass(frozen=True)
class ChromaWriter:
    """Writes to a collection.

    Attributes:
        collection: A `chromadb.Collection`.
    """

    collection: Any

    def check_fingerprint(self, given: str | None) -> None:
        """Check that the collection is of the space with a fingerprint, and note it where the collection is empty.

        Args:
            given: The fingerprint; None for vectors of which no space is known.

        Raises:
            FingerprintError: If the collection holds vectors of another space; the error names both fingerprints.
        """
        known = dict(self.collection.metadata or {})
        expected = known.get(FINGERPRINT)
        if expected == given:
            return
        if expected is None and not self.collection.count():
            kept = {name: value for name, value in known.items() if not name.startswith("hnsw:")}
            self.collection.modify(metadata={**kept, FINGERPRINT: given})
            return
        raise FingerprintError(self.collection.name, str(expected or "unknown"), str(given or "unknown"))

    def write(self, records: Sequence[Record], *, update: bool = False) -> None:
        """Write records, as many at a time as the client takes; of records with the same id, the last.

        Args:
            records: The records.
            update: Whether only records are written that the collection holds already.
        """
        distinct = list({record.id: record for record in records}.values())
        write = self.collection.update if update else self.collection.upsert
        size = self._batch_size()
        pace = Pace()
        for start in range(0, len(distinct), size):
            for part in pace.parts(distinct[start : start + size]):
                write(
                    ids=[record.id for record in part],
                    embeddings=np.stack([record.vector for record in part]),
                    documents=[record.text for record in part],
                    metadatas=[record.metadata or None for record in part],
                )

    def add_media(
        self,
        inputs: Any,
        loader: ChunkLoader,
        model: DescribingModel,
        *,
        metadata: Mapping[str, Any] | None = None,
        replace: bool = True,
    ) -> list[str]:
        """Write a record of each chunk of some inputs, and return their ids; see `records.adding.add_media`.

        Args:
            inputs: One or several inputs, as the loader takes them.
            loader: Divides them, and says what becomes of what cannot be read.
            model: Embeds and describes the chunks.
            metadata: Flat values for all records.
            replace: Whether to delete the other records that this method made of the same sources. A source with a
                chunk that cannot be embedded keeps its records, and so does every source where `metadata` names a
                `source` of its own.
                Records with ids of the user's own stay, and what they hold is not written again.

        Raises:
            AddError: With `on_error="named"`, if an input that was named cannot be embedded; the rest is written.
            MediaError: With `on_error="raise"`, for the first of them; what came before it is written.
        """
        held: list[MediaError] = []
        loader = dataclasses.replace(loader, hold=held.append)
        added = add_media(inputs, loader, model, self.write, metadata, cache(self._foreign))
        if replace and "source" not in (metadata or {}):
            self._delete_stale(added.complete, added.sources)
        raise_failed(held, len(added.sources))
        return list(added.sources)

    def add_each(
        self,
        items: Sequence[Any],
        read: Callable[[Any], Media],
        loader: ChunkLoader,
        model: DescribingModel,
        *,
        metadata: Sequence[Mapping[str, Any]],
        ids: Sequence[str | None],
    ) -> list[str]:
        """Write a record of each item, undivided, and return the ids of those that could be embedded.

        Args:
            items: What `read` takes.
            read: Returns the media of an item.
            loader: Says what becomes of what cannot be read; each item counts as named.
            model: Embeds and describes the media.
            metadata: Flat values for each item.
            ids: The id of each item's record; None for one made of content and source.

        Raises:
            AddError: With `on_error="named"`, if an item cannot be embedded; the others are written.
            MediaError: With `on_error="raise"`, for the first of them; nothing is written.
        """
        held: list[MediaError] = []
        loader = dataclasses.replace(loader, hold=held.append, locate=lambda error, i: error.at(i, len(items)))
        chunks: list[LoadedChunk] = []
        for position, item in enumerate(items):
            try:
                media = read(item)
                check_modality(media, model.modalities)
            except MediaError as error:
                loader.fail(error, position, named=True)
            else:
                chunks.append(LoadedChunk(media, media, position))
        records = [
            chunk_record(
                chunks[i].media,
                vector,
                description,
                metadata[chunks[i].position],
                identifier=ids[chunks[i].position],
            )
            for i, (vector, description) in loader.each(chunks, model.embed_described).items()
        ]
        self.write(records)
        raise_failed(held, len(records))
        return [record.id for record in records]

    def _foreign(self, source: str) -> dict[ChunkKey, str]:
        """Return the ids of a source's records that were made in another way, by the chunks that they hold."""
        return {key: identifier for identifier, key, is_foreign in self._rows(source) if is_foreign}

    def _delete_stale(self, sources: Collection[str], kept: Collection[str]) -> None:
        """Delete the records that were made of media of sources, except for ids to keep."""
        size = self._batch_size()
        for source in sorted(sources):
            rows = self._rows(source)
            stale = [identifier for identifier, _, is_foreign in rows if not is_foreign and identifier not in kept]
            for start in range(0, len(stale), size):
                self.collection.delete(ids=stale[start : start + size])

    def _rows(self, source: str) -> Iterator[tuple[str, ChunkKey, bool]]:
        """Yield id and chunk of each record of a source, and whether its id says that it was made in another way."""
        stored = self.collection.get(where={"source": source}, include=["metadatas", "documents"])
        for identifier, values, text in zip(stored["ids"], stored["metadatas"], stored["documents"], strict=True):
            key = chunk_key(read_metadata(values), text)
            yield identifier, key, identifier != key[0]

    def _batch_size(self) -> int:
        return int(self.collection._client.get_max_batch_size())
