"""Decide whether a sound file's own statement of its length can be what it holds."""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO, Final

from senseweave.media.forms.content import HEAD_BYTES, tag_length
from senseweave.media.forms.packets import mpeg_packet

_TAIL_BYTES: Final = 1 << 16
"""The longest page of Ogg; a tag at the end of an MP3 is shorter."""
_SCAN_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 200
"""The header of LAME follows the side information of the first packet."""
_MOST_CHUNKS: Final = 10_000
_UNKNOWN_SIZE: Final = 0x7FFFFF00
"""A program that cannot go back to the header writes this size or a larger one, or 0."""


def states_length(file: BinaryIO, reader: str) -> bool:
    """Return whether libsndfile can know the length of a file without decoding it.

    It cannot of an MP3 without the header of LAME, of which it reads as many packets as it estimates, nor of what
    follows the first of several files that were joined, nor of a WAV file whose recorder never wrote the size.

    Args:
        file: Seekable; its position is lost.
        reader: The reader of its content, for example `mp3`.
    """
    if reader == "mp3":
        return _has_header(file)
    if reader == "ogg":
        return not _is_chained(file)
    if reader == "wav":
        return _data_size(file) != 0
    return True


def shortfall_note(log: str, seconds: float) -> str | None:
    """Return what a user should know of a file that is shorter than its header says, or None.

    Args:
        log: What libsndfile tells of a file whose size it has corrected.
        seconds: The length that it holds.
    """
    for promised, actual in re.findall(r"^ *(?:data|SSND) : (\d+) \(should be (\d+)\)", log, re.MULTILINE):
        if int(actual) < int(promised) < _UNKNOWN_SIZE:
            header = seconds * int(promised) / max(1, int(actual))
            return f"the sound ends at {seconds:.2f} seconds, not at {header:.2f} as in its header"
    return None


def lacks_end(file: BinaryIO) -> bool:
    """Return whether the last page of an Ogg file is not marked as the last; the position of the file is lost."""
    page = _last_page(file)
    return page is not None and not page[5] & 4


def _has_header(file: BinaryIO) -> bool:
    """Return whether an MP3 begins with a header that counts its packets, and no other file follows them."""
    file.seek(0)
    start = tag_length(file.read(HEAD_BYTES))
    file.seek(start)
    head = file.read(HEAD_BYTES)
    at = max(head[:_HEADER_BYTES].find(b"Xing"), head[:_HEADER_BYTES].find(b"Info"))
    if mpeg_packet(head) is None or at < 0 or len(head) < at + 16:
        return False
    flags, _, size = struct.unpack_from(">III", head, at + 4)
    if flags & 3 != 3:  # the number of packets and the number of bytes
        return False
    rest = file.seek(0, io.SEEK_END) - start - size
    if rest > _TAIL_BYTES:
        return False
    file.seek(start + size)
    following = file.read(_TAIL_BYTES)
    return mpeg_packet(following[tag_length(following) :]) is None


def _is_chained(file: BinaryIO) -> bool:
    """Return whether streams begin in the middle of an Ogg file: files that were joined."""
    file.seek(0)
    held, after_start = b"", False
    while chunk := file.read(_SCAN_BYTES):
        held += chunk
        for match in re.finditer(rb"OggS\0([\0-\7])", held):
            begins = bool(match[1][0] & 2)
            if begins and after_start:
                return True
            after_start = after_start or not begins
        held = held[-5:]
    return False


def _last_page(file: BinaryIO) -> bytes | None:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2 * _TAIL_BYTES))
    tail = file.read(2 * _TAIL_BYTES)
    return next(iter(_pages(tail)[::-1]), None)


def _pages(data: bytes) -> list[bytes]:
    """Return the headers of the pages that begin in some bytes."""
    starts = [match.start() for match in re.finditer(rb"OggS\0[\0-\7]", data)]
    return [data[start : start + 27] for start in starts if len(data) >= start + 27]


def _data_size(file: BinaryIO) -> int | None:
    """Return the size of the samples of a WAV file as its header says, or None if it has none."""
    file.seek(12)
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            return int(size)
        file.seek(size + size % 2, io.SEEK_CUR)
    return None
