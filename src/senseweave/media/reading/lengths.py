"""Decide whether a sound file's own statement of its length can be what it holds."""

from __future__ import annotations

import io
import re
import struct
from typing import Any, BinaryIO, Final

from senseweave.media.forms.content import HEAD_BYTES, tag_length
from senseweave.media.forms.packets import mpeg_packet

SHORTFALL: Final = 0.1
"""Seconds by which sound may end before the time in its header without a note."""
_TAIL_BYTES: Final = 1 << 16
"""The longest page of Ogg; a tag at the end of an MP3 is shorter."""
_SCAN_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 200
"""The header of LAME follows the side information of the first packet."""
_MOST_CHUNKS: Final = 10_000
_UNKNOWN_SIZE: Final = 0x7FFFFF00
"""A program that cannot go back to the header writes this size or a larger one, or 0."""

_TAGS: Final = (b"TAG", b"APET", b"LYRI", b"ID3")
"""How tags begin that may end an MP3."""
_CORRECTED: Final = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
"""How libsndfile says that it has corrected a size."""


def states_length(file: BinaryIO, reader: str) -> bool:
    """Return whether libsndfile can know the length of a file without decoding it.

    It cannot of an MP3 without the header of LAME, of which it reads as many packets as it estimates, nor of one with
    damage between its packets, where it stops, nor of what follows the first of several files that were joined, nor of
    a WAV file whose recorder never wrote the size.

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
    for promised, actual in _CORRECTED.findall(log):
        if int(actual) < int(promised) < _UNKNOWN_SIZE:
            header = seconds * int(promised) / max(1, int(actual))
            if header - seconds < SHORTFALL:
                return None
            return f"the sound ends at {seconds:.2f} seconds, not at {header:.2f} as in its header"
    return None


def end_note(file: BinaryIO, reader: str) -> str | None:
    """Return what a user should know of the end of a sound file, by its headers, or None.

    Args:
        file: Seekable; its position is lost.
        reader: The reader of its content.
    """
    if reader == "ogg" and _lacks_end(file):
        return "the file has no mark of its end: it may have been cut"
    if reader == "wav":
        return _joined_note(file)
    return cut_note(file, reader) if reader == "caf" else None


def _joined_note(file: BinaryIO) -> str | None:
    """Return what a user should know of a WAV file behind which another begins, or None; its position is lost."""
    file.seek(4)
    size = int.from_bytes(file.read(4), "little")
    file.seek(8 + size + size % 2)
    following = file.read(12)
    if following[:4] == b"RIFF" and following[8:] == b"WAVE":
        return "another WAV file follows the first and is not read; put each into a file of its own"
    return None


def cut_note(file: BinaryIO, reader: str) -> str | None:
    """Return what a user should know of an AVI or CAF file that is shorter than its header says, or None.

    Args:
        file: Seekable; its position is lost.
        reader: The reader of its content.
    """
    file.seek(4)
    stated = _caf_size(file) if reader == "caf" else int.from_bytes(file.read(4), "little") + 8
    size = file.seek(0, io.SEEK_END)
    if size < stated - 1 and stated < _UNKNOWN_SIZE:  # a last byte that only fills up may be missing
        return f"the file ends early: it has {size:,} of the {stated:,} bytes that its header says"
    return None


def _lacks_end(file: BinaryIO) -> bool:
    """Return whether the last page of an Ogg file is not marked as the last; the position of the file is lost."""
    page = _last_page(file)
    return page is not None and not page[5] & 4


def _caf_size(file: BinaryIO) -> int:
    """Return where the last chunk of a CAF file ends as the headers say; 0 where it is not said."""
    end = 8
    for _ in range(_MOST_CHUNKS):
        file.seek(end)
        header = file.read(12)
        if len(header) < 12:
            break
        size = struct.unpack_from(">q", header, 4)[0]
        if size < 0:
            return 0
        end += 12 + size
    return end


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
    return mpeg_packet(following[tag_length(following) :]) is None and _is_unbroken(file, start, start + size)


def _is_unbroken(file: BinaryIO, start: int, end: int) -> bool:
    """Return whether packets of MPEG audio follow each other from one place in a file to another, or to its end."""
    lengths: dict[bytes, int] = {}
    while start + 4 <= end:
        file.seek(start)
        block = file.read(min(_SCAN_BYTES, end - start))
        if len(block) < 4:
            break
        at = 0
        while at + 4 <= len(block):
            header = block[at : at + 4]
            if header not in lengths:
                packet = mpeg_packet(header)
                if packet is None:
                    return header.startswith(_TAGS)
                if not packet.length:  # a free bit rate, which the header does not tell
                    return True
                lengths[header] = packet.length
            at += lengths[header]
        start += at
    return True


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


class ReplacedStart(io.RawIOBase):
    """A file whose first bytes are others, for readers that take the size in them at its word."""

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        """Replace the first bytes of a file, which is closed with this."""
        self._file, self._start = file, start
        file.seek(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place and return it."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and return the number of bytes."""
        at = self._file.tell()
        data = self._file.read(len(buffer))
        if at < len(self._start):
            data = self._start[at : at + len(data)] + data[len(self._start) - at :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def lacks_long_size(file: BinaryIO) -> bool:
    """Return whether an RF64 file was never given its size: its recorder lost power. The file is back at its start."""
    file.seek(0)
    unwritten = file.read(4) in (b"RF64", b"BW64") and _data_size(file) == 0
    file.seek(0)
    return unwritten


def _data_size(file: BinaryIO) -> int | None:
    """Return the size of the samples of a WAV file as its header says, or None if it has none."""
    file.seek(12)
    long_size: int | None = None
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            return int(size) if long_size is None else long_size
        if name == b"ds64" and size >= 16:  # of RF64, whose sizes take eight bytes
            long_size = int.from_bytes(file.read(16)[8:], "little")
            size -= 16
        file.seek(size + size % 2, io.SEEK_CUR)
    return None
