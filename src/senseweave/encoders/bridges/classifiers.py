"""Classifiers with named classes, of transformers and timm, that bridge images and sounds into a text space."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoder, Prepared, Role
from senseweave.encoders.bridges.base import Labels
from senseweave.encoders.families.speech import WAVEFORM_WINDOW
from senseweave.encoders.families.timm import TimmModel, locate
from senseweave.encoders.parts.backbone import Backbone, feature_extractor, image_processor
from senseweave.encoders.parts.preparation import ImagePreparation
from senseweave.encoders.parts.spectrogram import FRAME, SHIFT
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.networks import choose_ways, sample_views
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality, Waveform

BATCH_IMAGES = 16
BATCH_WINDOWS = 4


class ImageClassifier(Loadable):
    """Any image classifier of transformers; see `senseweave.encoders.bridges.base.Classifier`."""

    batch_budget = BATCH_IMAGES

    def __init__(
        self, name: str, *, device: str | None = None, dtype: str | None = None, revision: str | None = None
    ) -> None:
        """Describe the classifier, a hub id or local folder; its weights are read when it is first used."""
        self._backbone = Backbone(
            resolve(name, revision=revision),
            "AutoModelForImageClassification",
            extra="image",
            device=device,
            dtype=dtype,
        )
        self._preparation: Lazy[ImagePreparation] = Lazy(
            lambda: ImagePreparation(image_processor(self._backbone.checkpoint, "image"))
        )
        self.parts = (self._preparation, self._backbone)

    @property
    def labels(self) -> Sequence[str]:
        """The names of the classes in the order of the logits."""
        return named_classes(self._backbone)

    @property
    def side(self) -> int | None:
        """Length in pixels that the shorter side of an image is resized to, or None if that is not known."""
        return self._preparation().side

    def prepare(self, image: Any) -> list[np.ndarray]:
        """Prepare a PIL image by the model's own processor: one view, shape (3, height, width)."""
        return [np.asarray(self._preparation().image(image)["pixel_values"], np.float32)]

    def logits(self, batch: Sequence[Any]) -> np.ndarray:
        """Compute class scores before softmax, shape (n, classes), float32."""
        name, model = self._backbone.checkpoint.name, self._backbone()
        choose_ways(name, model, sample_views(self.prepare), lambda views: compute_logits(self._backbone, views))
        return compute_logits(self._backbone, batch)

    def identity(self) -> Mapping[str, object]:
        """Return what identifies the model."""
        return {"classifier": "transformers", "model": self._backbone.identity()}


class TimmClassifier(Loadable):
    """Any image classifier of timm whose classes have names, for example those of ImageNet."""

    batch_budget = BATCH_IMAGES

    def __init__(
        self, name: str, *, device: str | None = None, dtype: str | None = None, revision: str | None = None
    ) -> None:
        """Describe the classifier, named as for the family `timm`; its weights are read when it is first used."""
        self._model = TimmModel(locate(name, revision=revision), device=device, dtype=dtype)
        self.parts = (self._model,)

    @property
    def labels(self) -> Sequence[str]:
        """The names of the classes in the order of the logits."""
        return self._model.labels

    @property
    def side(self) -> int | None:
        """Length in pixels that the shorter side of an image is resized to, or None if that is not known."""
        return self._model.side

    def prepare(self, image: Any) -> list[np.ndarray]:
        """Prepare a PIL image as the model's own configuration says: one view."""
        return [self._model.transform(image)]

    def logits(self, batch: Sequence[Any]) -> np.ndarray:
        """Compute class scores before softmax, shape (n, classes), float32."""
        choose_ways(self._model.name, self._model.network(), sample_views(self.prepare), self._compute)
        return self._compute(batch)

    def _compute(self, batch: Sequence[Any]) -> np.ndarray:
        torch = require("torch", extra="image")
        with torch.inference_mode():
            scores: np.ndarray = self._model.logits(torch.from_numpy(np.stack(batch))).float().cpu().numpy()
        return scores

    def identity(self) -> Mapping[str, object]:
        """Return what identifies the model."""
        return {"classifier": "timm", "model": self._model.identity()}


