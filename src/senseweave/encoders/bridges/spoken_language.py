"""Which language is spoken in a recording: told once, from several of its windows in which somebody speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from cachetools import LRUCache

from senseweave.errors import MediaError
from senseweave.forking import Lock
from senseweave.media import Waveform
from senseweave.media.decoded import Recording

HEARD_SECONDS: Final = 30.0
"""What Whisper hears at once."""
MOST_PLACES: Final = 12
"""Where a long recording is listened to, at most, in search of speech."""
ENOUGH_WINDOWS: Final = 3
"""Windows with speech that are enough to tell the language."""
REMEMBERED: Final = 4096
DESCRIPTION: Final = f"of the recording, from {ENOUGH_WINDOWS} of {MOST_PLACES} windows of {HEARD_SECONDS:g} s"
"""Decides transcripts, so that it is in fingerprints."""
_CODES: Final = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy "
    "id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru "
    "sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
)
WHISPER_LANGUAGES: Final = frozenset(_CODES.split())
"""Codes of the languages of Whisper base (`LANGUAGES` in its authors' tokenizer.py; `yue` came with large-v3)."""


class SpokenLanguages:
    """The languages of recordings, each told once.

    A recording has one language for all of its windows, which depends on its content alone: a single word in it is no
    ground to tell it by, and a window must not have another transcript because of the windows that came before it.
    """

    def __init__(
        self,
        detect: Callable[[Waveform], Mapping[str, float]],
        is_speech: Callable[[Waveform], bool],
        sampling_rate: int,
    ) -> None:
        """Remember nothing yet.

        Args:
            detect: Returns the probability of each language; nothing if there is no choice.
            is_speech: Whether somebody speaks in a window.
            sampling_rate: Of the windows, in Hz.
        """
        self._detect = detect
        self._is_speech = is_speech
        self._sampling_rate = sampling_rate
        self._told: LRUCache[str, tuple[str, float] | None] = LRUCache(REMEMBERED)
        self._lock = Lock()

    def tell(self, sound: Waveform) -> tuple[str, float] | None:
        """Return the language of the recording that a window belongs to, with its mean probability.

        Returns:
            None if there is no choice of languages, or no speech was found in the recording.
        """
        if sound.recording is None:
            return choose([self._detect(sound)])
        key = sound.recording.sha256
        with self._lock:
            if key in self._told:
                return self._told[key]
        told = self._listen(sound.recording)
        with self._lock:
            self._told[key] = told
        return told

    def _listen(self, recording: Recording) -> tuple[str, float] | None:
        heard: list[Mapping[str, float]] = []
        for start, end in spread_spans(recording.duration):
            try:
                window = recording.part(span=(start, end)).decode(sampling_rate=self._sampling_rate)
            except MediaError:  # damaged there; the window itself tells so
                continue
            if self._is_speech(window):
                heard.append(self._detect(window))
                if len(heard) == ENOUGH_WINDOWS or not heard[-1]:
                    break
        return choose(heard)


def choose(heard: list[Mapping[str, float]]) -> tuple[str, float] | None:
    """Return the language of the highest mean probability, or None if there is none."""
    languages = sorted({language for probabilities in heard for language in probabilities})
    if not languages:
        return None
    means = np.array([[probabilities.get(language, 0.0) for language in languages] for probabilities in heard])
    best = int(means.mean(axis=0).argmax())
    return languages[best], float(means.mean(axis=0)[best])


def spread_spans(seconds: float) -> list[tuple[float, float]]:
    """Return spans of up to 30 seconds, evenly spread over a recording, so that the first ones lie far apart.

    They are ordered by their number read backwards in binary: first, middle, quarter, three quarters, ...
    """
    count = min(MOST_PLACES, max(1, int(seconds // HEARD_SECONDS)))
    if count == 1:
        return [(0.0, min(seconds, HEARD_SECONDS))]
    bits = (count - 1).bit_length()
    order = sorted(range(count), key=lambda place: int(f"{place:0{bits}b}"[::-1], 2))
    step = (seconds - HEARD_SECONDS) / (count - 1)
    return [(place * step, place * step + HEARD_SECONDS) for place in order]
