"""Decode what Pillow does not: JPEG XL, and the preview in a raw photo of a camera."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Final

from senseweave.errors import MediaError
from senseweave.extras import require_reader
from senseweave.media.forms.content import Content
from senseweave.media.policy import MediaPolicy
from senseweave.media.reading.pixels import ORIENTATION, array_to_image

if TYPE_CHECKING:
    from PIL.Image import Image

READERS: Final = ("JXL", "RAW")
"""Values of `Content.reader` that `open_photo` opens."""
SMALLEST_PREVIEW: Final = 512
"""Pixels of the longer side from which a preview stands for the photo; otherwise the photo is developed."""
_TURNS = {3: 3, 5: 8, 6: 6}
"""EXIF's orientation for LibRaw's `flip`."""
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS = (9, 13, 18, 30)


def open_photo(data: bytes, content: Content, policy: MediaPolicy, source: str) -> Image:
    """Return a photo as Pillow opens others, with its orientation in its EXIF.

    Raises:
        MediaError: If it is broken or larger than the policy allows.
        MissingReaderError: If its library is not installed.
    """
    try:
        return _jpeg_xl(data, policy, source) if content.reader == "JXL" else _preview(data, policy, source)
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(source, f"is a broken {content.mime_type} file ({error or type(error).__name__})") from error


def _jpeg_xl(data: bytes, policy: MediaPolicy, source: str) -> Image:
    codecs = require_reader("imagecodecs", extra="photos", feature="reading JPEG XL", source=source)
    policy.check_pixels(source, *jpeg_xl_size(data))
    pixels = codecs.jpegxl_decode(data, index=0)
    return array_to_image(pixels, source)


def _preview(data: bytes, policy: MediaPolicy, source: str) -> Image:
    from PIL import Image as PILImage

    rawpy = require_reader("rawpy", extra="photos", feature="reading raw photos", source=source)
    with rawpy.imread(io.BytesIO(data)) as raw:
        policy.check_pixels(source, raw.sizes.raw_width, raw.sizes.raw_height)
        with contextlib.suppress(rawpy.LibRawError):
            preview = raw.extract_thumb()
            if preview.format == rawpy.ThumbFormat.JPEG:
                image = PILImage.open(io.BytesIO(preview.data), formats=["JPEG"])
                policy.check_pixels(source, *image.size)
                if max(image.size) >= min(SMALLEST_PREVIEW, max(raw.sizes.width, raw.sizes.height)):
                    if image.getexif().get(ORIENTATION, 1) == 1:
                        image.getexif()[ORIENTATION] = _TURNS.get(raw.sizes.flip, 1)
                    return image
        return PILImage.fromarray(raw.postprocess(half_size=True, use_camera_wb=True))


def jpeg_xl_size(data: bytes) -> tuple[int, int]:
    """Return width and height in the header of a JPEG XL image (ISO/IEC 18181-1, D.2).

    Raises:
        ValueError: If there is no such header.
    """
    at = 0 if data.startswith(b"\xff\x0a") else _codestream(data)
    if data[at : at + 2] != b"\xff\x0a":
        raise ValueError("no codestream")
    bits = int.from_bytes(data[at + 2 : at + 18], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)
    height = 8 * (take(5) + 1) if small else take(_SIZE_BITS[take(2)]) + 1
    ratio = take(3)
    if ratio:
        over, under = _RATIOS[ratio - 1]
        return height * over // under, height
    return (8 * (take(5) + 1) if small else take(_SIZE_BITS[take(2)]) + 1), height


def _codestream(data: bytes) -> int:
    """Return where the codestream begins in a container."""
    at = 0
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        header = 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            return at + header + (4 if kind == b"jxlp" else 0)
        if length < header:
            break
        at += length
    raise ValueError("no codestream")
