"""Embedding in actors of Ray, which hold the models of a call once."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.scale.deaths import Watch
from senseweave.scale.reading import ROW, Job, packed
from senseweave.scale.shipping import Outcome, ShippedChunk, without_bytes

if TYPE_CHECKING:
    import pyarrow as pa

TOGETHER_BYTES: Final = 256 * 1024**2
"""Bytes of pickled chunks that are unpacked and embedded together."""


class ChunkEmbedder:
    """Embeds the chunks in rows."""

    def __init__(self, job: Any) -> None:
        """Take the spaces of a job, given by its reference; each model is loaded when its modality first comes."""
        ray = require("ray", extra="ray", feature="senseweave.scale.index")
        found: Job = ray.get(job)
        self._spaces = found.check_spaces()
        self._record = found.record

    def __call__(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Yield rows with their vectors."""
        watch = Watch(self._record, rows)
        together: list[bytes] = []
        done = 0
        for row in rows[ROW]:
            together.append(row.as_py())
            if sum(map(len, together)) >= TOGETHER_BYTES:
                yield self._embed_rows(together, watch, done)
                done += len(together)
                together = []
        yield self._embed_rows(together, watch, done)
        watch.end()

    def _embed_rows(self, rows: Sequence[bytes], watch: Watch, done: int) -> pa.Table:
        shipped: list[ShippedChunk | Outcome] = [pickle.loads(row) for row in rows]  # noqa: S301  (this call's own)
        chunks = {at: chunk for at, chunk in enumerate(shipped, done) if isinstance(chunk, ShippedChunk)}
        if watch.is_repeated:
            for at, chunk in chunks.items():
                if (reason := watch.reach(at)) is not None:
                    chunk.embedded |= {name: MediaError(chunk.source, reason) for name in chunk.wanted}
                self._embed([chunk])
        else:
            self._embed(list(chunks.values()))
        return packed([pickle.dumps(item, protocol=5) for item in shipped])

    def _embed(self, chunks: Sequence[ShippedChunk]) -> None:
        """Embed chunks that have no vector or error yet."""
        for name, space in self._spaces.items():
            wanted = [chunk for chunk in chunks if name in chunk.wanted and name not in chunk.embedded]
            batch = space.encode([chunk.media for chunk in wanted], role="document", on_error="skip")
            for row, position in enumerate(batch.kept):
                wanted[position].embedded[name] = batch.vectors[row], batch.descriptions[row]
            for error in batch.failed:
                wanted[error.position or 0].embedded[name] = type(error)(error.source, error.reason)
        for chunk in chunks:
            if chunk.wanted:
                chunk.media = without_bytes(chunk.media, chunk.text)
