"""The engine: decode in threads, drop duplicates, batch by cost, run an encoder, and restore the order of the input."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal

import numpy as np

from senseweave.concurrency import checkpoint
from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.observation import join_descriptions
from senseweave.encoders.runtime.failures import compute
from senseweave.errors import EncodingError, MediaError, SilenceWarning, TruncationWarning, VectorError
from senseweave.forking import Lock
from senseweave.media import Media, Waveform
from senseweave.media.reading.in_flight import decoding, managing_memory
from senseweave.progress import Counter
from senseweave.spaces.batch import Batch, unit_rows
from senseweave.spaces.cache import CachedVector, VectorCache
from senseweave.spaces.held import HELD_BYTES, give_back_freed, held_bytes

OnError = Literal["raise", "skip"]

TEXT_POOL = 4096
"""Texts that are sorted by length together; larger pools pad no less and hold more in memory."""
UNIT_POOL = 64
"""Images, windows or clips that are prepared before batches are formed; fewer where they hold `HELD_BYTES`."""
DECODE_THREADS = min(4, os.cpu_count() or 1)


@dataclass
class _Item:
    """A distinct content of a call, with every position at which it occurs."""

    media: Media
    key: Hashable
    positions: list[int]
    total: np.ndarray | None = None
    units: int = 0
    expected: int | None = None
    descriptions: list[str] = field(default_factory=list)
    dropped: int = 0
    silent: bool = False


@dataclass
class _Unit:
    """A prepared item, or a window of a long item."""

    item: _Item
    prepared: Prepared
    held: int = 0


class Engine:
    """Runs encoders over media for one space."""

    def __init__(self, finish: Callable[[np.ndarray], np.ndarray], cache: VectorCache) -> None:
        """Create an engine.

        Args:
            finish: Turns raw vectors, shape (n, raw dimension), into truncated, normalized vectors of the space.
            cache: Where finished vectors are kept.
        """
        self._finish = finish
        self.cache = cache
        self._lock = Lock()

    def run(
        self,
        encoder: Encoder,
        media: Sequence[Media],
        *,
        role: Role,
        dimension: int,
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> Batch:
        """Encode `media`, all of the encoder's modality.

        Raises:
            MediaError: With `on_error="raise"`, for the first item that cannot be read, with its position; vectors
                finished before it stay in the cache.
            VectorError: As `MediaError`, for an input whose vector is not finite or of a wrong shape.
        """
        total = len(media)
        done: dict[int, CachedVector] = {}
        failed: dict[int, MediaError] = {}

        def fail(item: _Item, error: MediaError) -> None:
            for position in item.positions:
                failed[position] = error.at(position, total)
            if on_error == "raise":
                raise failed[item.positions[0]] from error

        def finish(item: _Item, entry: CachedVector) -> None:
            self.cache.put(item.key, entry)
            for position in item.positions:
                done[position] = entry
            if progress is not None:
                progress(len(done) + len(failed), total)

        pending = self._distinct(encoder, media, role, fail, finish)
        if pending and encoder.proof is not None:
            encoder.proof.load()
        for pool in self._pools(encoder, pending, role, fail):
            self._forward_pool(encoder, pool, dimension, finish, fail)
            if len(pool) >= UNIT_POOL:
                give_back_freed()

        kept = sorted(done)
        batch = Batch(
            vectors=np.stack([done[i].vector for i in kept]) if kept else np.zeros((0, dimension), np.float32),
            kept=kept,
            descriptions=[done[i].description for i in kept],
            dropped=[done[i].dropped for i in kept],
            failed=[failed[i] for i in sorted(failed)],
        )
        _warn_about_losses(encoder, batch, [item for item in pending if item.silent])
        return batch

    def _distinct(
        self,
        encoder: Encoder,
        media: Sequence[Media],
        role: Role,
        fail: Callable[[_Item, MediaError], None],
        finish: Callable[[_Item, CachedVector], None],
    ) -> list[_Item]:
        """Return an item for each distinct content that is not cached; finish the cached contents."""
        items: dict[Hashable, _Item] = {}
        read_role = role if encoder.reads_role else None
        for position, item_media in enumerate(media):
            try:
                encoding = item_media._source.encoding  # which decides the words of a text file
                key = (encoder.modality, read_role, item_media.sha256, item_media.span, item_media.page, encoding)
            except MediaError as error:
                fail(_Item(item_media, None, [position]), error)
                continue
            if key in items:
                items[key].positions.append(position)
            else:
                items[key] = _Item(item_media, key, [position])
        pending = []
        for item in items.values():
            cached = self.cache.get(item.key)
            if cached is None:
                pending.append(item)
            else:
                finish(item, cached)
        return pending

    def _pools(
        self, encoder: Encoder, items: list[_Item], role: Role, fail: Callable[[_Item, MediaError], None]
    ) -> Iterator[list[_Unit]]:
        """Yield prepared units in pools; threads prepare the next ones while the caller encodes these."""
        if encoder.modality == "text":
            for start in range(0, len(items), TEXT_POOL):
                chunk, texts = [], []
                for item in items[start : start + TEXT_POOL]:
                    try:
                        texts.append(whole_characters(item.media))
                    except MediaError as error:
                        fail(item, error)
                        continue
                    item.expected = 1
                    chunk.append(item)
                units = []
                for item, prepared in zip(chunk, encoder.prepare(texts, role), strict=True):
                    if prepared.error is None:
                        units.append(_Unit(item, prepared))
                    else:
                        fail(item, MediaError(item.media.source, prepared.error))
                yield units
            return
        pool: list[_Unit] = []
        held = 0
        for unit in self._decoded_units(encoder, items, role, fail):
            pool.append(unit)
            held += unit.held
            if len(pool) >= UNIT_POOL or held >= HELD_BYTES:
                yield pool
                pool, held = [], 0
        if pool:
            yield pool

    def _decoded_units(
        self, encoder: Encoder, items: list[_Item], role: Role, fail: Callable[[_Item, MediaError], None]
    ) -> Iterator[_Unit]:
        """Decode and prepare in threads, a bounded number of items ahead, and yield units in the order of items."""

        def start(item: _Item) -> tuple[list[_Unit], Iterator[_Unit]]:
            units = _prepare_units(encoder, item, role)
            with decoding():
                head = list(islice(units, UNIT_POOL))
            return head, units

        waiting: deque[tuple[_Item, Future[tuple[list[_Unit], Iterator[_Unit]]]]] = deque()
        todo = iter(items)
        memory = managing_memory() if encoder.modality == "image" else nullcontext()
        with memory, ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="senseweave-decode") as threads:
            try:
                for item in islice(todo, 2 * DECODE_THREADS):
                    waiting.append((item, threads.submit(start, item)))
                while waiting:
                    checkpoint()
                    item, future = waiting.popleft()
                    if _held_ahead(waiting) < HELD_BYTES:
                        while len(waiting) < 2 * DECODE_THREADS and (following := next(todo, None)) is not None:
                            waiting.append((following, threads.submit(start, following)))
                    try:
                        yield from _count_units(item, chain(*future.result()))
                    except MediaError as error:
                        item.expected = None
                        fail(item, error)
            finally:
                for _, future in waiting:
                    future.cancel()

    def _forward_pool(
        self,
        encoder: Encoder,
        pool: list[_Unit],
        dimension: int,
        finish: Callable[[_Item, CachedVector], None],
        fail: Callable[[_Item, MediaError], None],
    ) -> None:
        for batch in _batches(pool, encoder.batch_budget):
            checkpoint()
            try:
                encoded = self._forward(encoder, batch)
            except EncodingError as error:
                self._forward_each(encoder, batch, error, dimension, finish, fail)
                continue
            self._collect(encoder, batch, encoded, dimension, finish, fail)

    def _forward(self, encoder: Encoder, batch: list[_Unit]) -> Encoded:
        with self._lock:
            prepared = [unit.prepared for unit in batch]
            encoded = compute(encoder, prepared)
            if encoder.proof is not None:
                encoder.proof.check(prepared, encoded)
        shape = np.shape(encoded.vectors)
        if shape != (len(batch), encoder.dimension):
            expected = (len(batch), encoder.dimension)
            msg = f"the {encoder.modality} encoder returned vectors of shape {shape}; expected {expected}"
            raise EncodingError(msg)
        return encoded

    def _forward_each(
        self,
        encoder: Encoder,
        batch: list[_Unit],
        error: EncodingError,
        dimension: int,
        finish: Callable[[_Item, CachedVector], None],
        fail: Callable[[_Item, MediaError], None],
    ) -> None:
        """Encode the units of a batch that failed each by itself, so that the error is of its item alone."""
        for unit in batch:
            checkpoint()
            try:
                encoded = self._forward(encoder, [unit]) if len(batch) > 1 else None
            except EncodingError as own:
                error, encoded = own, None
            if encoded is not None:
                self._collect(encoder, [unit], encoded, dimension, finish, fail)
            else:
                fail(unit.item, VectorError(unit.item.media.source, str(error)))

    def _collect(
        self,
        encoder: Encoder,
        batch: list[_Unit],
        encoded: Encoded,
        dimension: int,
        finish: Callable[[_Item, CachedVector], None],
        fail: Callable[[_Item, MediaError], None],
    ) -> None:
        """Finish the items whose vectors are complete, then report the items that failed."""
        vectors = np.array(encoded.vectors, dtype=np.float32)
        errors: dict[int, str | MediaError] = dict(encoded.errors)
        has_direction, is_finite = vectors[:, :dimension].any(axis=1), np.isfinite(vectors).all(axis=1)
        if not (has_direction & is_finite).all():
            for row in np.flatnonzero(~has_direction):
                errors.setdefault(int(row), "the model returned a vector of length 0, which has no direction")
            for row in np.flatnonzero(~is_finite):
                reason = (
                    f"the {encoder.modality} encoder returned a vector that is not finite; a lower precision may "
                    "overflow: try dtype='float32'"
                )
                errors.setdefault(int(row), VectorError(batch[row].item.media.source, reason))
        if errors:
            vectors[list(errors)] = 1.0
        rows = self._finish(vectors)
        parts = rows if encoded.unmapped is None else encoded.unmapped
        for index, unit in enumerate(batch):
            if index in errors:
                continue
            item = unit.item
            item.total = parts[index] if item.total is None else item.total + parts[index]
            item.units += 1
            item.dropped += unit.prepared.dropped
            if encoded.descriptions is not None and encoded.descriptions[index]:
                item.descriptions.append(encoded.descriptions[index])
            if item.units == item.expected:
                try:
                    mapped = encoded.unmapped is not None
                    vector = rows[index] if item.units == 1 else self._mean(encoder, item, mapped=mapped)
                except EncodingError:
                    reason = "the vectors of its windows cancel each other out: their mean has no direction"
                    fail(item, VectorError(item.media.source, reason))
                    continue
                description = join_descriptions(item.descriptions) if encoded.descriptions is not None else None
                finish(item, CachedVector(vector, description, item.dropped))
        for index in sorted(errors):
            problem = errors[index]
            kind, reason = (type(problem), problem.reason) if isinstance(problem, MediaError) else (MediaError, problem)
            fail(batch[index].item, kind(batch[index].item.media.source, reason))

    def _mean(self, encoder: Encoder, item: _Item, *, mapped: bool) -> np.ndarray:
        """Return the vector of an item of several windows.

        Raises:
            EncodingError: If their mean has length 0.
        """
        assert item.total is not None
        mean = (item.total / item.units)[None]
        vector: np.ndarray = self._finish(encoder.map_mean(unit_rows(mean)) if mapped else mean)[0]
        return vector


def _held_ahead(waiting: Iterable[tuple[_Item, Future[tuple[list[_Unit], Iterator[_Unit]]]]]) -> int:
    """Return the bytes that inputs hold which are prepared and not yet taken."""
    ready = (future for _, future in waiting if future.done() and not future.cancelled() and future.exception() is None)
    return sum(unit.held for future in ready for unit in future.result()[0])


def whole_characters(media: Media) -> str:
    """Return the text of a media, after checking that it has no lone surrogate, which would fail a whole batch.

    Raises:
        MediaError: If the text cannot be read, or holds a lone surrogate.
    """
    text: str = media.decode()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = f"holds half a character ({text[error.start]!r} at {error.start}), as broken decoding leaves it"
        raise MediaError(media.source, f"{problem}; decode with errors='replace'") from error
    return text


def _count_units(item: _Item, units: Iterator[_Unit]) -> Iterator[_Unit]:
    """Yield the units of an item, and set their number on the item before the last unit."""
    last: _Unit | None = None
    count = 0
    for unit in units:
        if last is not None:
            yield last
        last, count = unit, count + 1
    if last is None:
        raise MediaError(item.media.source, "holds nothing to embed")
    item.expected = count
    yield last


def _prepare_units(encoder: Encoder, item: _Item, role: Role) -> Iterator[_Unit]:
    """Decode and prepare an item, and yield its units in order."""
    media = item.media
    decoded: Any
    if media.shared is not None:
        stream: Iterator[Any] = iter([media.shared(encoder.decode_options)])
    elif encoder.window_seconds is not None and media.modality in ("audio", "video"):
        stream = _decode_windows(encoder, media, encoder.window_seconds)
    else:
        stream = iter([media.decode(**encoder.decode_options)])
    for decoded in stream:
        if isinstance(decoded, Waveform) and decoded.silent:
            item.silent = True
        try:
            units = encoder.prepare([decoded], role)
        except EncodingError as error:
            raise MediaError(media.source, str(error)) from error
        for prepared in units:
            yield _Unit(item, prepared, held_bytes(prepared.data))


def _decode_windows(encoder: Encoder, media: Media, seconds: float) -> Iterator[Any]:
    """Yield the decoded windows of a long recording or video, in order."""
    options: dict[str, Any] = dict(encoder.decode_options)
    if encoder.cut_at_pauses:
        for window in media.windows(seconds, at_pauses=True):
            yield window.decode(**options)
    else:
        for _, decoded in media.decoded_windows(seconds, **options):
            yield decoded


def _batches(pool: list[_Unit], budget: int) -> Iterator[list[_Unit]]:
    """Sort by cost within each bucket and fill batches until padding them would exceed the budget."""
    buckets: dict[Hashable, list[_Unit]] = {}
    for unit in pool:
        buckets.setdefault(unit.prepared.bucket, []).append(unit)
    for units in buckets.values():
        units.sort(key=lambda unit: -unit.prepared.cost)
        batch: list[_Unit] = []
        longest = 0
        for unit in units:
            longest = max(longest, unit.prepared.cost)
            if batch and longest * (len(batch) + 1) > budget:
                yield batch
                batch, longest = [], unit.prepared.cost
            batch.append(unit)
        if batch:
            yield batch


def _warn_about_losses(encoder: Encoder, batch: Batch, silent: list[_Item]) -> None:
    cut = sum(1 for dropped in batch.dropped if dropped)
    if cut:
        warnings.warn(
            f"{cut} of {len(batch.kept)} texts are longer than the {encoder.max_length} tokens that the model reads; "
            f"{sum(batch.dropped)} tokens are not in the vectors: split the texts, or raise max_length "
            "if the model allows",
            TruncationWarning,
            stacklevel=4,
        )
    if silent:
        named = ", ".join(item.media.source for item in silent[:3])
        warnings.warn(
            f"{len(silent)} of the recordings are silent ({named}); their vectors carry no meaning",
            SilenceWarning,
            stacklevel=4,
        )
