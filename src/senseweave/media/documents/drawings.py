"""Pictures in workbooks of Excel 97, which keep them in records of their own ([MS-ODRAW], [MS-XLS] 2.4.170)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

BOF, EOF, SHEET, GROUP, DRAWING, CONTINUE = 0x0809, 0x000A, 0x0085, 0x00EB, 0x00EC, 0x003C
_CONTAINER: Final = 0x000F
_BLIPS: Final[dict[int, str]] = {
    0xF01A: ".emf",
    0xF01B: ".wmf",
    0xF01C: ".pict",
    0xF01D: ".jpg",
    0xF01E: ".png",
    0xF01F: ".bmp",
    0xF029: ".tif",
    0xF02A: ".jpg",
}
"""Suffixes of pictures by the type of their record."""
_METAFILES: Final = (0xF01A, 0xF01B, 0xF01C)
_TWO_HASHES: Final = frozenset({0x3D5, 0x217, 0x543, 0x46B, 0x6E3, 0x6E1, 0x7A9, 0x6E5})
"""Instances of records that hold the hash of the picture twice."""
_STORED, _PROPERTIES = 0xF007, 0xF00B
_PICTURE: Final = 0x0104
"""The property of a shape that is the number of its picture."""
_LARGEST_METAFILE: Final = 64 * 1024**2
_NESTED: Final = 20


class Picture(NamedTuple):
    """A picture in a workbook: its name, the sheet that shows it or None, and the record that holds it."""

    name: str
    page: int | None
    kind: int
    instance: int
    data: memoryview

    def read(self) -> bytes:
        """Return the file of the picture; empty if it is broken."""
        start = 32 if self.instance in _TWO_HASHES else 16
        if self.kind not in _METAFILES:
            content = bytes(self.data[start + 1 :])
            return _bitmap_header(content) + content if self.kind == 0xF01F else content
        packed = self.data[start + 34 :]
        if bytes(self.data[start + 32 : start + 33]) == b"\xfe":  # not compressed
            return bytes(packed)
        try:
            return zlib.decompressobj().decompress(packed, _LARGEST_METAFILE)
        except zlib.error:
            return b""


def pictures(workbook: bytes) -> Iterator[Picture]:
    """Yield the pictures of a workbook in their order.

    Args:
        workbook: Its stream `Workbook`.
    """
    group = bytearray()
    drawn: dict[int, bytearray] = {}
    sheets: dict[int, int] = {}
    page: int | None = None
    depth, target = 0, None
    for place, record, data in _records(workbook):
        if record == BOF:
            page = sheets.get(place, page) if depth == 0 else page
            depth += 1
        elif record == EOF:
            depth -= 1
            page = None if depth <= 0 else page
        elif record == SHEET and len(data) >= 6 and data[5] == 0:
            sheets[int.from_bytes(data[:4], "little")] = len(sheets) + 1
        target = group if record == GROUP else target if record == CONTINUE else None
        if record == DRAWING and page is not None and depth == 1:
            target = drawn.setdefault(page, bytearray())
        if target is not None:
            target += data
    shown: dict[int, int] = {}
    for number, shapes in drawn.items():
        for picture in _shown(memoryview(shapes)):
            shown.setdefault(picture, number)
    for number, (kind, instance, body) in enumerate(_stored(memoryview(group)), 1):
        if kind in _BLIPS:
            yield Picture(f"picture-{number}{_BLIPS[kind]}", shown.get(number), kind, instance, body)


def _records(workbook: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield place, type and data of each record of a workbook."""
    at = 0
    while at + 4 <= len(workbook):
        kind, length = struct.unpack_from("<HH", workbook, at)
        yield at, kind, workbook[at + 4 : at + 4 + length]
        at += 4 + length


def _drawing_records(data: memoryview, depth: int = 0) -> Iterator[tuple[int, int, memoryview]]:
    """Yield type, instance and data of each record of a drawing, without the containers of others."""
    at = 0
    while at + 8 <= len(data):
        version, kind, length = struct.unpack_from("<HHI", data, at)
        body = data[at + 8 : at + 8 + length]
        if version & 0xF == _CONTAINER and depth < _NESTED:
            yield from _drawing_records(body, depth + 1)
        else:
            yield kind, version >> 4, body
        at += 8 + length


def _stored(group: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield type, instance and data of each stored picture; a type of 0 where an entry holds none."""
    for kind, instance, body in _drawing_records(group):
        if kind in _BLIPS:
            yield kind, instance, body
        elif kind == _STORED:
            inner = body[36 + body[33] :] if len(body) > 36 else body[:0]
            yield next(_drawing_records(inner), (0, 0, inner))


def _shown(shapes: memoryview) -> Iterator[int]:
    """Yield the numbers of the pictures that shapes show."""
    for kind, count, body in _drawing_records(shapes):
        if kind == _PROPERTIES:
            for at in range(0, min(6 * count, len(body) - 5), 6):
                name, value = struct.unpack_from("<HI", body, at)
                if name & 0x3FFF == _PICTURE:
                    yield value


def _bitmap_header(content: bytes) -> bytes:
    """Return the header of a file that a bitmap lacks here."""
    if len(content) < 40:
        return b""
    size, bits, colors = int.from_bytes(content[:4], "little"), content[14], int.from_bytes(content[32:36], "little")
    palette = 4 * (colors or (1 << bits if bits <= 8 else 0))
    return b"BM" + struct.pack("<IHHI", 14 + len(content), 0, 0, 14 + size + palette)
