"""The encoder contract: `prepare` and `forward` over decoded items of one modality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from senseweave.encoders.observation import Observation
from senseweave.encoders.runtime.torch_runtime import Loadable, Part
from senseweave.errors import MediaError
from senseweave.media import Modality

Role = Literal["query", "document"]
Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
ROLES: tuple[Role, ...] = ("query", "document")


@dataclass(slots=True)
class Prepared:
    """A decoded item that is ready to be batched.

    Attributes:
        data: Input of the same encoder's `forward`.
        cost: Share of the batch budget it uses, in the encoder's own unit (tokens, images, samples).
        bucket: Only items with equal buckets share a batch, for example because their lengths must be equal.
        dropped: Number of tokens that truncation removed.
        error: Why the item cannot be encoded, or None; items with an error are not passed to `forward`.
    """

    data: Any
    cost: int = 1
    bucket: Hashable = None
    dropped: int = 0
    error: str | None = None


@dataclass(slots=True)
class Encoded:
    """The result of a batch.

    Attributes:
        vectors: Shape (n, dimension), float32, not yet normalized.
        descriptions: From bridges: the transcript, caption or label line that each vector was computed from.
        errors: Why items could not be encoded, by position in the batch; their rows of `vectors` are ignored. A reason,
            or an error that holds one; the engine adds the source and the position.
        unmapped: Where a map that is fitted to whole inputs makes the vectors: what it was given, in the same rows. The
            windows of a long input are averaged by these, and their mean is mapped by `Encoder.map_mean`.
    """

    vectors: np.ndarray
    descriptions: Sequence[str] | None = None
    errors: Mapping[int, str | MediaError] = field(default_factory=dict)
    unmapped: np.ndarray | None = None


class Proof(Part, Protocol):
    """Something that must hold of an encoder: `load` proves it before the first vector, and `check` on first items."""

    def check(self, batch: Sequence[Prepared], encoded: Encoded) -> None:
        """Raise `ModelError` if it does not hold for a batch that was computed."""


class Encoder(Loadable, ABC):
    """Turns decoded media of one modality into vectors.

    The engine calls `prepare` from several threads and `forward` from one thread at a time. It sorts, batches, averages
    windows, truncates and normalizes, so an encoder only computes. The objects in `parts` are loaded on first use or by
    `load`, and freed by `close`.

    The settings below are what the engine asks of an encoder, with their defaults. A subclass replaces a setting by an
    attribute of its class, an attribute that `__init__` assigns, or a property. Those that `__init__` assigns are also
    declared in the class body (`window_seconds: float | None`), so that type checkers know them as writable.
    """

    modality: ClassVar[Modality]

    # Cached properties: read-only for type checkers, so a property may replace them, yet `__init__` may assign them.

    @cached_property
    def decode_options(self) -> Mapping[str, object]:
        """Keyword arguments of `Media.decode`, for example `{"sampling_rate": 16000}`."""
        return {}

    @cached_property
    def image_side(self) -> int | None:
        """Length in pixels that the shorter side of an image is resized to; None if that is not known.

        A JPEG may be decoded at a part of its size where that leaves twice as much (`fast_decode` of `load`).
        """
        return None

    @cached_property
    def window_seconds(self) -> float | None:
        """Length in seconds of the windows that longer audio or video is split into, their vectors being averaged.

        None encodes the whole input at once.
        """
        return None

    @cached_property
    def cut_at_pauses(self) -> bool:
        """Whether windows should end where nobody speaks, so that no sentence is split."""
        return False

    @cached_property
    def max_length(self) -> int | None:
        """Number of tokens the model reads of a text, special tokens included; None if there is no limit."""
        return None

    @cached_property
    def batch_budget(self) -> int:
        """Largest sum of `Prepared.cost` in a batch; a single item may exceed it."""
        return 1

    @cached_property
    def logit_scale(self) -> float | None:
        """Factor by which the model's authors multiply cosines before a softmax or sigmoid over labels, as in CLIP.

        None for models that were trained without one.
        """
        return None

    @cached_property
    def logit_bias(self) -> float | None:
        """Constant that is added to the scaled cosines before a sigmoid, as in SigLIP; None for a softmax."""
        return None

    @cached_property
    def similarity(self) -> Similarity:
        """By what the model was trained to compare its vectors; for all but `cosine` their length matters."""
        return "cosine"

    @cached_property
    def usual_dimensions(self) -> int | None:
        """Number of leading dimensions that the model was saved to keep; None for all."""
        return None

    @cached_property
    def layer_norm_before_cut(self) -> bool:
        """Whether a layer norm without weights comes before dimensions are cut, as the model's authors do."""
        return False

    @cached_property
    def proof(self) -> Proof | None:
        """What must be proven of the model before its vectors are given out; None for nothing."""
        return None

    @property
    def reads_role(self) -> bool:
        """Whether a query and a document of equal content may have different vectors."""
        return self.modality == "text"

    @property
    def deterministic(self) -> bool:
        """Whether equal input gives equal vectors, up to rounding, from run to run and with any number of threads.

        False where the model writes words and rounding can make it write others.
        """
        return True

    def remember_build(self, build: Callable[[], Encoder]) -> None:
        """Take a function that builds an equal encoder and can be pickled; kept where another process needs it."""

    def compute_as(self, first: Encoder) -> None:
        """Take the encoder of the first of several devices, for encoders that decide late how they compute.

        What one of them prepares, the others compute, so that all must decide alike.

        Args:
            first: Of the same model, on another device.
        """

    def map_mean(self, mean: np.ndarray) -> np.ndarray:
        """Return the vectors of long inputs of which `mean` holds the mean of their windows' `Encoded.unmapped`.

        Args:
            mean: Shape (n, unmapped dimension), float32; no row has length 0.

        Returns:
            Shape (n, dimension), float32, not yet normalized.
        """
        return mean

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The length of the vectors that `forward` returns."""

    @abstractmethod
    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Prepare decoded items for batching.

        Args:
            items: Decoded media: `str`, `PIL.Image.Image`, `Waveform` or `Clip`.
            role: Side of retrieval; only encoders that say so by `reads_role` use it.

        Returns:
            One entry per item, in the order of `items`.
        """

    @abstractmethod
    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of a batch whose items share a bucket."""

    @property
    def observes(self) -> bool:
        """Whether `observe` says something: for bridges and classifiers."""
        return type(self).observe is not Encoder.observe

    def observe(self, item: Any, tags: int) -> Observation:
        """Return what a bridge or a classifier says of a decoded item, times counted from its beginning.

        Args:
            item: As for `prepare`.
            tags: How many classes to name at most.

        Raises:
            NotImplementedError: If the encoder makes vectors and says nothing.
        """
        del item, tags
        raise NotImplementedError

    def describe_backend(self) -> Mapping[str, object]:
        """Return what computes the vectors, as plain values for `Space.info`; empty where there is no choice.

        Loads the model.
        """
        return {}

    @abstractmethod
    def identity(self) -> Mapping[str, object]:
        """Return everything that decides the vectors (weights, pooling, prompts); the fingerprint is its hash."""
