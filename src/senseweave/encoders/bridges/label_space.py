"""The class names of a classifier as vectors of a text space, and what their weights say."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from senseweave.encoders.base import Encoder, Role
from senseweave.encoders.observation import Tag
from senseweave.encoders.runtime.disk_cache import cached_array
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable

TEXTS_AT_ONCE = 32


def encode_texts(encoder: Encoder, texts: Sequence[str], role: Role = "document") -> np.ndarray:
    """Encode a few texts by a text encoder; return shape (n, dimension), float32, rows of length 1."""
    prepared = encoder.prepare(list(texts), role)
    vectors = np.empty((len(prepared), encoder.dimension), np.float32)
    order = sorted(range(len(prepared)), key=lambda place: prepared[place].cost)
    buckets: dict[Hashable, list[int]] = {}
    for place in order:
        buckets.setdefault(prepared[place].bucket, []).append(place)
    for bucket in buckets.values():
        for start in range(0, len(bucket), TEXTS_AT_ONCE):
            places = bucket[start : start + TEXTS_AT_ONCE]
            vectors[places] = encoder.forward([prepared[place] for place in places]).vectors
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@dataclass(frozen=True)
class LabelVectors:
    """Class names as vectors.

    Attributes:
        vectors: Unit vectors of the class names, shape (classes, dimension), float32.
        mean: Their mean, shape (dimension,).
    """

    vectors: np.ndarray
    mean: np.ndarray


class LabelSpace(Loadable):
    """Class names in a text space; their vectors are computed once and cached on disk."""

    def __init__(
        self,
        names: Callable[[], Sequence[str]],
        text: Encoder,
        *,
        template: str = "{}",
        texts: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        """Describe the space.

        Args:
            names: Gives the class names.
            text: Embeds them.
            template: What a class name is put into before it is embedded, for example `a photo of a {}`.
            texts: Gives what is embedded for each class, for example its name with its definition; the names if None.
        """
        self.names = names
        self.text = text
        self.template = template
        self.texts = texts
        self._vectors: Lazy[LabelVectors] = Lazy(self._embed)
        self.parts = (self._vectors,)

    def mix(self, weights: np.ndarray) -> np.ndarray:
        """Mix label vectors by class weights, shape (..., classes), less their mean; return shape (..., dimension)."""
        labels = self._vectors()
        mixed: np.ndarray = weights @ labels.vectors - labels.mean
        return mixed

    def name_classes(self, weights: np.ndarray, count: int) -> tuple[Tag, ...]:
        """Return the heaviest classes, heaviest first; weights of shape (classes,)."""
        best = np.argsort(-weights, kind="stable")[:count]
        names = self.names()
        return tuple(Tag(names[i], float(weights[i])) for i in best)

    def identity(self) -> Mapping[str, object]:
        """Return the text encoder, and what is embedded for a class."""
        return {
            "text": dict(self.text.identity()),
            "template": self.template,
            "texts": None if self.texts is None else self.texts.__qualname__,
        }

    def _embed(self) -> LabelVectors:
        names = self.names() if self.texts is None else self.texts()
        texts = [self.template.format(name) for name in names]
        key = {"text": dict(self.text.identity()), "labels": texts}
        vectors = cached_array(key, lambda: encode_texts(self.text, texts))
        return LabelVectors(vectors, vectors.mean(axis=0))
