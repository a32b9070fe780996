"""A small photo of each kind that Pillow alone does not read, for tests that break them."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image as PILImage


def photo_samples(make) -> dict[str, bytes]:
    """The photos by kind."""
    picture = make.picture()
    heic = io.BytesIO()
    pillow_heif.from_pillow(PILImage.fromarray(picture)).save(heic)
    return {
        "heic": heic.getvalue(),
        "jxl": imagecodecs.jpegxl_encode(picture, lossless=True),
        "jxl box": imagecodecs.jpegxl_encode_jpeg(make.image(picture, "JPEG")),
        "dng": dng(make, make.image(make.picture(640, 480), "JPEG")),
        "dng developed": dng(make, make.image(picture, "JPEG")),
    }


def dng(make, preview):
    """A DNG of 16-bit samples behind a filter of colors, with a preview in JPEG in its first directory."""
    height, width = 96, 128
    samples = np.linspace(2_000, 20_000, height * width).astype("<u2").tobytes()
    extra = b""

    def directory(tags, start):
        nonlocal extra
        body = struct.pack("<H", len(tags))
        for tag, (kind, values) in sorted(tags.items()):
            size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}[kind]
            data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{'BBHI'[kind - 1]}", *values)
            if len(data) > 4:
                place, extra = start + len(extra), extra + data + b"\0" * (len(data) % 2)
                data = struct.pack("<I", place)
            body += struct.pack("<HHI", tag, kind, len(values) // (size if isinstance(values, bytes) else 1))
            body += data.ljust(4, b"\0")
        return body + bytes(4)

    matrix = struct.pack("<18i", *(part for at in range(9) for part in (int(at % 4 == 0), 1)))
    first_size, second_size = 2 + 12 * 17 + 4, 2 + 12 * 11 + 4
    second_at = 8 + first_size
    extra_at = second_at + second_size
    data_at = extra_at + 400
    shown = {
        254: (4, [1]), 256: (4, [640]), 257: (4, [480]), 258: (3, [8, 8, 8]), 259: (3, [7]), 262: (3, [6]),
        271: (2, b"Maker\0"), 272: (2, b"Model\0"), 273: (4, [data_at + len(samples)]), 274: (3, [1]),
        277: (3, [3]), 278: (4, [480]), 279: (4, [len(preview)]), 330: (4, [second_at]),
        50706: (1, [1, 4, 0, 0]), 50708: (2, b"Maker Model\0"), 50721: (10, matrix),
    }  # fmt: skip
    inner = {
        254: (4, [0]), 256: (4, [width]), 257: (4, [height]), 258: (3, [16]), 259: (3, [1]), 262: (3, [32803]),
        273: (4, [data_at]), 277: (3, [1]), 279: (4, [len(samples)]), 33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2]),
    }  # fmt: skip
    first = directory(shown, extra_at)
    second = directory(inner, extra_at)
    assert (len(first), len(second)) == (first_size, second_size)
    return b"II*\0\x08\0\0\0" + first + second + extra.ljust(400, b"\0") + samples + preview
