"""Recognize bare packets of MPEG audio and AAC, which have no container, by their headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KILOBITS: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by version (2 for 2.5, too) and layer (ISO/IEC 11172-3 and 13818-3, table of bit_rate_index)."""
_RATES: Final = (44_100, 48_000, 32_000)


@dataclass(frozen=True)
class MPEGPacket:
    """The header of a packet of MPEG audio.

    Attributes:
        kind: Version, layer and sampling rate, which all packets of a stream share.
        length: In bytes, with the header; 0 for a free bit rate, which is not in the header.
        samples: Of each channel.
    """

    kind: tuple[float, int, int]
    length: int
    samples: int


def mpeg_packet(header: bytes) -> MPEGPacket | None:
    """Return what the first four bytes of a packet of MPEG audio say, or None for anything else."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version_bits, layer_bits = (header[1] >> 3) & 3, (header[1] >> 1) & 3
    bits, rate_bits, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
    if version_bits == 1 or layer_bits == 0 or bits == 15 or rate_bits == 3:
        return None
    version, layer = {0: 2.5, 2: 2.0, 3: 1.0}[version_bits], 4 - layer_bits
    rate = int(_RATES[rate_bits] / {1.0: 1, 2.0: 2, 2.5: 4}[version])
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 1.0 else 1152
    bit_rate = 1000 * _KILOBITS[1 if version == 1.0 else 2, layer][bits]
    length = 4 * (12 * bit_rate // rate + padding) if layer == 1 else samples // 8 * bit_rate // rate + padding
    return MPEGPacket((version, layer, rate), length if bits else 0, samples)


def is_mpeg_audio(data: bytes, *, certain: bool = False) -> bool:
    """Return whether bytes begin with a packet of MPEG audio, and another like it follows where it ends.

    Args:
        data: The bytes.
        certain: Whether bytes that end before the second packet are something else.
    """
    first = mpeg_packet(data)
    if first is None:
        return False
    if not first.length or len(data) < first.length + 4:
        return not certain
    following = mpeg_packet(data[first.length :])
    return following is not None and following.kind == first.kind


def is_adts(data: bytes, *, certain: bool = False) -> bool:
    """Return whether bytes begin with a packet of AAC in ADTS, and another follows where it ends.

    Args:
        data: The bytes.
        certain: Whether bytes that end before the second packet are something else, unless they are a header alone.
    """
    if not _is_adts_header(data):
        return False
    if len(data) < 7:
        return data[2] < 0x80  # in Cyrillic text two such letters begin a word, and more letters follow
    length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    if len(data) < length + 4:
        return length >= 7 and not certain
    return length >= 7 and _is_adts_header(data[length:])


def _is_adts_header(data: bytes) -> bool:
    return len(data) >= 4 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0 and (data[2] >> 2) & 15 < 13
