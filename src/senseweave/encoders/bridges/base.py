"""Bridges: encoders that reach a text space by producing label weights or a transcript first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.bridges.label_space import LabelSpace, encode_texts
from senseweave.encoders.bridges.spoken_language import SpokenLanguages
from senseweave.encoders.bridges.whisper_windows import HEARD_TOGETHER
from senseweave.encoders.observation import Observation, with_labels
from senseweave.media import Clip, Modality, Waveform

NO_SPEECH = "a sound without speech"
"""Embedded in place of an empty transcript, so that such a recording is found as what it is."""


class Classifier(Protocol):
    """An image model with named classes."""

    batch_budget: int

    @property
    def labels(self) -> Sequence[str]:
        """The class names in the order of the logits."""

    def prepare(self, image: Any) -> Sequence[Any]:
        """Turn a PIL image into the model's inputs: one, or several views whose probabilities are averaged."""

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

    def transcribe(self, sound: Waveform, language: str | None = None) -> str:
        """Return the transcript in a language, or an empty string if there is no speech."""

    def transcribe_batch(self, sounds: Sequence[Waveform], languages: Sequence[str | None]) -> list[str]:
        """Return the transcript of each sound in its language."""

    def recognize(self, sound: Waveform, language: str | None = None) -> Observation:
        """Return transcript, words with their times, and language."""

    def detect_languages(self, sound: Waveform) -> Mapping[str, float]:
        """Return the probability of each language that may be spoken; empty if there is no choice."""

    def identity(self) -> Mapping[str, object]:
        """Return everything that decides the transcripts, for the fingerprint."""

    def load(self) -> None:
        """Load the model now."""

    def close(self) -> None:
        """Free the model."""


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
        self.labels = LabelSpace(lambda: classifier.labels, text, template=template, texts=texts)
        self.temperature = temperature
        self.described = described
        self.batch_budget = classifier.batch_budget
        self.parts = (classifier, self.labels)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.labels.text.dimension

    @property
    def image_side(self) -> int | None:
        """What the classifier says by an attribute `side`, if it has one."""
        side: int | None = getattr(self.classifier, "side", None)
        return side

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Preprocess images for the classifier."""
        prepared = [self.classifier.prepare(image) for image in items]
        return [Prepared(views, cost=len(views)) for views in prepared]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Classify, and mix the label vectors."""
        weights = self.probabilities([image.data for image in batch])
        return Encoded(self.labels.mix(weights), [self.describe(row) for row in weights])

    def probabilities(self, prepared: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the softmax of the logits at the temperature, meaned over views, shape (n, classes), float32."""
        views = [view for item in prepared for view in item]
        logits = self.classifier.logits(views).astype(np.float32) / self.temperature
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights = exponents / exponents.sum(axis=1, keepdims=True)
        counts = np.array([len(item) for item in prepared])
        meaned: np.ndarray = np.add.reduceat(weights, np.cumsum(counts) - counts) / counts[:, None].astype(np.float32)
        return meaned

    def describe(self, weights: np.ndarray) -> str:
        """Return the likeliest class names, likeliest first."""
        return ", ".join(tag.label for tag in self.labels.name_classes(weights, self.described))

    def observe(self, item: Any, tags: int) -> Observation:
        """Return the likeliest classes with their probabilities."""
        (prepared,) = self.prepare([item], "document")
        return Observation(tags=self.labels.name_classes(self.probabilities([prepared.data])[0], tags))

    def identity(self) -> Mapping[str, object]:
        """Return the classifier, text encoder, template and temperature."""
        return {
            "bridge": "labels",
            "classifier": dict(self.classifier.identity()),
            **self.labels.identity(),
            "temperature": self.temperature,
        }


class Transcribe(Encoder):
    """Speech in a text space: the transcript of a window, embedded as text."""

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    cut_at_pauses = True
    batch_budget = HEARD_TOGETHER

    def __init__(
        self,
        recognizer: Recognizer,
        text: Encoder,
        *,
        window_seconds: float = 15.0,
        is_speech: Callable[[Waveform], bool] = lambda sound: not sound.silent,
    ) -> None:
        """Put a speech recognizer in front of a text encoder.

        Args:
            recognizer: Turns sound into text.
            text: Embeds the text.
            window_seconds: Longer sound is cut into windows of this length.
            is_speech: Whether the language of a recording may be told by a window.
        """
        self.recognizer = recognizer
        self.languages = SpokenLanguages(recognizer.detect_languages, is_speech, recognizer.sampling_rate)
        self.text = text
        self.window_seconds = window_seconds
        self.decode_options = {"sampling_rate": recognizer.sampling_rate}
        self.parts = (recognizer, text)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.text.dimension

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Pass the sound on; it is recognized in `forward`."""
        return [Prepared(sound) for sound in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Transcribe and embed."""
        transcripts = self.transcribe_batch([clip.data for clip in batch])
        vectors = encode_texts(self.text, [transcript or NO_SPEECH for transcript in transcripts])
        return Encoded(vectors, transcripts)

    def transcribe(self, sound: Waveform) -> str:
        """Return what is said, or an empty string."""
        return "" if sound.silent else self.recognizer.transcribe(sound, self._language(sound)[0])

    def transcribe_batch(self, sounds: Sequence[Waveform]) -> list[str]:
        """Return what is said in each sound, or an empty string."""
        heard = [place for place, sound in enumerate(sounds) if not sound.silent]
        languages = [self._language(sounds[place])[0] for place in heard]
        transcripts = [""] * len(sounds)
        found = self.recognizer.transcribe_batch([sounds[place] for place in heard], languages) if heard else []
        for place, transcript in zip(heard, found, strict=True):
            transcripts[place] = transcript
        return transcripts

    def observe(self, item: Waveform, tags: int) -> Observation:
        """Return transcript, words with their times, and the language of the recording."""
        if item.silent:
            return Observation()
        language, score = self._language(item)
        said = self.recognizer.recognize(item, language)
        return replace(said, language_score=score) if language is not None and said.text else said

    def _language(self, sound: Waveform) -> tuple[str | None, float]:
        return self.languages.tell(sound) or (None, 0.0)

    def identity(self) -> Mapping[str, object]:
        """Return recognizer, text encoder and window."""
        return {
            "bridge": "transcribe",
            "recognizer": dict(self.recognizer.identity()),
            "text": dict(self.text.identity()),
            "window_seconds": self.window_seconds,
        }


class Listener(Protocol):
    """A bridge of sounds that knows what is said in them: `Transcribe`, or `SpeechAndSounds`."""

    text: Encoder
    decode_options: Mapping[str, object]

    def transcribe_batch(self, sounds: Sequence[Waveform]) -> list[str]:
        """Return what is said in each sound, or an empty string."""

    def observe(self, item: Waveform, tags: int) -> Observation:
        """Return transcript, words, language, and tags if there are any."""

    def identity(self) -> Mapping[str, object]:
        """Return everything that decides what is heard, for the fingerprint."""

    def load(self) -> None:
        """Load the models now."""

    def close(self) -> None:
        """Free the models."""


class FramesAndSpeech(Encoder):
    """Video in a text space: the mean of its frames' vectors, joined with that of its speech.

    v = norm(mean of frame vectors) + `speech_weight` * norm(transcript vector); without speech, the frames alone.
    """

    modality: ClassVar[Modality] = "video"
    window_seconds: float
    decode_options: Mapping[str, object]
    cut_at_pauses = True
    batch_budget = HEARD_TOGETHER

    def __init__(
        self,
        frames: Labels,
        speech: Listener,
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
        self.decode_options = {"frames": frames_per_segment, "sampling_rate": speech.decode_options["sampling_rate"]}
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
        sounds = [sound for _, sound in (segment.data for segment in batch) if sound is not None]
        heard = iter(self.speech.transcribe_batch(sounds))
        for segment in batch:
            frames, sound = segment.data
            weights = self.frames.probabilities([frame.data for frame in frames]).mean(axis=0)
            seen = self.frames.labels.mix(weights)  # mixing is linear: this is the mean of the frames' vectors
            description = self.frames.describe(weights)
            vector = seen / np.linalg.norm(seen)
            transcript = next(heard) if sound is not None else ""
            if transcript:
                vector = vector + self.speech_weight * encode_texts(self.speech.text, [transcript])[0]
                description = with_labels(transcript, description)
            vectors.append(vector)
            descriptions.append(description)
        return Encoded(np.stack(vectors).astype(np.float32), descriptions)

    def observe(self, item: Clip, tags: int) -> Observation:
        """Return the likeliest classes over the frames and in the sound, and what is said."""
        (segment,) = self.prepare([item], "document")
        frames, sound = segment.data
        weights = self.frames.probabilities([frame.data for frame in frames]).mean(axis=0)
        heard = self.speech.observe(sound, tags) if sound is not None else Observation()
        named = sorted([*self.frames.labels.name_classes(weights, tags), *heard.tags], key=lambda tag: -tag.score)
        return replace(heard, tags=tuple(named[:tags]))

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
