"""Reading in tasks of Ray: from rows to chunks, decoded where they are wanted, by the code of `Index.add`."""

from __future__ import annotations

import os
import pickle
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from senseweave.errors import FingerprintError, MediaError
from senseweave.extras import require
from senseweave.media import Media, MediaPolicy
from senseweave.redaction import without_secrets
from senseweave.retrieval.index_spaces import IndexSpaces
from senseweave.retrieval.records.decoding import SHARED, shared_decoding
from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.ingest import Ingest
from senseweave.retrieval.records.writing import Chunk, Lane, Writer
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.scale.deaths import Watch
from senseweave.scale.inputs import PATH, Columns, column_values
from senseweave.scale.known import Known
from senseweave.scale.shipping import Outcome, ShippedChunk, decode, without_bytes
from senseweave.spaces.space import Space

if TYPE_CHECKING:
    import pyarrow as pa

ROW: Final = "row"
"""The column of what travels between the steps: a pickled `ShippedChunk` or `Outcome`."""
AHEAD: Final = 8
"""Chunks that are read ahead of those that Ray takes."""
BATCH_BYTES: Final = 32 * 1024**2
"""Bytes of chunks that a task hands over at a time."""


@dataclass(frozen=True)
class Job:
    """What every task of one call needs to know.

    Attributes:
        spaces: The spaces of the index; pickled by name and options, loaded where they are needed.
        policy: What may be read.
        known: What the index holds.
        columns: Which columns of a dataset hold what; None where it is one of paths.
        options: Further options of `Ingest`.
        fingerprints: Of the spaces, as the driver computes them.
        record: The actor that counts the deaths of processes; None where nothing is counted.
    """

    spaces: tuple[Space, ...]
    policy: MediaPolicy
    known: Known
    columns: Columns | None = None
    options: dict[str, Any] = field(default_factory=dict)
    fingerprints: tuple[str, ...] = ()
    record: Any = None

    def check_spaces(self) -> dict[str, Space]:
        """Return the spaces by name, after checking that this process gives the vectors of the driver.

        Raises:
            FingerprintError: If a space gives other vectors here, for example because a library has another version.
        """
        for space, fingerprint in zip(self.spaces, self.fingerprints, strict=True):
            if space.fingerprint != fingerprint:
                raise FingerprintError(space.name, fingerprint, space.fingerprint)
        return {space.name: space for space in self.spaces}


def read_rows(rows: pa.Table, *, job: Any) -> Iterator[pa.Table]:
    """Yield the chunks of rows, and what else reading them showed.

    Args:
        rows: Of paths, or of a dataset with the columns of the job.
        job: The reference to the job in Ray's object store.
    """
    reader = _reader(job)
    watch = reader.watch(rows)
    pending: list[bytes] = []
    for shipped in reader.read(rows, watch):
        pending.append(pickle.dumps(shipped, protocol=5))
        if sum(map(len, pending)) >= BATCH_BYTES or len(pending) >= 512:
            yield packed(pending)
            pending = []
    yield packed(pending)
    if watch is not None:
        watch.end()


def packed(rows: Sequence[bytes]) -> pa.Table:
    """Return pickled rows as a table."""
    arrow = require("pyarrow", extra="ray", feature="senseweave.scale")
    return arrow.table({ROW: arrow.array(rows, arrow.large_binary())})


class Reader:
    """Reads the inputs of one call in this process; the tokenizers of the spaces are loaded once."""

    def __init__(self, job: Job) -> None:
        """Make an empty index in memory, against which inputs are read."""
        self._job = job
        self._collections = Collections(MemoryStore())
        self._spaces = IndexSpaces(self._collections, None)
        for space in job.check_spaces().values():
            self._spaces.add(space)

    def watch(self, rows: pa.Table) -> Watch | None:
        """Return what counts the deaths of processes that read some rows, or None if nothing does."""
        return Watch(self._job.record, rows) if self._job.record is not None else None

    def read(self, rows: pa.Table, watch: Watch | None = None) -> Iterator[ShippedChunk | Outcome]:
        """Yield the chunks of each row as they are read, and then its outcome."""
        for at, given in enumerate(self._inputs(rows)):
            if isinstance(given, MediaError):
                yield Outcome(failed=[given])
            elif watch is not None and (reason := watch.reach(at)) is not None:
                yield Outcome(failed=[MediaError(_input_name(given[0]), reason)])
            else:
                yield from in_background(partial(self._read, *given))

    def _inputs(self, rows: pa.Table) -> Iterator[tuple[Any, dict[str, Any]] | MediaError]:
        if self._job.columns is not None:
            yield from self._job.columns.inputs(rows, self._job.policy)
            return
        for path in column_values(rows, PATH):
            yield os.fsdecode(path), {}

    def _read(self, given: Any, own: dict[str, Any], ship: Callable[[ShippedChunk | Outcome], None]) -> None:
        """Hand over the chunks of an input, and then its outcome."""
        options = {**self._job.options, "metadata": own or None, "policy": self._job.policy, "on_error": "skip"}
        try:
            ingest = ChunkIngest(self._collections, self._spaces.load(), ship=ship, known=self._job.known, **options)
            ingest.run([given], sync=False)
        except ValueError as error:  # metadata that cannot be stored, or not on records of this modality
            ship(Outcome(failed=[MediaError(_input_name(given), str(error))]))
            return
        ship(ingest.outcome())


