"""Writing on the driver: what was read and embedded elsewhere, by the code of `Index.add`."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from senseweave.errors import MediaError
from senseweave.retrieval.records.ingest import Ingest
from senseweave.retrieval.records.tracking import EncodingSteps
from senseweave.retrieval.records.writing import Chunk, Lane, Writer
from senseweave.retrieval.report import Report
from senseweave.scale.reading import ROW
from senseweave.scale.shipping import Outcome, ShippedChunk
from senseweave.spaces.batch import Batch
from senseweave.spaces.space import Space


class EmbeddedIngest(Ingest):
    """An `add` call that is given chunks with their vectors, in any order."""

    def take(self, tables: Iterable[Any]) -> Report:
        """Write the rows of some tables, and return the report; the caller holds the writing lock."""
        self._begin(None, [])
        for shipped in _unpacked(tables):
            if isinstance(shipped, Outcome):
                self._take_outcome(shipped)
            else:
                self._take_chunk(shipped)
        return self._finish([], sync=False)

    def _make_writer(self) -> Writer:
        return EmbeddedWriter(self._collections, self.report, self._fail, self._tracker)

    def _take_chunk(self, chunk: ShippedChunk) -> None:
        kind = chunk.media.modality, chunk.media.modalities
        if not self._is_embedded(chunk.media):
            return
        lane = next(lane for lane in self._lanes[kind] if _names(lane) == chunk.spaces)
        lane.chunks.append(chunk)
        if lane.is_full:
            self._writer.write(lane)

    def _take_outcome(self, outcome: Outcome) -> None:
        for source, state in outcome.states.items():
            merged = self._state(source)
            merged.expected |= state.expected
            merged.whole_file |= state.whole_file
            merged.whole_modalities |= state.whole_modalities
            merged.sha256 |= state.sha256
            merged.failed |= state.failed
        for source, notes in outcome.partial.items():
            self._notes.setdefault(source, []).extend(notes)
        self.report.failed += outcome.failed
        # Words come in any order, so that a picture says that it was read only when all are written.
        for space, marks in outcome.marks.items():
            self._read.setdefault(space, {}).update(marks)


class EmbeddedWriter(Writer):
    """Writes chunks with the vectors that they bring."""

    def _embed(self, space: Space, groups: Sequence[list[Chunk]], steps: EncodingSteps) -> Batch:
        """Return the vectors of groups; chunks of one content bring equal ones."""
        batch = Batch(np.zeros((0, space.dimension), np.float32), [], [], [])
        vectors = []
        for position, group in enumerate(groups):
            brought = [chunk.embedded.get(space.name) for chunk in group if isinstance(chunk, ShippedChunk)]
            vector = next((found for found in brought if isinstance(found, tuple)), None)
            if vector is not None:
                vectors.append(vector[0])
                batch.kept.append(position)
                batch.descriptions.append(vector[1])
                batch.dropped.append(0)
            else:
                error = next((found for found in brought if isinstance(found, MediaError)), None)
                batch.failed.append((error or _vanished(group[0])).at(position, len(groups)))
            steps(position + 1, len(groups))
        if vectors:
            batch.vectors = np.stack(vectors)
        return batch


def _vanished(chunk: Chunk) -> MediaError:
    reason = "was in the index when this call began, and has been deleted since; index it again"
    return MediaError(chunk.source, reason)


def _names(lane: Lane) -> tuple[str, ...]:
    return tuple(space.name for space in lane.spaces)


def _unpacked(tables: Iterable[Any]) -> Iterator[ShippedChunk | Outcome]:
    for table in tables:
        for row in table[ROW]:
            yield pickle.loads(row.as_py())  # noqa: S301  (written by this call's own tasks)
