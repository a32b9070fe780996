"""The engine: drop duplicates, decode and prepare in threads, compute in batches, and keep the order of the input."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import chain, islice
from typing import Any, Literal

import numpy as np

from senseweave.concurrency import checkpoint
from senseweave.encoders.base import Encoder, Role
from senseweave.errors import EncodingError, MediaError, SilenceWarning, TruncationWarning
from senseweave.media import Media, Waveform
from senseweave.media.reading.in_flight import decoding, managing_memory
from senseweave.progress import Counter
from senseweave.spaces.batch import Batch
from senseweave.spaces.cache import CachedVector, VectorCache
from senseweave.spaces.devices import Devices
from senseweave.spaces.forwarding import Forwarding, Item, Unit
from senseweave.spaces.held import HELD_BYTES, give_back_freed, held_bytes

OnError = Literal["raise", "skip"]

TEXT_POOL = 4096
"""Texts that are sorted by length together; larger pools pad no less and hold more in memory."""
UNIT_POOL = 64
"""Images, windows or clips that are prepared before batches are formed; fewer where they hold `HELD_BYTES`."""
DECODE_THREADS = min(4, os.cpu_count() or 1)


class Engine:
    """Runs encoders over media for one space."""

    def __init__(
        self, normalize: Callable[[np.ndarray], np.ndarray], cache: VectorCache, devices: Devices | None = None
    ) -> None:
        """Create an engine.

        Args:
            normalize: Turns raw vectors, shape (n, raw dimension), into truncated, normalized vectors of the space.
            cache: Where finished vectors are kept.
            devices: Where encoders compute; None for one device, whatever it is.
        """
        self._normalize = normalize
        self.cache = cache
        self.devices = devices or Devices()

    def run(
        self,
        encoders: Sequence[Encoder],
        media: Sequence[Media],
        *,
        role: Role,
        dimension: int,
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> Batch:
        """Encode media of one modality.

        Args:
            encoders: The encoder of that modality, once for each device.
            media: What to encode.
            role: Side of retrieval.
            dimension: The length of finished vectors.
            on_error: `raise`, or `skip` to collect failures in the batch.
            progress: Called with (items done, items in all).

        Raises:
            MediaError: With `on_error="raise"`, for the first item that cannot be read, with its position; vectors
                finished before it stay in the cache.
            VectorError: As `MediaError`, for an input whose vector is not finite or of a wrong shape.
        """
        encoder = encoders[0]
        total = len(media)
        done: dict[int, CachedVector] = {}
        failed: dict[int, MediaError] = {}

        def fail(item: Item, error: MediaError) -> None:
            for position in item.positions:
                failed[position] = error.at(position, total)
            if on_error == "raise":
                raise failed[item.positions[0]] from error

        def finish(item: Item, entry: CachedVector) -> None:
            self.cache.put(item.key, entry)
            for position in item.positions:
                done[position] = entry
            if progress is not None:
                progress(len(done) + len(failed), total)

        pending = self._distinct(encoder, media, role, fail, finish)
        if pending:
            forwarding = Forwarding(encoders, self.devices, dimension, self._normalize, finish, fail)
            forwarding.load()
            forwarding.run(self._pools(encoder, pending, role, fail), _give_back_after)

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
        fail: Callable[[Item, MediaError], None],
        finish: Callable[[Item, CachedVector], None],
    ) -> list[Item]:
        """Return an item for each distinct content that is not cached; finish the cached contents."""
        items: dict[Hashable, Item] = {}
        read_role = role if encoder.reads_role else None
        for position, item_media in enumerate(media):
            try:
                encoding = item_media._source.encoding  # which decides the words of a text file
                key = (encoder.modality, read_role, item_media.sha256, item_media.span, item_media.page, encoding)
            except MediaError as error:
                fail(Item(item_media, None, [position]), error)
                continue
            if key in items:
                items[key].positions.append(position)
            else:
                items[key] = Item(item_media, key, [position])
        pending = []
        for item in items.values():
            cached = self.cache.get(item.key)
            if cached is None:
                pending.append(item)
            else:
                finish(item, cached)
        return pending

    def _pools(
        self, encoder: Encoder, items: list[Item], role: Role, fail: Callable[[Item, MediaError], None]
    ) -> Iterator[list[Unit]]:
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
                        units.append(Unit(item, prepared))
                    else:
                        fail(item, MediaError(item.media.source, prepared.error))
                yield units
            return
        pool: list[Unit] = []
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
        self, encoder: Encoder, items: list[Item], role: Role, fail: Callable[[Item, MediaError], None]
    ) -> Iterator[Unit]:
        """Decode and prepare in threads, a bounded number of items ahead, and yield units in the order of items."""

        def start(item: Item) -> tuple[list[Unit], Iterator[Unit]]:
            units = _prepare_units(encoder, item, role)
            with decoding():
                head = list(islice(units, UNIT_POOL))
            return head, units

        count = DECODE_THREADS
        if self.devices.count > 1:
            count = min(count * self.devices.count, os.cpu_count() or 1)
        waiting: deque[tuple[Item, Future[tuple[list[Unit], Iterator[Unit]]]]] = deque()
        todo = iter(items)
        memory = managing_memory() if encoder.modality == "image" else nullcontext()
        with memory, ThreadPoolExecutor(count, thread_name_prefix="senseweave-decode") as threads:
            try:
                for item in islice(todo, 2 * count):
                    waiting.append((item, threads.submit(start, item)))
                while waiting:
                    checkpoint()
                    item, future = waiting.popleft()
                    if _held_ahead(waiting) < HELD_BYTES:
                        while len(waiting) < 2 * count and (following := next(todo, None)) is not None:
                            waiting.append((following, threads.submit(start, following)))
                    try:
                        yield from _count_units(item, chain(*future.result()))
                    except MediaError as error:
                        item.expected = None
                        fail(item, error)
            finally:
                for _, future in waiting:
                    future.cancel()


def _give_back_after(pool: list[Unit]) -> None:
    if len(pool) >= UNIT_POOL:
        give_back_freed()


def _held_ahead(waiting: Iterable[tuple[Item, Future[tuple[list[Unit], Iterator[Unit]]]]]) -> int:
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


def _count_units(item: Item, units: Iterator[Unit]) -> Iterator[Unit]:
    """Yield the units of an item, and set their number on the item before the last unit."""
    last: Unit | None = None
    count = 0
    for unit in units:
        if last is not None:
            yield last
        last, count = unit, count + 1
    if last is None:
        raise MediaError(item.media.source, "holds nothing to embed")
    item.expected = count
    yield last


def _prepare_units(encoder: Encoder, item: Item, role: Role) -> Iterator[Unit]:
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
            yield Unit(item, prepared, held_bytes(prepared.data))


def _decode_windows(encoder: Encoder, media: Media, seconds: float) -> Iterator[Any]:
    """Yield the decoded windows of a long recording or video, in order."""
    options: dict[str, Any] = dict(encoder.decode_options)
    if encoder.cut_at_pauses:
        for window in media.windows(seconds, at_pauses=True):
            yield window.decode(**options)
    else:
        for _, decoded in media.decoded_windows(seconds, **options):
            yield decoded


def _warn_about_losses(encoder: Encoder, batch: Batch, silent: list[Item]) -> None:
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
