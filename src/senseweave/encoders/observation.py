"""What bridges and classifiers say of a media as data: tags with scores, text, words with their times, language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Tag:
    """A class of a classifier.

    Attributes:
        label: Its name.
        score: Its probability, from 0 to 1.
    """

    label: str
    score: float


@dataclass(frozen=True)
class Word:
    """A recognized word.

    Attributes:
        text: The word, with its punctuation.
        start: Where it begins, in seconds from the beginning of the source.
        end: Where it ends.
        score: Its probability, from 0 to 1.
    """

    text: str
    start: float
    end: float
    score: float


class Transcript(str):
    """What is said in a recording, with the times of its words.

    Attributes:
        words: Each word with the second of the recording, or of the window of it, at which it begins.
    """

    words: tuple[tuple[str, float], ...]

    def __new__(cls, text: str, words: tuple[tuple[str, float], ...] = ()) -> Self:
        """Make a text that knows its words."""
        made = super().__new__(cls, text)
        made.words = words
        return made


def with_labels(transcript: str, labels: str) -> Transcript:
    """Return a transcript with what is seen or heard beside it."""
    return Transcript(f"{transcript} [{labels}]", getattr(transcript, "words", ()))


def join_descriptions(descriptions: Sequence[str]) -> str:
    """Return what is said of several windows as one text; of one window as it is, with the times of its words."""
    return descriptions[0] if len(descriptions) == 1 else " ".join(descriptions)


@dataclass(frozen=True)
class Observation:
    """What a model says of an image, or of a window of a recording or a video.

    Attributes:
        span: The seconds of the source that it is about; None for an image.
        tags: Likeliest first.
        text: A caption, the text in an image, or a transcript; empty if there is none.
        words: Of a transcript, in order.
        language: Spoken language by its code, such as `en`; None if nothing says so.
        language_score: The probability of the language; 1.0 if it was chosen rather than detected.
    """

    span: tuple[float, float] | None = None
    tags: tuple[Tag, ...] = ()
    text: str = ""
    words: tuple[Word, ...] = ()
    language: str | None = None
    language_score: float = 0.0


@dataclass(frozen=True)
class MediaDescription:
    """What a space's models say of a media, window by window.

    Attributes:
        source: Of the media.
        parts: What is said of each window, in order; a single part for an image.
    """

    source: str
    parts: tuple[Observation, ...]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags of all parts, each with its mean score over the parts, likeliest first."""
        scores: dict[str, float] = {}
        for part in self.parts:
            for tag in part.tags:
                scores[tag.label] = scores.get(tag.label, 0.0) + tag.score / len(self.parts)
        return tuple(Tag(label, score) for label, score in sorted(scores.items(), key=lambda pair: -pair[1]))

    @property
    def text(self) -> str:
        """The text of all parts, in order."""
        return " ".join(part.text for part in self.parts if part.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all parts, in order."""
        return tuple(word for part in self.parts for word in part.words)

    @property
    def language(self) -> str | None:
        """The language of most of the speech; None if there is no speech."""
        seconds: dict[str, float] = {}
        for part in self.parts:
            if part.language is not None and part.words:
                spoken = sum(word.end - word.start for word in part.words)
                seconds[part.language] = seconds.get(part.language, 0.0) + spoken
        return max(seconds, key=lambda language: seconds[language], default=None)
