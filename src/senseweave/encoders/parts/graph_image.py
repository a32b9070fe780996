"""Image encoders as graphs: images resized by Pillow, cropped and looked up in a table, without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from senseweave.encoders.base import Prepared, Role
from senseweave.encoders.parts.graph_encoder import Graph, GraphEncoder
from senseweave.encoders.parts.long_images import CenterCrop
from senseweave.encoders.parts.preparation import QuickPreparation
from senseweave.encoders.runtime.failures import preparing
from senseweave.encoders.runtime.networks import sample_pictures
from senseweave.errors import ModelError
from senseweave.media import Modality

LEVELS: Final = "levels.npy"
"""The file of `QuickPreparation.levels`."""
PICTURES: Final = 16
"""On which a lower precision is measured."""
PICTURE_SIDE: Final = 256


@dataclass(frozen=True)
class ImageInputs:
    """Images as `pixel_values`, shape (n, 3, height, width), float32.

    Attributes:
        preparation: Prepares them.
        side: See `Encoder.image_side`.
    """

    preparation: QuickPreparation
    side: int | None

    unit: ClassVar[str] = "images"
    growing: ClassVar[Mapping[str, Sequence[int]]] = {"pixel_values": (0,)}

    def save(self, folder: Path) -> dict[str, object]:
        """Write the table of levels."""
        np.save(folder / LEVELS, self.preparation.levels)
        settings = dataclasses.asdict(self.preparation)
        del settings["levels"]
        return {"preparation": settings, "image_side": self.side}

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Stack prepared images."""
        return {"pixel_values": np.stack(items)}

    def example(self) -> Sequence[Any]:
        """Return two pictures of noise."""
        return [self.preparation(picture) for picture in sample_pictures()]

    def proof_batches(self) -> list[Sequence[Any]]:
        """Return drawings and noise in one batch, in a pair and alone."""
        items = [*self.example(), *(self.preparation(picture) for picture in drawings(4))]
        return [items, items[:1], items[-2:]]

    def loss_sample(self) -> Sequence[Any]:
        """Return drawings of many kinds."""
        return [self.preparation(picture) for picture in drawings(PICTURES)]


class GraphImage(GraphEncoder[ImageInputs]):
    """An image encoder as a graph, with the preparation and the identity of the encoder it is made of."""

    modality: ClassVar[Modality] = "image"

    @property
    def image_side(self) -> int | None:
        """What the model's image processor says."""
        return self.fact("image_side")  # type: ignore[no-any-return]

    @staticmethod
    def read_inputs(folder: Path, facts: Mapping[str, Any]) -> ImageInputs:
        """Read how images are prepared."""
        settings = dict(facts["preparation"])
        size, crop, visible = settings.pop("size"), settings.pop("crop"), settings.pop("visible")
        preparation = QuickPreparation(
            **settings,
            size=tuple(size) if isinstance(size, list | tuple) else size,
            crop=None if crop is None else tuple(crop),
            visible=None if visible is None else CenterCrop(**visible),
            levels=np.load(folder / LEVELS, allow_pickle=False),
        )
        return ImageInputs(preparation, facts["image_side"])

    def prepare_inputs(self, graph: Graph[ImageInputs], items: Sequence[Any], role: Role) -> list[Prepared]:
        """Resize, crop and look levels up, one image at a time."""
        with preparing():
            return [Prepared(graph.inputs.preparation(image)) for image in items]


def image_inputs(name: str, quick: QuickPreparation | None, side: int | None) -> ImageInputs:
    """Return the inputs of a model.

    Args:
        name: What errors call the model.
        quick: The shorter way to prepare its images, if there is one.
        side: See `Encoder.image_side`.

    Raises:
        ModelError: If there is no shorter way to prepare images than its processor, or their size differs.
    """
    if quick is None or quick.shape is None:
        reason = (
            "its own preparation does more than resize, crop and scale"
            if quick is None
            else "its images have different sizes"
        )
        msg = f"{name} cannot be a graph of images: {reason}; use backend='torch'"
        raise ModelError(msg)
    return ImageInputs(quick, side)


def drawings(count: int) -> list[Any]:
    """Return PIL images of different contents: ramps, discs and stripes in many colors, under noise of many scales."""
    from PIL import Image

    down, across = np.mgrid[0:PICTURE_SIDE, 0:PICTURE_SIDE].astype(np.float32) / PICTURE_SIDE
    pictures = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        dark, light = rng.integers(0, 256, (2, 3)).astype(np.float32)
        ramp = (np.cos(seed) * across + np.sin(seed) * down)[:, :, None] % 1.0
        canvas = dark + (light - dark) * ramp
        for _ in range(seed % 4):
            x, y, radius = rng.uniform(0.1, 0.9, 3) * (1.0, 1.0, 0.4)
            canvas[(across - x) ** 2 + (down - y) ** 2 < radius**2] = rng.integers(0, 256, 3)
        if seed % 3 == 0:
            canvas[(across * rng.integers(3, 30)) % 1.0 < 0.3] = rng.integers(0, 256, 3)
        scale = 2 ** (seed % 6)
        side = PICTURE_SIDE // scale
        noise = rng.normal(0, 12 * (seed % 5), (side, side, 3)).repeat(scale, 0).repeat(scale, 1)
        pictures.append(Image.fromarray(np.clip(canvas + noise, 0, 255).astype(np.uint8)))
    return pictures
