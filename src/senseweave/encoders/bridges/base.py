"""Bridges: encoders that reach a text space by producing label weights or a transcript first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.observation import Observation, Tag
from senseweave.encoders.runtime.disk_cache import cached_array
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.media import Clip, Modality, Waveform

TEXTS_AT_ONCE = 32
NO_SPEECH = "a sound without speech"
"""Embedded in place of an empty transcript, so that such a recording is found as what it is."""


class Classifier(Protocol):
    """An image model with named classes."""

    batch_budget: int

    @property
    def labels(self) -> Sequence[str]:
        """The class names in the order of the logits."""

    def prepare(self, image: Any) -> Any:
        """Turn a PIL image into the model's input."""

    def logits(self, batch: Sequence[Any]) -> np.ndarray:
        """Return class scores before softmax, shape (n, classes), float32."""

    def identity(self) -> Mapping[str, object]:
        """Return everything that decides the scores, for the fingerprint."""

    def load(self) -> None:
        """Load the model now."""

    def close(self) -> None:
        """Free the model."""


class Recognizer(Protocol):
    """A speech recognizer."""

    sampling_rate: int

    def transcribe(self, sound: Waveform) -> str:
        """Return the transcript, or an empty string if there is no speech."""

    def recognize(self, sound: Waveform) -> Observation:
        """Return transcript, words with their times, and language."""

    def identity(self) -> Mapping[str, object]:
        """Return everything that decides the transcripts, for the fingerprint."""

    def load(self) -> None:
        """Load the model now."""

    def close(self) -> None:
        """Free the model."""


def encode_texts(encoder: Encoder, texts: Sequence[str], role: Role = "document") -> np.ndarray:
    """Encode a few texts by a text encoder; return shape (n, dimension), float32, rows of length 1."""
    prepared = encoder.prepare(list(texts), role)
    vectors = np.empty((len(prepared), encoder.dimension), np.float32)
    order = sorted(range(len(prepared)), key=lambda place: prepared[place].cost)
    for start in range(0, len(order), TEXTS_AT_ONCE):
        places = order[start : start + TEXTS_AT_ONCE]
        vectors[places] = encoder.forward([prepared[place] for place in places]).vectors
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@dataclass(frozen=True)
class LabelSpace:
    """The class names of a classifier in a text space.

    Attributes:
        vectors: Unit vectors of the class names, shape (classes, dimension), float32.
        mean: Their mean, shape (dimension,).
    """

    vectors: np.ndarray
    mean: np.ndarray


