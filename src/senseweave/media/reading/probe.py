"""Ask FFmpeg what a file is that its first bytes do not tell, in a bounded look at its beginning."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, Final

from senseweave.media.forms.content import Content
from senseweave.media.reading.containers import moving_pictures, refuse_file

PROBED_BYTES: Final = 1 << 20
LEAST_FRAMES: Final = 3
"""Frames that must decode: FFmpeg takes any bytes for some bare stream."""
_MOST_FRAMES: Final = 20
_MOST_PACKETS: Final = 400
_MOST_BROKEN: Final = 8
"""Packets that may fail before: a recording may begin in the middle of one, and a film between two key frames."""
_DEMUXERS: Final[dict[str, str]] = {
    "mpegts": "video/mp2t",
    "mpeg": "video/mpeg",
    "mxf": "application/mxf",
    "gxf": "application/gxf",
    "dv": "video/x-dv",
    "h264": "video/h264",
    "hevc": "video/h265",
    "vvc": "video/h266",
    "obu": "video/av1",
    "h263": "video/h263",
    "mpegvideo": "video/mpeg",
    "m4v": "video/mp4v-es",
    "vc1": "video/vc1",
    "dirac": "video/x-dirac",
    "swf": "application/x-shockwave-flash",
    "wtv": "video/x-ms-wtv",
    "flic": "video/x-fli",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "loas": "audio/mp4a-latm",
    "ac3": "audio/ac3",
    "eac3": "audio/eac3",
    "dts": "audio/vnd.dts",
    "dtshd": "audio/vnd.dts.hd",
    "truehd": "audio/vnd.dolby.mlp",
    "mlp": "audio/vnd.dolby.mlp",
    "ircam": "audio/x-ircam",
    "sds": "audio/x-sds",
    "avr": "audio/x-avr",
    "pvf": "audio/x-pvf",
    "sox": "audio/x-sox",
    "ast": "audio/x-ast",
    "shn": "audio/x-shorten",
    "oma": "audio/x-oma",
    "qcp": "audio/qcelp",
    "xwma": "audio/x-xwma",
}
"""The demuxers that may answer, each with its MIME type; none reads a playlist or a second file."""


def probe(file: BinaryIO) -> Content | None:
    """Return what FFmpeg takes a file for, if it decodes the beginning; None without PyAV, or if it does not.

    Args:
        file: Seekable.
    """
    try:
        import av
    except ImportError:
        return None
    file.seek(0)
    options = {"format_whitelist": ",".join(_DEMUXERS), "protocol_whitelist": "", "probesize": str(PROBED_BYTES)}
    try:
        with av.open(
            io.BytesIO(file.read(PROBED_BYTES)), options=options, io_open=refuse_file, metadata_errors="replace"
        ) as container:
            name = container.format.name.partition(",")[0]
            pictures = moving_pictures(container)
            stream = next(iter(pictures or container.streams.audio), None)
            if (
                name not in _DEMUXERS
                or stream is None
                or stream.codec_context is None
                or not _decodes(container, stream)
            ):
                return None
            return Content(_DEMUXERS[name], ("video", "audio") if pictures else ("audio",), name)
    except Exception:  # whatever FFmpeg says of a file that is none of these
        return None


def _decodes(container: Any, stream: Any) -> bool:
    """Return whether frames of a stream decode, and more packets than fail."""
    frames = broken = 0
    for number, packet in enumerate(container.demux(stream)):
        try:
            frames += len(packet.decode())
        except Exception:
            broken += 1
        if frames >= _MOST_FRAMES or broken > _MOST_BROKEN or number > _MOST_PACKETS:
            break
    return frames >= LEAST_FRAMES and frames > 2 * broken
