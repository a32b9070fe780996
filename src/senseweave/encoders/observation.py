"""What bridges and classifiers say of a media as data: tags with scores, text, words with their times, language."""

from __future__ import annotations

from dataclasses import dataclass


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
