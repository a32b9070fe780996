"""Export media as small files for chat models and web pages: JPEG or PNG, and WAV."""

from __future__ import annotations

import base64
import io
import math
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from senseweave.media.kinds.audio import Audio
from senseweave.media.kinds.image import Image
from senseweave.media.kinds.video import Video

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

ImageFormat = Literal["jpeg", "png"]

DEFAULT_PIXELS = 768 * 768
"""Chat models split images into tiles of about this size; larger images cost more and are scaled down anyway."""
JPEG_QUALITY = 85
SPEECH_RATE = 16_000
"""In Hz, as speech models and multimodal chat models expect."""


@dataclass(frozen=True)
class Exported:
    """A file in memory.

    Attributes:
        data: The content of the file.
        mime_type: For example `image/jpeg`.
    """

    data: bytes
    mime_type: str

    @property
    def base64(self) -> str:
        """The bytes in base64, without a prefix."""
        return base64.b64encode(self.data).decode("ascii")


def image_file(
    media: Image, *, max_pixels: int = DEFAULT_PIXELS, image_format: ImageFormat = "jpeg", quality: int = JPEG_QUALITY
) -> Exported:
    """Return an image as a file of at most `max_pixels` pixels (width times height), with its aspect ratio.

    Raises:
        MediaError: If the image cannot be read.
        ValueError: If the format is unknown or a limit is less than 1.
    """
    return _image_file(media.decode(), max_pixels, image_format, quality)


def sound_file(media: Audio | Video, *, max_seconds: float | None = None, sampling_rate: int = SPEECH_RATE) -> Exported:
    """Return the sound of a recording or a video as a 16-bit mono WAV file.

    Args:
        media: The recording; of a video, its sound track.
        max_seconds: Length of the exported part from the start, in seconds; None for all of it.
        sampling_rate: In Hz.

    Raises:
        MediaError: If there is no sound, or it cannot be decoded.
        ValueError: If `max_seconds` is not positive.
    """
    audio = media.sound() if isinstance(media, Video) else media
    if max_seconds is not None:
        if not max_seconds > 0:
            msg = f"max_seconds must be greater than 0, not {max_seconds!r}"
            raise ValueError(msg)
        start, end = audio.span if audio.span is not None else (0.0, math.inf)
        if end - start > max_seconds:
            audio = audio.part(span=(start, start + max_seconds))
    waveform = audio.decode(sampling_rate=sampling_rate)
    samples = np.round(np.clip(waveform.samples, -1.0, 1.0) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(waveform.sampling_rate)
        writer.writeframes(samples.tobytes())
    return Exported(file.getvalue(), "audio/wav")


def frame_files(
    media: Video,
    *,
    frames: int = 4,
    max_pixels: int = DEFAULT_PIXELS,
    image_format: ImageFormat = "jpeg",
    quality: int = JPEG_QUALITY,
) -> list[tuple[float, Exported]]:
    """Return evenly spaced frames of a video, each with its presentation time in seconds.

    A video with fewer than `frames` frames returns each of them once.

    Raises:
        MediaError: If the video cannot be decoded.
        ValueError: If the format is unknown or a limit is less than 1.
    """
    from PIL import Image as PILImage

    clip = media.decode(frames=frames)
    shown: dict[float, Exported] = {}
    for frame, second in zip(clip.frames, clip.times, strict=True):
        if float(second) not in shown:
            shown[float(second)] = _image_file(PILImage.fromarray(frame), max_pixels, image_format, quality)
    return list(shown.items())


def _image_file(image: PILImage, max_pixels: int, image_format: ImageFormat, quality: int) -> Exported:
    from PIL import Image as PILImage

    if max_pixels < 1:
        msg = f"max_pixels must be at least 1, not {max_pixels!r}"
        raise ValueError(msg)
    if image_format not in ("jpeg", "png"):
        msg = f"image_format must be 'jpeg' or 'png', not {image_format!r}"
        raise ValueError(msg)
    width, height = image.size
    if width * height > max_pixels:
        scale = math.sqrt(max_pixels / (width * height))
        size = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
        image = image.resize(size, PILImage.Resampling.LANCZOS)
    file = io.BytesIO()
    if image_format == "jpeg":
        image.save(file, "JPEG", quality=quality)
    else:
        image.save(file, "PNG")
    return Exported(file.getvalue(), f"image/{image_format}")
