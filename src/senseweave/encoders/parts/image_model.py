"""Images through a model of a library that brings its own transform, as timm and open_clip do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.parts.long_images import by_transform, transform_side
from senseweave.encoders.parts.preparation import QuickPreparation, quick_transform
from senseweave.encoders.parts.towers import BATCH_IMAGES
from senseweave.encoders.runtime.failures import preparing
from senseweave.encoders.runtime.image_networks import choose_ways, sample_pictures
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.extras import require
from senseweave.media import Modality


class ImageModel(Protocol):
    """A model with the transform that its images need."""

    @property
    def dimension(self) -> int:
        """The length of the vectors."""

    @property
    def name(self) -> str:
        """What logs call the model."""

    @property
    def side(self) -> int | None:
        """Length in pixels that the shorter side of an image is resized to, or None if that is not known."""

    def network(self) -> Any:
        """Return the torch module, loading it if needed."""

    def transform(self, image: Any) -> np.ndarray:
        """Prepare a PIL image, shape (3, height, width), float32."""

    def features(self, pixels: Any) -> Any:
        """Compute the vectors of a tensor of prepared images, shape (n, dimension)."""

    def identity(self) -> dict[str, object]:
        """Return everything that decides the vectors, for the fingerprint."""

    def load(self) -> None:
        """Load the model now."""

    def close(self) -> None:
        """Free the model."""


class TransformedModel(Loadable):
    """What models of both libraries have in common; a subclass assigns `source`, `_model` and `_transform`."""

    source: Any
    _model: Lazy[Any]
    _transform: Lazy[Any]
    _quick: tuple[Any, QuickPreparation | None] | None = None
    """The transform, and the shorter way where there is one."""

    @property
    def name(self) -> str:
        """What the user called the model."""
        return str(self.source.name)

    @property
    def side(self) -> int | None:
        """Length in pixels that the shorter side of an image is resized to, or None if that is not known."""
        return transform_side(self._transform())

    def network(self) -> Any:
        """Return the model in eval mode, loading it if needed."""
        return self._model()

    def transform(self, image: Any) -> np.ndarray:
        """Prepare a PIL image as the model's own configuration says, shape (3, height, width), float32."""
        transform = self._transform()
        if self._quick is None or self._quick[0] is not transform:
            self._quick = transform, quick_transform(transform)
        quick = self._quick[1]
        if quick is None:
            return by_transform(transform, image)
        with preparing():
            return quick(image)


class ModelImage(Encoder):
    """Images through such a model."""

    modality: ClassVar[Modality] = "image"
    batch_budget: int

    def __init__(
        self, model: ImageModel, *, what: Mapping[str, object], extra: str, batch_images: int = BATCH_IMAGES
    ) -> None:
        """Describe the encoder.

        Args:
            model: The model.
            what: What distinguishes its vectors from others of the same weights, for the fingerprint.
            extra: The extra of senseweave that installs what it needs.
            batch_images: Images per batch.
        """
        self.model = model
        self.batch_budget = batch_images
        self.parts = (model,)
        self._what = dict(what)
        self._extra = extra

    @property
    def dimension(self) -> int:
        """The dimension of the model."""
        return self.model.dimension

    @property
    def image_side(self) -> int | None:
        """What the model's transform says."""
        return self.model.side

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Resize, crop and scale as the model's own configuration says."""
        return [Prepared(self.model.transform(image)) for image in items]

    def load(self) -> None:
        """Load the model, and find out how it computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors in float32."""
        self._choose_ways()
        return Encoded(self._compute([image.data for image in batch]))

    def describe_backend(self) -> Mapping[str, object]:
        """Return how the network was made faster, see `senseweave.encoders.runtime.image_networks`."""
        return {"backend": "torch", "network": list(self._choose_ways())}

    def _choose_ways(self) -> tuple[str, ...]:
        def samples() -> list[np.ndarray]:
            return [self.model.transform(picture) for picture in sample_pictures()]

        return choose_ways(self.model.name, self.model.network(), samples, self._compute)

    def _compute(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        torch = require("torch", extra=self._extra)
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(batch))
            vectors: np.ndarray = self.model.features(pixels).float().cpu().numpy()
        return vectors

    def identity(self) -> Mapping[str, object]:
        """Return what identifies the model."""
        return {**self._what, "model": self.model.identity()}