class Labels(Encoder):
    """Images in a text space: the class names' vectors, weighted by how likely each class is.

    v = sum_c p(c) t(c) - m, with p the softmax of the logits at `temperature`, t(c) the vector of the class
    name and m the mean of all t (ConSE, Norouzi et al. 2013, arXiv 1312.5650, with all classes kept; removing the mean
    raised recall, see benchmarks/).
    """

    modality: ClassVar[Modality] = "image"
    batch_budget: int

    def __init__(
        self,
        classifier: Classifier,
        text: Encoder,
        *,
        template: str = "{}",
        texts: Callable[[], Sequence[str]] | None = None,
        temperature: float = 1.0,
        described: int = 3,
    ) -> None:
        """Put a classifier in front of a text encoder.

        Args:
            classifier: Gives logits over named classes.
            text: Embeds the class names.
            template: What a class name is put into before it is embedded, for example `a photo of a {}`.
            texts: Gives what is embedded for each class, for example its name with its definition; the names if None.
            temperature: Divides the logits; above 1 spreads the weight over more classes.
            described: How many class names the description of an image lists.
        """
        if temperature <= 0:
            msg = f"temperature must be positive, not {temperature}"
            raise ValueError(msg)
        self.classifier = classifier
        self.text = text
        self.template = template
        self.texts = texts
        self.temperature = temperature
        self.described = described
        self.batch_budget = classifier.batch_budget
        self._labels: Lazy[LabelSpace] = Lazy(self._embed_labels)
        self.parts = (classifier,)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.text.dimension

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Preprocess images for the classifier."""
        return [Prepared(self.classifier.prepare(image)) for image in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Classify, and mix the label vectors."""
        weights = self.probabilities([image.data for image in batch])
        return Encoded(self.mix(weights), [self.describe(row) for row in weights])

    def mix(self, weights: np.ndarray) -> np.ndarray:
        """Mix label vectors by class weights, shape (..., classes), less their mean; return shape (..., dimension)."""
        labels = self._labels()
        mixed: np.ndarray = weights @ labels.vectors - labels.mean
        return mixed

    def probabilities(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return the softmax of the logits at the temperature, shape (n, classes), float32."""
        logits = self.classifier.logits(prepared).astype(np.float32) / self.temperature
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights: np.ndarray = exponents / exponents.sum(axis=1, keepdims=True)
        return weights

    def describe(self, weights: np.ndarray) -> str:
        """Return the likeliest class names, likeliest first."""
        best = np.argsort(-weights, kind="stable")[: self.described]
        return ", ".join(self.classifier.labels[i] for i in best)

    def observe(self, item: Any, tags: int) -> Observation:
        """Return the likeliest classes with their probabilities."""
        (prepared,) = self.prepare([item], "document")
        return Observation(tags=self.name_classes(self.probabilities([prepared.data])[0], tags))

    def name_classes(self, weights: np.ndarray, count: int) -> tuple[Tag, ...]:
        """Return the likeliest classes, likeliest first."""
        best = np.argsort(-weights, kind="stable")[:count]
        return tuple(Tag(self.classifier.labels[i], float(weights[i])) for i in best)

    def identity(self) -> Mapping[str, object]:
        """Return the classifier, text encoder, template and temperature."""
        return {
            "bridge": "labels",
            "classifier": dict(self.classifier.identity()),
            "text": dict(self.text.identity()),
            "template": self.template,
            "texts": None if self.texts is None else self.texts.__qualname__,
            "temperature": self.temperature,
        }

    def load(self) -> None:
        """Load the classifier, and the vectors of its class names."""
        super().load()
        self._labels.load()

    def _embed_labels(self) -> LabelSpace:
        names = self.classifier.labels if self.texts is None else self.texts()
        texts = [self.template.format(name) for name in names]
        key = {"text": dict(self.text.identity()), "labels": texts}
        vectors = cached_array(key, lambda: encode_texts(self.text, texts))
        return LabelSpace(vectors, vectors.mean(axis=0))


class Transcribe(Encoder):
    """Speech in a text space: the transcript of a window, embedded as text."""

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    cut_at_pauses = True

    def __init__(self, recognizer: Recognizer, text: Encoder, *, window_seconds: float = 15.0) -> None:
        """Put a speech recognizer in front of a text encoder; longer sound is windowed to `window_seconds`."""
        self.recognizer = recognizer
        self.text = text
        self.window_seconds = window_seconds
        self.decode_options = {"sampling_rate": recognizer.sampling_rate}
        self.parts = (recognizer, text)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.text.dimension

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Pass the sound on; it is recognized in `forward`, one clip at a time."""
        return [Prepared(sound) for sound in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Transcribe and embed."""
        transcripts = [self.recognizer.transcribe(clip.data) for clip in batch]
        vectors = encode_texts(self.text, [transcript or NO_SPEECH for transcript in transcripts])
        return Encoded(vectors, transcripts)

    def observe(self, item: Waveform, tags: int) -> Observation:
        """Return transcript, words with their times, and language."""
        return self.recognizer.recognize(item)

    def identity(self) -> Mapping[str, object]:
        """Return recognizer, text encoder and window."""
        return {
            "bridge": "transcribe",
            "recognizer": dict(self.recognizer.identity()),
            "text": dict(self.text.identity()),
            "window_seconds": self.window_seconds,
        }


class FramesAndSpeech(Encoder):
    """Video in a text space: the mean of its frames' vectors, joined with that of its speech.

    v = norm(mean of frame vectors) + `speech_weight` * norm(transcript vector); without speech, the frames alone.
    """

    modality: ClassVar[Modality] = "video"
    window_seconds: float
    decode_options: Mapping[str, object]
    cut_at_pauses = True
    batch_budget = 1

    def __init__(
        self,
        frames: Labels,
        speech: Transcribe,
        *,
        frames_per_segment: int = 8,
        window_seconds: float = 10.0,
        speech_weight: float = 1.0,
    ) -> None:
        """Join an image bridge and a speech bridge of one text space."""
        self.frames = frames
        self.speech = speech
        self.frames_per_segment = frames_per_segment
        self.window_seconds = window_seconds
        self.speech_weight = speech_weight
        self.decode_options = {"frames": frames_per_segment, "sampling_rate": speech.recognizer.sampling_rate}
        self.parts = (frames, speech)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.frames.dimension

    def prepare(self, items: Sequence[Clip], role: Role) -> list[Prepared]:
        """Preprocess the frames; the sound is recognized in `forward`."""
        from PIL import Image as PillowImage

        return [
            Prepared((self.frames.prepare([PillowImage.fromarray(frame) for frame in clip.frames], role), clip.sound))
            for clip in items
        ]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Embed frames and speech of each segment."""
        vectors, descriptions = [], []
        for segment in batch:
            frames, sound = segment.data
            weights = self.frames.probabilities([frame.data for frame in frames]).mean(axis=0)
            seen = self.frames.mix(weights)  # mixing is linear: this is the mean of the frames' vectors
            description = self.frames.describe(weights)
            vector = seen / np.linalg.norm(seen)
            transcript = self.speech.recognizer.transcribe(sound) if sound is not None else ""
            if transcript:
                vector = vector + self.speech_weight * encode_texts(self.speech.text, [transcript])[0]
                description = f"{transcript} [{description}]"
            vectors.append(vector)
            descriptions.append(description)
        return Encoded(np.stack(vectors).astype(np.float32), descriptions)

    def observe(self, item: Clip, tags: int) -> Observation:
        """Return the likeliest classes over the frames, and what is said."""
        (segment,) = self.prepare([item], "document")
        frames, sound = segment.data
        weights = self.frames.probabilities([frame.data for frame in frames]).mean(axis=0)
        said = self.speech.recognizer.recognize(sound) if sound is not None else Observation()
        return replace(said, tags=self.frames.name_classes(weights, tags))

    def identity(self) -> Mapping[str, object]:
        """Return both bridges, the frames per segment, the window and the weight of speech."""
        return {
            "bridge": "frames and speech",
            "frames": dict(self.frames.identity()),
            "speech": dict(self.speech.identity()),
            "frames_per_segment": self.frames_per_segment,
            "window_seconds": self.window_seconds,
            "speech_weight": self.speech_weight,
        }
