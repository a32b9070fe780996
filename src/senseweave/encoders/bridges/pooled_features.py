"""What the starter's networks compute before their classifiers: vectors that compare looks and sounds, not names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.bridges.efficientnet_lite import EfficientNetLite0
from senseweave.encoders.bridges.yamnet import Yamnet
from senseweave.encoders.parts.efficientnet_graph import FEATURES as IMAGE_FEATURES
from senseweave.encoders.parts.yamnet_graph import FEATURES as SOUND_FEATURES
from senseweave.media import Modality, Waveform


class ImageFeatures(Encoder):
    """Images as the pooled features of EfficientNet-Lite0, meaned over the views that the classifier sees."""

    modality: ClassVar[Modality] = "image"
    batch_budget: int

    def __init__(self, classifier: EfficientNetLite0) -> None:
        """Take the features of a classifier."""
        self.classifier = classifier
        self.batch_budget = classifier.batch_budget
        self.parts = (classifier,)

    @property
    def dimension(self) -> int:
        """The width of the last convolution, 1,280."""
        return IMAGE_FEATURES

    @property
    def image_side(self) -> int | None:
        """What the classifier says."""
        return self.classifier.side

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Scale the views of images."""
        prepared = [self.classifier.prepare(image) for image in items]
        return [Prepared(views, cost=len(views)) for views in prepared]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the features of all views, and the mean of each image's."""
        counts = [len(image.data) for image in batch]
        features = self.classifier.features([view for image in batch for view in image.data])
        return Encoded(np.stack([views.mean(axis=0) for views in np.split(features, np.cumsum(counts)[:-1])]))

    def describe_backend(self) -> Mapping[str, object]:
        """Return what computes the network."""
        return self.classifier.describe_backend()

    def identity(self) -> Mapping[str, object]:
        """Return the network and its views."""
        return {"features": dict(self.classifier.identity())}


class SoundFeatures(Encoder):
    """Recordings as the pooled features of YAMNet, meaned over the patches of a window."""

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    cut_at_pauses = True

    def __init__(self, events: Yamnet, *, window_seconds: float) -> None:
        """Take the features of a recognizer of sound events; longer sound is windowed to `window_seconds`."""
        self.events = events
        self.window_seconds = float(window_seconds)
        self.decode_options = {"sampling_rate": events.sampling_rate}
        self.parts = (events,)

    @property
    def dimension(self) -> int:
        """The width of the last convolution, 1,024."""
        return SOUND_FEATURES

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Pass the sound on; its spectrogram is computed in `forward`."""
        return [Prepared(sound) for sound in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the features of each sound by itself, and their mean."""
        return Encoded(np.stack([self.events.features(sound.data).mean(axis=0) for sound in batch]))

    def describe_backend(self) -> Mapping[str, object]:
        """Return what computes the network."""
        return self.events.describe_backend()

    def identity(self) -> Mapping[str, object]:
        """Return the network and the window."""
        return {"features": dict(self.events.network_identity()), "window_seconds": self.window_seconds}
