"""Recordings in a text space by what is said in them and by what else is heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.bridges.base import Transcribe
from senseweave.encoders.bridges.label_space import LabelSpace, encode_texts
from senseweave.encoders.bridges.whisper_windows import HEARD_TOGETHER
from senseweave.encoders.bridges.yamnet import Yamnet
from senseweave.encoders.observation import Observation, Tag, with_labels
from senseweave.encoders.runtime.torch_runtime import Loadable
from senseweave.media import Modality, Waveform

SPEECH_KINDS: Final = (
    "Speech",
    "Child speech, kid speaking",
    "Conversation",
    "Narration, monologue",
    "Speech synthesizer",
    "Whispering",
    "Rapping",
)
SPEECH_SCORE = 0.5
"""Where a kind of speech reaches this score, the sound is transcribed."""
NAMED_SCORE = 0.1
"""Kinds below this score are not named, but for the clearest of a sound in which nothing is said."""
NOT_BESIDE_SPEECH: Final = (
    *SPEECH_KINDS,
    "Babbling",
    "Inside, small room",
    "Inside, large room or hall",
    "Inside, public space",
    "Outside, urban or manmade",
    "Outside, rural or natural",
)
"""What says no more of a recording of speech than that it is one."""
BESIDE_SPEECH_SCORE = 0.3
"""Mean score from which on another sound counts, and is named, beside speech."""


class SoundEventLabels(Loadable):
    """Sounds in a text space: the vectors of AudioSet's kinds of sound, weighted by how clearly each is heard.

    v = sum_c w(c) t(c) - m, as in `Labels`, with w(c) in proportion to s(c) log(1 / p(c)): s the mean score over the
    window, p the usual score of the kind, so that `Animal`, which every bark is as well, says less than `Bark`.
    """

    def __init__(self, events: Yamnet, text: Encoder, *, described: int = 3) -> None:
        """Put a recognizer of sound events in front of a text encoder.

        Args:
            events: Gives scores of named kinds of sound.
            text: Embeds their names.
            described: How many kinds the description of a window lists.
        """
        self.events = events
        self.labels = LabelSpace(lambda: events.labels, text)
        self.described = described
        self.parts = (events, self.labels)

    def mix(self, scores: np.ndarray, kinds: np.ndarray | None = None) -> np.ndarray:
        """Return the vector of scores, shape (patches, kinds); only of some kinds, if given by their places."""
        weights = self._weigh(scores)
        if kinds is not None:
            weights = np.where(np.isin(np.arange(len(weights)), kinds), weights, 0.0)
        return self.labels.mix((weights / weights.sum()).astype(np.float32))

    def describe(self, scores: np.ndarray, kinds: np.ndarray | None = None) -> str:
        """Return the names of what is heard most clearly; only of some kinds, if given by their places."""
        order = np.argsort(-self._weigh(scores), kind="stable")
        if kinds is not None:
            named = order[np.isin(order, kinds)]
        else:
            clear = order[scores.max(axis=0)[order] >= NAMED_SCORE]
            named = clear if len(clear) else order[:1]
        return ", ".join(self.events.labels[kind] for kind in named[: self.described])

    def name_kinds(self, scores: np.ndarray, count: int) -> tuple[Tag, ...]:
        """Return the kinds with the highest scores over the patches, highest first."""
        return self.labels.name_classes(scores.max(axis=0), count)

    def identity(self) -> Mapping[str, object]:
        """Return the recognizer of sound events and the text encoder."""
        return {"bridge": "sound events", "events": dict(self.events.identity()), **self.labels.identity()}

    def _weigh(self, scores: np.ndarray) -> np.ndarray:
        weights: np.ndarray = scores.mean(axis=0) * self.events.information
        return weights


class SpeechAndSounds(Encoder):
    """Recordings in a text space: the transcript where somebody speaks, the names of sounds where nobody does.

    Sound events decide: what holds no speech is not transcribed, so that no words are invented for a growl. Where
    another sound is clear beside the speech, the unit vectors of both are added.
    """

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    cut_at_pauses = True
    batch_budget = HEARD_TOGETHER

    def __init__(self, speech: Transcribe, sounds: SoundEventLabels) -> None:
        """Join a speech bridge and a bridge of sound events of one text space; the windows are those of speech."""
        self.speech = speech
        self.sounds = sounds
        self.text = speech.text
        self.window_seconds = speech.window_seconds
        self.decode_options = speech.decode_options
        self.parts = (speech, sounds)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.text.dimension

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Pass the sound on; it is heard in `forward`."""
        return [Prepared(sound) for sound in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Hear, transcribe where there is speech, and embed."""
        sounds = [clip.data for clip in batch]
        scores = [self.sounds.events.scores(sound) for sound in sounds]
        heard = [self._embed(*clip) for clip in zip(scores, self._transcribe_where_spoken(sounds, scores), strict=True)]
        return Encoded(np.stack([vector for vector, _ in heard]), [description for _, description in heard])

    def transcribe_batch(self, sounds: Sequence[Waveform]) -> list[str]:
        """Return what is said in each sound, or an empty string."""
        return self._transcribe_where_spoken(sounds, [self.sounds.events.scores(sound) for sound in sounds])

    def observe(self, item: Waveform, tags: int) -> Observation:
        """Return the kinds of sound that are heard, and what is said, if there is speech; nothing of silence."""
        if item.silent:
            return Observation()
        scores = self.sounds.events.scores(item)
        said = self.speech.observe(item, tags) if hears_speech(self.sounds.events, scores) else Observation()
        return replace(said, tags=self.sounds.name_kinds(scores, tags))

    def identity(self) -> Mapping[str, object]:
        """Return both bridges and the scores from which on they count."""
        return {
            "bridge": "speech and sounds",
            "speech": dict(self.speech.identity()),
            "sounds": dict(self.sounds.identity()),
            "scores": {"speech": SPEECH_SCORE, "beside speech": BESIDE_SPEECH_SCORE, "named": NAMED_SCORE},
        }

    def _transcribe_where_spoken(self, sounds: Sequence[Waveform], scores: Sequence[np.ndarray]) -> list[str]:
        spoken = [place for place, clip in enumerate(scores) if hears_speech(self.sounds.events, clip)]
        transcripts = [""] * len(sounds)
        found = self.speech.transcribe_batch([sounds[place] for place in spoken])
        for place, transcript in zip(spoken, found, strict=True):
            transcripts[place] = transcript
        return transcripts

    def _embed(self, scores: np.ndarray, transcript: str) -> tuple[np.ndarray, str]:
        if not transcript:
            return self.sounds.mix(scores), self.sounds.describe(scores)
        vector = encode_texts(self.text, [transcript])[0]
        beside = self._sounds_beside_speech(scores)
        if not len(beside):
            return vector, transcript
        other = self.sounds.mix(scores, beside)
        return vector + other / np.linalg.norm(other), with_labels(transcript, self.sounds.describe(scores, beside))

    def _sounds_beside_speech(self, scores: np.ndarray) -> np.ndarray:
        """Return the places of the kinds that are clear throughout."""
        clear = np.flatnonzero(scores.mean(axis=0) >= BESIDE_SPEECH_SCORE)
        return clear[~np.isin(clear, self.sounds.events.places(NOT_BESIDE_SPEECH))]


def hears_speech(events: Yamnet, scores: np.ndarray) -> bool:
    """Return whether speech is heard in any patch, by scores of shape (patches, kinds)."""
    return bool(scores[:, events.places(SPEECH_KINDS)].max() >= SPEECH_SCORE)
