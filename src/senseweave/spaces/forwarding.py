"""Compute what is prepared: in batches of like cost, on one device or several, with each failure told of its item."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from senseweave.concurrency import checkpoint
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.encoders.observation import join_descriptions
from senseweave.encoders.runtime.failures import compute
from senseweave.errors import EncodingError, MediaError, VectorError
from senseweave.media import Media
from senseweave.spaces.batch import unit_rows
from senseweave.spaces.cache import CachedVector
from senseweave.spaces.devices import Devices, InFlight


@dataclass
class Item:
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
class Unit:
    """A prepared item, or a window of a long item."""

    item: Item
    prepared: Prepared
    held: int = 0


@dataclass(frozen=True)
class Forwarding:
    """How the units of one call become vectors.

    Attributes:
        encoders: The encoder, once for each device.
        devices: Where they compute.
        dimension: The length of finished vectors.
        normalize: Turns raw vectors, shape (n, raw dimension), into truncated, normalized vectors of the space.
        finish: Takes an item with its vector.
        fail: Takes an item with its error, and may raise it.
    """

    encoders: Sequence[Encoder]
    devices: Devices
    dimension: int
    normalize: Callable[[np.ndarray], np.ndarray]
    finish: Callable[[Item, CachedVector], None]
    fail: Callable[[Item, MediaError], None]

    def load(self) -> None:
        """Load what must be there before the first batch.

        Of several devices that is everything, one after another: libraries change settings of the process while they
        load a model, with which no other model should compute.
        """
        several = len(self.encoders) > 1
        self.devices.check()
        for device, encoder in enumerate(self.encoders):
            with self.devices.loading(device):
                if several:
                    encoder.load()
                elif encoder.proof is not None:
                    encoder.proof.load()

    def run(self, pools: Iterable[list[Unit]], computed: Callable[[list[Unit]], None]) -> None:
        """Compute the units of pools, the batches of each pool in their order.

        Args:
            pools: Prepared units; a batch is made of units of one pool.
            computed: Called with each pool once its batches are computed, or begun where there are several devices.
        """
        if len(self.encoders) == 1:
            for pool in pools:
                for batch in batches(pool, self.encoders[0].batch_budget):
                    checkpoint()
                    self._settle(batch, partial(self.devices.compute, partial(self._forward, batch), 0))
                computed(pool)
        else:
            self._deal(pools, computed)

    def _deal(self, pools: Iterable[list[Unit]], computed: Callable[[list[Unit]], None]) -> None:
        """Deal batches to several devices, and settle their results in the order of the batches.

        Batches are begun across pools, so that no device waits at the end of one. What has been computed when an error
        ends the call is kept.
        """
        in_flight: InFlight[list[Unit], Encoded] = InFlight(self.devices)
        try:
            for pool in pools:
                for batch in batches(pool, self.encoders[0].batch_budget):
                    checkpoint()
                    if in_flight.is_full:
                        self._settle_first(in_flight)
                    in_flight.begin(batch, partial(self._forward, batch))
                computed(pool)
            while in_flight:
                checkpoint()
                self._settle_first(in_flight)
        except BaseException:
            for batch, encoded in in_flight.stop():
                with contextlib.suppress(Exception):  # the first error is the one to raise
                    self._collect(batch, encoded)
            raise

    def _settle_first(self, in_flight: InFlight[list[Unit], Encoded]) -> None:
        batch, task = in_flight.first()
        self._settle(batch, task.future.result, task.device)

    def _settle(self, batch: list[Unit], result: Callable[[], Encoded], device: int = 0) -> None:
        """Collect the result of a batch, or encode its units each by itself on the same device if it failed."""
        try:
            encoded = result()
        except EncodingError as error:
            self._forward_each(batch, device, error)
        else:
            self._collect(batch, encoded)

    def _forward(self, batch: list[Unit], device: int) -> Encoded:
        encoder = self.encoders[device]
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

    def _forward_each(self, batch: list[Unit], device: int, error: EncodingError) -> None:
        """Encode the units of a batch that failed each by itself, so that the error is of its item alone."""
        for unit in batch:
            checkpoint()
            encoded = None
            if len(batch) > 1:
                try:
                    encoded = self.devices.compute(partial(self._forward, [unit]), device)
                except EncodingError as own:
                    error = own
            if encoded is not None:
                self._collect([unit], encoded)
            else:
                self.fail(unit.item, VectorError(unit.item.media.source, str(error)))

    def _collect(self, batch: list[Unit], encoded: Encoded) -> None:
        """Finish the items whose vectors are complete, then report the items that failed."""
        modality = self.encoders[0].modality
        vectors = np.array(encoded.vectors, dtype=np.float32)
        errors: dict[int, str | MediaError] = dict(encoded.errors)
        has_direction, is_finite = vectors[:, : self.dimension].any(axis=1), np.isfinite(vectors).all(axis=1)
        if not (has_direction & is_finite).all():
            for row in np.flatnonzero(~has_direction):
                errors.setdefault(int(row), "the model returned a vector of length 0, which has no direction")
            for row in np.flatnonzero(~is_finite):
                reason = (
                    f"the {modality} encoder returned a vector that is not finite; a lower precision may overflow: "
                    "try dtype='float32'"
                )
                errors.setdefault(int(row), VectorError(batch[row].item.media.source, reason))
        if errors:
            vectors[list(errors)] = 1.0
        rows = self.normalize(vectors)
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
                    vector = rows[index] if item.units == 1 else self._mean(item, mapped=mapped)
                except EncodingError:
                    reason = "the vectors of its windows cancel each other out: their mean has no direction"
                    self.fail(item, VectorError(item.media.source, reason))
                    continue
                description = join_descriptions(item.descriptions) if encoded.descriptions is not None else None
                self.finish(item, CachedVector(vector, description, item.dropped))
        for index in sorted(errors):
            problem = errors[index]
            kind, reason = (type(problem), problem.reason) if isinstance(problem, MediaError) else (MediaError, problem)
            self.fail(batch[index].item, kind(batch[index].item.media.source, reason))

    def _mean(self, item: Item, *, mapped: bool) -> np.ndarray:
        """Return the vector of an item of several windows.

        Raises:
            EncodingError: If their mean has length 0.
        """
        assert item.total is not None
        mean = (item.total / item.units)[None]
        vector: np.ndarray = self.normalize(self.encoders[0].map_mean(unit_rows(mean)) if mapped else mean)[0]
        return vector


def batches(pool: list[Unit], budget: int) -> Iterator[list[Unit]]:
    """Sort by cost within each bucket and fill batches until padding them would exceed the budget."""
    buckets: dict[Hashable, list[Unit]] = {}
    for unit in pool:
        buckets.setdefault(unit.prepared.bucket, []).append(unit)
    for units in buckets.values():
        units.sort(key=lambda unit: -unit.prepared.cost)
        batch: list[Unit] = []
        longest = 0
        for unit in units:
            longest = max(longest, unit.prepared.cost)
            if batch and longest * (len(batch) + 1) > budget:
                yield batch
                batch, longest = [], unit.prepared.cost
            batch.append(unit)
        if batch:
            yield batch
