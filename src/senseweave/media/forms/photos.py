"""Recognize raw photos of cameras, most of them TIFF files by their first bytes, and JPEG XL."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from senseweave.media.forms.content import Content

RAW: Final = Content("image/x-raw", ("image",), "RAW")
JPEG_XL: Final = Content("image/jxl", ("image",), "JXL")
_JXL: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_RAW: Final = (b"II*\0\x10\0\0\0CR", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")
"""Canon CR2, Olympus, Panasonic, Fujifilm, Sigma and Minolta."""
_MAKE, _SUBFILE, _INNER, _DNG = 271, 254, 330, 50706
"""Tags of TIFF: the maker, whether a picture is a smaller version, the directories inside, and the version of DNG."""
_MOST_TAGS = 200


def identify_photo(file: BinaryIO, head: bytes, content: Content) -> Content | None:
    """Return what a photo is that its first bytes say too little of, or None.

    Args:
        file: Seekable; of a download it may be only the beginning.
        head: Its first bytes.
        content: What they were taken for.
    """
    if head.startswith(_RAW) or (head[4:8] == b"ftyp" and head[8:12] == b"crx "):
        return RAW
    if content.mime_type == "image/tiff":
        return RAW if _is_raw(_tags(file, head)) else None
    if head.startswith(_JXL):
        return JPEG_XL
    return None


def _is_raw(tags: dict[int, int]) -> bool:
    """Return whether the first directory of a TIFF is that of a raw photo: its own picture is only a preview."""
    return _DNG in tags or (_MAKE in tags and _INNER in tags and tags.get(_SUBFILE) == 1)


def _tags(file: BinaryIO, head: bytes) -> dict[int, int]:
    """Return the tags of the first directory of a TIFF with their values or offsets."""
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or struct.unpack(f"{order}H", head[2:4])[0] != 42:
        return {}
    file.seek(struct.unpack(f"{order}I", head[4:8])[0])
    count = min(struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0], _MOST_TAGS)
    data = file.read(12 * count)
    entries = struct.iter_unpack(f"{order}HHII", data[: len(data) // 12 * 12])
    return {tag: value for tag, _, _, value in entries}