class SoundClassifier(Loadable):
    """Any audio classifier of transformers, such as AST over AudioSet's 527 classes."""

    batch_budget = BATCH_WINDOWS

    def __init__(
        self, name: str, *, device: str | None = None, dtype: str | None = None, revision: str | None = None
    ) -> None:
        """Describe the classifier, a hub id or local folder; its weights are read when it is first used."""
        self._backbone = Backbone(
            resolve(name, revision=revision),
            "AutoModelForAudioClassification",
            extra="audio-models",
            device=device,
            dtype=dtype,
            unused=(
                "masked_spec_embed",
                "wav2vec2.masked_spec_embed",
                "hubert.masked_spec_embed",
                "wavlm.masked_spec_embed",
            ),
        )
        self._extractor: Lazy[Any] = Lazy(lambda: feature_extractor(self._backbone.checkpoint, "audio-models"))
        self.parts = (self._extractor, self._backbone)

    @property
    def labels(self) -> Sequence[str]:
        """The names of the classes in the order of the logits."""
        return named_classes(self._backbone)

    @property
    def sampling_rate(self) -> int:
        """The sampling rate of the model's feature extractor, in Hz."""
        return int(self._extractor().sampling_rate)

    @property
    def window_seconds(self) -> float:
        """The seconds that the model reads at once: the frames of a spectrogram model, 15 s of a model on waveforms."""
        frames = getattr(self._extractor(), "max_length", None)
        return float(frames * SHIFT / self.sampling_rate) if frames else WAVEFORM_WINDOW

    def prepare(self, sound: Waveform) -> list[np.ndarray]:
        """Compute the model's one input for a window; what is shorter than a frame is padded to a frame."""
        samples = np.pad(sound.samples, (0, max(0, FRAME - len(sound.samples))))
        inputs = self._extractor()(samples, sampling_rate=sound.sampling_rate, return_tensors="np")
        return [np.asarray(next(iter(inputs.values())), np.float32)[0]]

    def logits(self, batch: Sequence[Any]) -> np.ndarray:
        """Compute class scores before softmax, shape (n, classes), float32; inputs of one length."""
        return compute_logits(self._backbone, batch)

    def identity(self) -> Mapping[str, object]:
        """Return what identifies the model."""
        return {"classifier": "transformers audio", "model": self._backbone.identity()}


class SoundLabels(Labels):
    """Sounds in a text space: `Labels` over an audio classifier, window by window."""

    modality: ClassVar[Modality] = "audio"

    def __init__(
        self,
        classifier: SoundClassifier,
        text: Encoder,
        *,
        template: str = "{}",
        temperature: float = 1.0,
        described: int = 3,
    ) -> None:
        """Put an audio classifier in front of a text encoder; see `Labels`."""
        super().__init__(classifier, text, template=template, temperature=temperature, described=described)
        self._sounds = classifier

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate that the classifier was trained on."""
        return {"sampling_rate": self._sounds.sampling_rate}

    @property
    def window_seconds(self) -> float:
        """The seconds that the classifier reads at once."""
        return self._sounds.window_seconds

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Prepare windows for the classifier; only equal lengths share a batch."""
        inputs = [self._sounds.prepare(sound) for sound in items]
        return [Prepared(window, bucket=window[0].shape) for window in inputs]


def named_classes(backbone: Backbone) -> tuple[str, ...]:
    """Return the names of a classifier's classes in the order of its logits.

    Raises:
        ModelError: If the checkpoint calls them `LABEL_0`, `LABEL_1` and so on, which says nothing.
    """
    names = backbone.config.id2label
    labels = tuple(str(names[index]) for index in sorted(names, key=int))
    if all(re.fullmatch(r"LABEL_\d+", label) for label in labels):
        msg = f"{backbone.checkpoint.name} has {len(labels)} classes without names; its config.json lacks an id2label"
        raise ModelError(msg)
    return labels


def compute_logits(backbone: Backbone, batch: Sequence[Any]) -> np.ndarray:
    """Compute class scores of inputs of one shape, shape (n, classes), float32."""
    torch = require("torch", extra=backbone.extra)
    inputs = backbone.to_device(torch.from_numpy(np.stack(batch)))
    with backbone.inference():
        scores: np.ndarray = backbone()(inputs).logits.float().cpu().numpy()
    return scores
