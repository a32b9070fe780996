"""Turn ranked documents into the parts of a prompt: labels and texts, images, frames, sound and video files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import urlsplit

from senseweave.errors import MediaError
from senseweave.media import MODALITIES, Audio, Image, Media, Modality, Video
from senseweave.media.export import DEFAULT_PIXELS, Exported, ImageFormat, frame_files, image_file, sound_file
from senseweave.retrieval.records.schema import Provenance

OnUnreadable = Literal["raise", "skip"]

SYSTEM_PROMPT = (
    "Answer the question from the numbered sources that come before it. Name the numbers of the sources you used. "
    "If they do not hold the answer, say so."
)
"""The system message of a prompt that asks a question about documents."""


@dataclass(frozen=True)
class PromptLimits:
    """How much of the documents a model is shown.

    Attributes:
        documents: Most documents; the rest is left out.
        images: Most images, frames of video included; further media are shown as their text alone.
        pixels: Most pixels of each image (width times height); larger images are scaled down.
        seconds: Most seconds of sound in all; further sound is shown as its text alone.
        frames: Frames shown of each video segment.
        image_format: `jpeg` or `png`.
        characters: Most characters of the text of each document; None for all.
        video_as: `frames`, or `file` for models that take video: the whole file, of which the label names the segment.
        file_bytes: Largest video file; a larger one is shown as frames.

    Raises:
        ValueError: If `image_format` or `video_as` is unknown.
    """

    documents: int = 8
    images: int = 12
    pixels: int = DEFAULT_PIXELS
    seconds: float = 120.0
    frames: int = 4
    image_format: ImageFormat = "jpeg"
    characters: int | None = None
    video_as: Literal["frames", "file"] = "frames"
    file_bytes: int = 20 * 1024 * 1024

    def __post_init__(self) -> None:
        for name, known in (("image_format", ("jpeg", "png")), ("video_as", ("frames", "file"))):
            given = getattr(self, name)
            if given not in known:
                msg = f"{name} must be {known[0]!r} or {known[1]!r}, not {given!r}"
                raise ValueError(msg)


@dataclass(frozen=True)
class PromptDocument:
    """A document as a framework found it.

    Attributes:
        text: The text itself, or the caption, transcript or label line of media; may be empty.
        provenance: Where it is from.
        read: Returns the media that the document stands for; nothing needs to be decoded yet.
        name: What stands for a source that is not known.
    """

    text: str
    provenance: Provenance
    read: Callable[[], Media]
    name: str = "without a source"


@dataclass(frozen=True)
class PromptText:
    """A part of a prompt in words."""

    text: str


@dataclass(frozen=True)
class PromptFile:
    """A part of a prompt that is a file.

    Attributes:
        modality: `image`, also of a frame of a video; `audio`, which is a WAV file; or `video`.
        file: The file in memory.
        name: Its name, without a folder.
    """

    modality: Literal["image", "audio", "video"]
    file: Exported
    name: str


PromptPart = PromptText | PromptFile


def prompt_parts(
    documents: Iterable[PromptDocument],
    *,
    question: str | None = None,
    limits: PromptLimits | None = None,
    modalities: Collection[Modality] | None = None,
    on_error: OnUnreadable = "raise",
    warn: Callable[[str], Any] = warnings.warn,
) -> Iterator[PromptPart]:
    """Yield what a model is shown of documents, best first, and then the question.

    Each document begins with a label and its text, and its media follow as far as the limits allow. A video gives its
    frames as images.

    Args:
        documents: Ranked documents, best first: the first is number 1.
        question: Becomes the last part.
        limits: How much is shown.
        modalities: What the model takes; documents of other modalities are shown as label and text. None is all.
        on_error: `skip` shows label and text of media that cannot be read, with a warning.
        warn: Takes the text of that warning.

    Raises:
        MediaError: If media cannot be read, unless `on_error` is `skip`.
        ValueError: If the span of a document makes no sense.
    """
    limits = limits or PromptLimits()
    budget = _Budget(limits, MODALITIES if modalities is None else modalities)
    for number, document in enumerate(islice(documents, limits.documents), start=1):
        provenance, files = document.provenance, list[PromptFile]()
        if provenance.modality == "text" or provenance.modality in budget.modalities:
            try:
                media = document.read()
                files = budget.files(media, _source_name(provenance) or document.name)
                provenance = Provenance(media.modality, provenance.source, media.span, media.page)
            except MediaError as error:
                if on_error == "raise":
                    raise
                warn(f"document {number} is shown as text alone: {error}")
        label = prompt_label(number, provenance, otherwise=document.name)
        yield PromptText(f"{label} {document.text[: limits.characters]}".rstrip())
        yield from files
    if question is not None:
        yield PromptText(f"Question: {question}")


def prompt_label(number: int, provenance: Provenance, *, otherwise: str) -> str:
    """Return what stands before the text of a document, for example `[1] audio, talk.mp3, 0:15 to 0:30:`.

    Args:
        number: Its number in the prompt, from 1.
        provenance: Where it is from. Of its source only the name is shown, never the folder.
        otherwise: What stands for a source that is not known.
    """
    place = _source_name(provenance) or otherwise
    if provenance.page is not None:
        place += f", page {provenance.page}"
    if provenance.span is not None:
        place += f", {_clock(provenance.span[0])} to {_clock(provenance.span[1])}"
    return f"[{number}] {provenance.modality}, {place}:"


class _Budget:
    """What may still be shown, which every file uses up."""

    def __init__(self, limits: PromptLimits, modalities: Collection[Modality]) -> None:
        self.limits = limits
        self.modalities = modalities
        self.images = limits.images
        self.seconds = limits.seconds

    def files(self, media: Media, name: str) -> list[PromptFile]:
        """Return the files that show media, none where the budget or the modalities leave no room."""
        limits, shown = self.limits, list[Exported]()
        if media.modality not in self.modalities:
            return []
        if isinstance(media, Audio):
            seconds = min(media.duration, self.seconds)
            self.seconds -= seconds
            sound = f"{PurePath(name).stem}.wav"
            return [PromptFile("audio", sound_file(media, max_seconds=seconds), sound)] if seconds > 0 else []
        if isinstance(media, Video) and limits.video_as == "file" and media.size <= limits.file_bytes:
            return [PromptFile("video", Exported(media.read(), media.mime_type), name)]
        if isinstance(media, Image) and self.images > 0:
            shown = [image_file(media, max_pixels=limits.pixels, image_format=limits.image_format)]
        elif isinstance(media, Video) and self.images > 0:
            frames, form = min(limits.frames, self.images), limits.image_format
            found = frame_files(media, frames=frames, max_pixels=limits.pixels, image_format=form)
            shown = [file for _, file in found]
        self.images -= len(shown)
        return [PromptFile("image", file, name) for file in shown]


def _source_name(provenance: Provenance) -> str:
    """Return the name of a source, without its folder and without what a URL asks for."""
    source = provenance.source or ""
    return PurePath(urlsplit(source).path if "://" in source else source).name or source


def _clock(seconds: float) -> str:
    """Return seconds as `0:15`, `0:15.5` or `1:02:03`."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:04.1f}".removesuffix(".0")
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"
