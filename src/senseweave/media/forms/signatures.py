"""Types that few files have, by their first bytes: what cameras, studios and older programs write."""

from __future__ import annotations

import re
from typing import Final

from senseweave.media.forms.content import Content

_FILM: Final = ("video", "audio")
_PREFIXES: Final[tuple[tuple[bytes, Content], ...]] = (
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", Content("application/mxf", _FILM, "mxf")),
    (b"DKIF\0\0", Content("video/x-ivf", _FILM, "ivf")),
    (b"YUV4MPEG2 ", Content("video/x-yuv4mpeg", _FILM, "yuv4mpegpipe")),
    (b".RMF\0\0\0", Content("application/vnd.rn-realmedia", _FILM, "rm")),
    (b"nut/multimedia container\0", Content("video/x-nut", _FILM, "nut")),
    (b"\0\0\1\xb3", Content("video/mpeg", ("video",), "mpegvideo")),
    (b"\x7f\xfe\x80\x01", Content("audio/vnd.dts", ("audio",), "dts")),
    (b"\xfe\x7f\x01\x80", Content("audio/vnd.dts", ("audio",), "dts")),
    (b"\x1f\xff\xe8\x00", Content("audio/vnd.dts", ("audio",), "dts")),
    (b"\xff\x1f\x00\xe8", Content("audio/vnd.dts", ("audio",), "dts")),
    (b"wvpk", Content("audio/x-wavpack", ("audio",), "wv")),
    (b"TTA1", Content("audio/x-tta", ("audio",), "tta")),
    (b"MAC \x96\x0f", Content("audio/x-ape", ("audio",), "ape")),
    (b"MPCKSH", Content("audio/x-musepack", ("audio",), "mpc8")),
    (b"tBaK", Content("audio/x-tak", ("audio",), "tak")),
    (b"Creative Voice File\x1a", Content("audio/x-voc", ("audio",), "voc")),
    (b"NIST_1A\n   1024\n", Content("audio/x-nist", ("audio",), "nistsphere")),
    (b"8BPS\0\1\0\0", Content("image/vnd.adobe.photoshop", ("image",), "PSD")),
    (b"icns\0", Content("image/x-icns", ("image",), "ICNS")),
    (b"DDS \x7c\0\0\0", Content("image/vnd-ms.dds", ("image",), "DDS")),
    (b"\x01\xda\x00", Content("image/sgi", ("image",), "SGI")),
    (b"\x01\xda\x01", Content("image/sgi", ("image",), "SGI")),
)
WRITTEN: Final = (b"YUV4MPEG2 ", b"NIST_1A\n   1024\n")
"""What types begin with whose first bytes may all be letters."""
_DV: Final = re.compile(rb"\x1f\x07\x00[\x3f\xbf]")
_H264: Final = re.compile(
    rb"\0{2,3}\x01(?:\x09.\0{2,3}\x01)?[\x27\x47\x67](?:[\x42\x4d\x58\x64\x6e\x7a\xf4])", re.DOTALL
)
_HEVC: Final = re.compile(rb"\0{2,3}\x01(?:\x46\x01.\0{2,3}\x01)?\x40\x01[\x0c\x01]", re.DOTALL)
_MPEG4: Final = re.compile(rb"\0\0\x01(?:\xb0.|[\0-\x1f]\0\0\x01\x20)", re.DOTALL)
_AC3_KILOBITS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_TGA_KINDS: Final = frozenset({1, 2, 3, 9, 10, 11})


def rarer_type(head: bytes) -> Content | None:
    """Return a type that `sniff` does not know, or None.

    Args:
        head: The first bytes of the content, `HEAD_BYTES` if there are as many.
    """
    for prefix, content in _PREFIXES:
        if head.startswith(prefix):
            return content
    if _has_packets(head, 4, 192) or _has_packets(head, 0, 204):
        return Content("video/mp2t", _FILM, "mpegts")
    if _DV.match(head):
        return Content("video/x-dv", _FILM, "dv")
    if _H264.match(head):
        return Content("video/h264", ("video",), "h264")
    if _HEVC.match(head):
        return Content("video/h265", ("video",), "hevc")
    if _MPEG4.match(head):
        return Content("video/mp4v-es", ("video",), "m4v")
    if head[:2] == b"\x0bw":
        return _dolby(head)
    if _is_icon(head):
        return Content("image/vnd.microsoft.icon", ("image",), "ICO" if head[2] == 1 else "CUR")
    if head[:1] == b"\x0a" and head[1:2] in b"\0\2\3\4\5" and head[2:3] == b"\1" and head[3:4] in b"\1\2\4\x08":
        return Content("image/x-pcx", ("image",), "PCX")
    if _is_targa(head):
        return Content("image/x-tga", ("image",), "TGA")
    return None


def _has_packets(head: bytes, start: int, length: int) -> bool:
    """Return whether packets of a transport stream follow each other at some distance."""
    marks = head[start::length]
    return len(marks) >= 3 and set(marks[:20]) == {0x47}


def _dolby(head: bytes) -> Content | None:
    """Return AC-3 or E-AC-3, if another packet follows where the first ends (ETSI TS 102 366)."""
    if len(head) < 6:
        return None
    if head[5] >> 3 > 10:
        length = 2 * ((head[2] & 7) << 8 | head[3]) + 2
        content = Content("audio/eac3", ("audio",), "eac3")
    else:
        rate, size = head[4] >> 6, head[4] & 63
        if rate == 3 or size >= 2 * len(_AC3_KILOBITS):
            return None
        bits = _AC3_KILOBITS[size // 2]
        words = {0: 2 * bits, 1: bits * 96_000 // 44_100 + size % 2, 2: 3 * bits}[rate]
        length = 2 * words
        content = Content("audio/ac3", ("audio",), "ac3")
    return content if head[length : length + 2] == b"\x0bw" else None


def _is_icon(head: bytes) -> bool:
    """Return whether an icon or a cursor begins: a few entries, each with an offset behind all of them."""
    if len(head) < 22 or head[:3] not in (b"\0\0\1", b"\0\0\2") or head[3]:
        return False
    count = int.from_bytes(head[4:6], "little")
    size, offset = int.from_bytes(head[14:18], "little"), int.from_bytes(head[18:22], "little")
    return 0 < count <= 64 and head[9] == 0 and size > 0 and offset >= 6 + 16 * count


def _is_targa(head: bytes) -> bool:
    """Return whether a header can be that of a Targa picture, which has no mark of its own."""
    if len(head) < 18 or head[1] > 1 or head[2] not in _TGA_KINDS or head[16] not in (8, 15, 16, 24, 32):
        return False
    palette = head[1] == 1
    if palette != (head[2] in (1, 9)) or (not palette and any(head[3:8])):
        return False
    width, height = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    return 0 < width <= 20_000 and 0 < height <= 20_000 and not head[17] & 0xC0 and head[17] & 15 in (0, 1, 8)
