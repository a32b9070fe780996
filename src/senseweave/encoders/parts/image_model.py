"""Images through a model of a library that brings its own transform, as timm and open_clip do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.parts.graph_image import GraphImage, image_inputs
from senseweave.encoders.parts.long_images import by_transform, transform_side
from senseweave.encoders.parts.preparation import QuickPreparation, quick_transform
from senseweave.encoders.parts.towers import BATCH_IMAGES, features_module
from senseweave.encoders.runtime.backends.export import Pipeline
from senseweave.encoders.runtime.failures import preparing
from senseweave.encoders.runtime.networks import choose_ways, sample_views
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

    @property
    def quick(self) -> QuickPreparation | None:
        """The shorter way to prepare images, if there is one."""

    @property
    def dtype(self) -> str | None:
        """The number type that was asked for."""

    def on_processor(self) -> ImageModel:
        """Return the same model once more, which is loaded on the CPU and in float32."""

    def weights(self) -> Sequence[Path]:
        """Return the files that hold the weights, where they are known."""

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
        quick = self.quick
        if quick is None:
            return by_transform(self._transform(), image)
        with preparing():
            return quick(image)

    @property
    def quick(self) -> QuickPreparation | None:
        """The shorter way to prepare images, if there is one."""
        transform = self._transform()
        if self._quick is None or self._quick[0] is not transform:
            self._quick = transform, quick_transform(transform)
        return self._quick[1]


class ModelImage(Encoder):
    """Images through such a model."""

    modality: ClassVar[Modality] = "image"
    graph_class = GraphImage
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
        """Return how the network was made faster, see `senseweave.encoders.runtime.networks`."""
        return {"backend": "torch", "network": list(self._choose_ways())}

    @property
    def name(self) -> str:
        """What the user called the model."""
        return self.model.name

    @property
    def dtype(self) -> str | None:
        """The number type that was asked for."""
        return self.model.dtype

    def graph_weights(self) -> Sequence[Path]:
        """Return the files that hold the weights."""
        return self.model.weights()

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph beside the model's files."""
        return {"extra": self._extra, **self._what}

    def graph_content(self) -> Mapping[str, object]:
        """Return what identifies the model."""
        return {**self.model.identity(), "dtype": "float32"}

    def pipeline(self) -> Pipeline:
        """Load the model once more, as a module from pixels to vectors.

        Raises:
            ModelError: If its images cannot be prepared without its own transform.
        """
        model = self.model.on_processor()
        inputs = image_inputs(self.name, model.quick, model.side)
        module = features_module(
            model.network(), lambda _, batch: model.features(batch["pixel_values"]), ("pixel_values",)
        )
        return Pipeline(self.name, module, inputs, lambda batch: self._compute(batch, model))

    def _choose_ways(self) -> tuple[str, ...]:
        samples = sample_views(lambda picture: [self.model.transform(picture)])
        return choose_ways(self.name, self.model.network(), samples, self._compute)

    def _compute(self, batch: Sequence[np.ndarray], model: ImageModel | None = None) -> np.ndarray:
        torch = require("torch", extra=self._extra)
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(batch))
            vectors: np.ndarray = (model or self.model).features(pixels).float().cpu().numpy()
        return vectors

    def identity(self) -> Mapping[str, object]:
        """Return what identifies the model."""
        return {**self._what, "model": self.model.identity()}
