"""What an encoder is: two steps, `prepare` and `forward`, over decoded items of one modality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from senseweave.encoders.runtime.torch_runtime import Loadable
from senseweave.media import Modality

Role = Literal["query", "document"]
ROLES: tuple[Role, ...] = ("query", "document")


@dataclass(slots=True)
class Prepared:
    """One decoded item, made ready for a batch.

    Attributes:
        data: What `forward` of the same encoder takes.
        cost: How much of a batch it fills, in the encoder's own unit (tokens, images, samples).
        bucket: Only items of equal buckets may share a batch, for example because they must have one length.
        dropped: Tokens that truncation removed.
        error: Why it has no vector, if it has none; `forward` is not given it.
    """

    data: Any
    cost: int = 1
    bucket: Hashable = None
    dropped: int = 0
    error: str | None = None


@dataclass(slots=True)
class Encoded:
    """The result of one batch.

    Attributes:
        vectors: Shape (n, dimension), float32, not yet normalised.
        descriptions: From bridges, the transcript or label line that each vector was made from.
        errors: Why items have no vector, by their place in the batch; their rows of `vectors` mean nothing.
    """

    vectors: np.ndarray
    descriptions: Sequence[str] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)


class Encoder(Loadable, ABC):
    """Turns decoded media of one modality into vectors.

    The engine calls `prepare` from several threads and `forward` from one at a time; it sorts, batches, averages
    windows, truncates and normalises, so that an encoder only computes. What it names in `parts` is loaded when it is
    first used, or with `load`, and freed with `close`.
    """

    modality: ClassVar[Modality]
    decode_options: Mapping[str, object] = MappingProxyType({})
    """Passed to `Media.decode`, for example `{"sampling_rate": 16000}`."""
    window_seconds: float | None = None
    """Audio and video that last longer are cut into windows of this length, and their vectors averaged."""
    cut_at_pauses: bool = False
    """Whether windows should end where nobody speaks, so that no sentence is cut: for what listens to speech."""
    max_length: int | None = None
    """Text: the number of tokens that the model sees, special tokens included."""
    batch_budget: int = 1
    """The sum of costs that one batch may reach; a single item may exceed it."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length of the vectors that `forward` returns."""

    @abstractmethod
    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Make decoded items ready for batches.

        Args:
            items: Decoded media: `str`, `PIL.Image.Image`, `Waveform` or `Clip`.
            role: The side of retrieval; only text encoders heed it.

        Returns:
            One entry per item, in order.
        """

    @abstractmethod
    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of one batch, whose items share a bucket."""

    @abstractmethod
    def identity(self) -> Mapping[str, object]:
        """What makes these vectors what they are (weights, pooling, prompts): the source of the fingerprint."""
