"""An encoder whose vectors a head carries into a space that it shares with another encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.observation import Observation
from senseweave.encoders.parts.heads import Head, unit
from senseweave.errors import MediaError
from senseweave.media import Modality


@dataclass(frozen=True)
class Base:
    """How the vectors were made that a head was fitted to.

    Attributes:
        fingerprint: Of the space whose encoder it is.
        dimension: How many leading dimensions were kept.
        layer_norm: Whether a layer norm without weights came before.
    """

    fingerprint: str
    dimension: int
    layer_norm: bool = False

    def finish(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors as the space gives them, in rows of length 1."""
        if self.layer_norm:
            centered = vectors - vectors.mean(axis=1, keepdims=True)
            vectors = centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + LAYER_NORM_EPSILON)
        return unit(np.asarray(vectors[:, : self.dimension], np.float32))


LAYER_NORM_EPSILON = 1e-5
"""The default of `torch.nn.functional.layer_norm`."""


class Aligned(Encoder):
    """An encoder of another model with a head; windows, batches and descriptions are those of the other model."""

    modality: ClassVar[Modality]
    decode_options: Mapping[str, object]
    window_seconds: float | None
    cut_at_pauses: bool
    max_length: int | None
    batch_budget: int

    def __init__(self, encoder: Encoder, head: Head, base: Base) -> None:
        """Put a head behind an encoder; `base` says how its vectors reach the head."""
        self.modality = encoder.modality  # type: ignore[misc]
        self.encoder = encoder
        self.head = head
        self.base = base
        self.decode_options = encoder.decode_options
        self.window_seconds = encoder.window_seconds
        self.cut_at_pauses = encoder.cut_at_pauses
        self.max_length = encoder.max_length
        self.batch_budget = encoder.batch_budget
        self.parts = (encoder,)

    @property
    def dimension(self) -> int:
        """The dimension of the shared space."""
        return self.head.sizes[1]

    @property
    def image_side(self) -> int | None:
        """That of the other model."""
        return self.encoder.image_side

    @property
    def deterministic(self) -> bool:
        """Whether the other model is."""
        return self.encoder.deterministic

    @property
    def observes(self) -> bool:
        """Whether the other model says something of media."""
        return self.encoder.observes

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Prepare items for the other model."""
        return self.encoder.prepare(items, role)

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the other model's vectors, and map them.

        What the other model gives no vector of is an error of that item: a head would map a vector of zeros somewhere.
        A head is fitted to the mean of a recording's windows, so it maps the mean of these and not every window.
        """
        encoded = self.encoder.forward(batch)
        vectors = np.asarray(encoded.vectors, np.float32)
        errors: dict[int, str | MediaError] = dict(encoded.errors)
        usable = np.isfinite(vectors).all(axis=1)
        directed = vectors[:, : self.base.dimension].any(axis=1)
        for row in np.flatnonzero(usable & ~directed):
            errors.setdefault(int(row), "the model returned a vector of length 0, which has no direction")
        mapped = np.full((len(vectors), self.dimension), np.nan, np.float32)
        given = np.full((len(vectors), self.base.dimension), np.nan, np.float32)
        chosen = np.array([row for row in np.flatnonzero(usable) if row not in errors], int)
        if len(chosen):
            given[chosen] = self.base.finish(vectors[chosen])
            mapped[chosen] = self.head.apply(given[chosen])
        unmapped = encoded.unmapped if encoded.unmapped is not None else given
        return Encoded(mapped, encoded.descriptions, errors, unmapped)

    def map_mean(self, mean: np.ndarray) -> np.ndarray:
        """Map the mean of windows as the other model returns it for a whole recording."""
        return self.head.apply(self.base.finish(self.encoder.map_mean(mean)))

    def observe(self, item: Any, tags: int) -> Observation:
        """Return what the other model says of an item."""
        return self.encoder.observe(item, tags)

    def identity(self) -> Mapping[str, object]:
        """Return the other model, how its vectors reach the head, and the head."""
        return {
            "aligned": dict(self.encoder.identity()),
            "space": self.base.fingerprint,
            "dimension": self.base.dimension,
            "layer_norm": self.base.layer_norm,
            "head": self.head.sha256,
        }
