"""Small pictures and sounds of contents, as data URIs within a bound, so that a page needs nothing from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Final

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media import Audio, Image, Media, Video
from senseweave.media.export import frame_files, image_file
from senseweave.retrieval.listing import IndexRecord

PIXELS: Final = 128 * 96
"""Most pixels of a small picture."""
QUALITY: Final = 70
"""Of its JPEG."""
SECONDS: Final = 6.0
"""Most seconds of a sound."""
RATE: Final = 12_000
"""Of a sound, in Hz."""
LARGEST: Final = 64 * 1024
"""Most bytes of a preview."""


def make_previews(records: Sequence[IndexRecord], budget: int) -> dict[int, str]:
    """Return data URIs of pictures, first frames and sounds by the position of their record.

    If there are more than the budget holds, they are of records spread evenly over all. What cannot be read has none.

    Args:
        records: The contents.
        budget: Most bytes of all data URIs together.
    """
    found: dict[int, str] = {}
    left = budget
    shown = [at for at, record in enumerate(records) if record.modality != "text"]
    for at in _spread(shown):
        if left < LARGEST // 16:
            break
        uri = _preview(records[at])
        if uri is not None and len(uri) <= min(left, 2 * LARGEST):
            found[at] = uri
            left -= len(uri)
    return found


def _spread(positions: Sequence[int]) -> list[int]:
    """Return positions in an order whose every beginning is spread evenly over all."""
    order = np.argsort([int(f"{at:032b}"[::-1], 2) for at in range(len(positions))], kind="stable")
    return [positions[at] for at in order]


def _preview(record: IndexRecord) -> str | None:
    """Return a data URI that shows a record, or None if it cannot be read."""
    try:
        media = record.provenance.check_unchanged(record.media)  # a page is passed on: it shows what was indexed alone
        if isinstance(media, Image):
            file = image_file(media, max_pixels=PIXELS, quality=QUALITY)
            return _uri(file.data, file.mime_type)
        if isinstance(media, Video):
            (_, file), *_ = frame_files(media, frames=1, max_pixels=PIXELS, quality=QUALITY)
            return _uri(file.data, file.mime_type)
        return _uri(_sound(media), "audio/ogg") if isinstance(media, Audio) else None
    except (MediaError, ImportError):
        return None


def _sound(media: Media) -> bytes:
    """Return the beginning of a recording's span as a small Ogg file.

    Raises:
        MediaError: If it cannot be decoded.
    """
    soundfile = require("soundfile", extra="audio", feature="a sound on a map")
    start = media.span[0] if media.span is not None else 0.0
    end = media.span[1] if media.span is not None else SECONDS
    waveform = media.part(span=(start, min(end, start + SECONDS))).decode(sampling_rate=RATE)
    samples = np.clip(waveform.samples, -1.0, 1.0)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=RATE, channels=1, format="OGG", subtype="VORBIS") as writer:
        for at in range(0, len(samples), RATE):  # libsndfile's Vorbis encoder overflows its stack on long blocks
            writer.write(samples[at : at + RATE])
    return file.getvalue()


def _uri(data: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode('ascii')}"