class ChunkIngest(Ingest):
    """An `add` call whose chunks are handed over where `Index.add` would write them."""

    def __init__(
        self,
        collections: Collections,
        spaces: dict[str, Space],
        *,
        ship: Callable[[ShippedChunk | Outcome], None],
        known: Known,
        **options: Any,
    ) -> None:
        """Read for an index; `options` are those of `Ingest`."""
        super().__init__(collections, spaces, **options)
        self._ship = ship
        self._known = known
        self._marks: dict[str, dict[str, bool | None]] = {}

    def _make_writer(self) -> Writer:
        return ChunkShipper(self)

    def _write_all(self) -> None:
        for space, read in self._read.items():
            self._marks.setdefault(space, {}).update(read)
        super()._write_all()

    def ship(self, lane: Lane) -> None:
        """Hand over the chunks that wait in a lane, and empty it."""
        chunks, lane.chunks = lane.chunks, []
        wanted = [self._wanted(chunk, lane.spaces) for chunk in chunks]
        for chunk, spaces in zip(chunks, wanted, strict=True):
            if not spaces:
                self._hand_over(chunk, lane, [])
        queue = [(chunk, spaces) for chunk, spaces in zip(chunks, wanted, strict=True) if spaces]
        size = SHARED[lane.modality]
        for at in range(0, len(queue), size):
            batch = queue[at : at + size]
            windows = {i: chunk.window for i, (chunk, _) in enumerate(batch) if chunk.window is not None}
            with shared_decoding([chunk.media for chunk, _ in batch], windows, 1):
                for chunk, spaces in batch:
                    self._hand_over(chunk, lane, spaces)

    def outcome(self) -> Outcome:
        """Return what reading showed beside the chunks."""
        states = {source: state for source, state in self._states.items() if self._known.has_source(source)}
        return Outcome(states, self.report.partial, self.report.failed, self._marks)

    def _wanted(self, chunk: Chunk, spaces: Sequence[Space]) -> list[Space]:
        """Return the spaces in which the index holds neither the record nor its content."""
        content = chunk.content()
        return [
            space
            for space in spaces
            if not self._known.has_id(record_id(chunk.provenance(space.fingerprint)))
            and not self._known.has_content(space.fingerprint, content)
        ]

    def _hand_over(self, chunk: Chunk, lane: Lane, wanted: Sequence[Space]) -> None:
        """Hand over a chunk: with its words or its decoded form, or if that is large, so that it can be read again."""
        shipped = ShippedChunk(
            chunk.media, chunk.source, chunk.own, text=chunk.text, spaces=tuple(space.name for space in lane.spaces)
        )
        try:
            decoded = None
            if wanted and chunk.text is None:
                decoded = decode(chunk.media, [space.encoder(lane.modality).decode_options for space in wanted])
            if decoded is not None or not wanted or chunk.text is not None:
                shipped.media = without_bytes(chunk.media, chunk.text)
                shipped.media.shared = decoded
            else:
                shipped.media = chunk.media.part()
            shipped.wanted = tuple(space.name for space in wanted)
        except MediaError as error:
            shipped.media = without_bytes(chunk.media, chunk.text)
            shipped.embedded = {space.name: error for space in wanted}
        self._ship(shipped)


class ChunkShipper(Writer):
    """Hands over the chunks that a `Writer` would write."""

    def __init__(self, ingest: ChunkIngest) -> None:
        """Hand over the chunks of a call."""
        super().__init__(ingest._collections, ingest.report, ingest._fail, ingest._tracker)
        self._ingest = ingest

    def write(self, lane: Lane) -> None:
        """Hand over the chunks that wait in a lane, and empty it."""
        self._ingest.ship(lane)


def in_background(run: Callable[[Callable[[Any], None]], None]) -> Iterator[Any]:
    """Yield what a function hands over in a thread of its own, which waits when it is `AHEAD`.

    Args:
        run: Called with a function that takes what is handed over.
    """
    taken: queue.Queue[Any] = queue.Queue(AHEAD)
    ended, given_up = object(), threading.Event()
    failure: list[BaseException] = []

    def hand_over(item: Any) -> None:
        while True:
            if given_up.is_set():
                raise GeneratorExit
            try:
                return taken.put(item, timeout=0.2)
            except queue.Full:
                continue

    def work() -> None:
        try:
            run(hand_over)
        except BaseException as error:  # raised again where the generator is read
            failure.append(error)
        if not given_up.is_set():
            hand_over(ended)

    thread = threading.Thread(target=work, name="senseweave-reading", daemon=True)
    thread.start()
    try:
        while (item := taken.get()) is not ended:
            yield item
        if failure:
            raise failure[0]
    finally:
        given_up.set()
        thread.join()


def _input_name(given: Any) -> str:
    """Return what an input is called in errors."""
    if isinstance(given, Media):
        return given.source
    return without_secrets(given) if isinstance(given, str) else str(given.label)


@lru_cache(maxsize=1)
def _reader(job: Any) -> Reader:
    """Return the reader of a call; a process reads for one call at a time."""
    ray = require("ray", extra="ray", feature="senseweave.scale.index")
    found: Job = ray.get(job)
    return Reader(found)
