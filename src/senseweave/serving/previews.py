"""Small pictures, waveforms and cut spans of records, made on demand."""

from __future__ import annotations

import io
import math
from typing import Any, Final

import numpy as np
from cachetools import LRUCache

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.forking import Lock
from senseweave.media import Audio, Video
from senseweave.media.export import Exported, frame_files, image_file, sound_file
from senseweave.media.reading.containers import moving_pictures
from senseweave.media.reading.ffmpeg import open_container, zero_time
from senseweave.retrieval.listing import IndexRecord
from senseweave.serving.errors import ApiError
from senseweave.serving.files import RecordFiles, shown_provenance

SIDES: Final = (160, 320, 640, 1280)
"""Widths of thumbnails, in pixels; a request gets the next larger."""
CACHE_BYTES: Final = 64 * 1024**2
CLIP_SECONDS: Final = 300.0
"""Longest span that is cut."""
CLIP_RATE: Final = 44_100
"""Sampling rate of cut sound, in Hz."""
WAVEFORM_RATE: Final = 8_000
WAVEFORM_SECONDS: Final = 600.0
BARS: Final = 96
BESIDE_SECONDS: Final = 10.0
"""How far apart in a file sound and pictures of one moment are, at most."""
WEB_CODECS: Final = {"vp8", "vp9", "av1", "opus", "vorbis"}
MP4_CODECS: Final = {"h264", "hevc", "av1", "mpeg4", "aac", "mp3"}


class Previews:
    """Makes previews, and keeps the newest of them in memory."""

    def __init__(self, files: RecordFiles) -> None:
        self._files = files
        self._kept: LRUCache[Any, Exported] = LRUCache(CACHE_BYTES, getsizeof=lambda file: len(file.data))
        self._lock = Lock()

    def thumbnail(self, record: IndexRecord, width: int) -> Exported:
        """Return a JPEG of an image, of a page or of a frame in the middle of a span; of sound, its waveform as SVG.

        Raises:
            ApiError: If the record has no picture, or its file is gone.
        """
        side = next((size for size in SIDES if size >= width), SIDES[-1])
        return self._once(("thumbnail", record.id, shown_provenance(record.provenance).sha256, side), record, side)

    def waveform(self, record: IndexRecord) -> list[float]:
        """Return the loudness of a recording in `BARS` steps, from 0 to 1.

        Raises:
            ApiError: If the record is no sound, or its file is gone.
        """
        if record.provenance.modality != "audio":
            raise ApiError(404, "no_waveform", "only recordings have a waveform")
        with self._files.media(record) as media:
            start, end = media.span or (0.0, media.duration or WAVEFORM_SECONDS)
            shown = media.part(span=(start, min(end, start + WAVEFORM_SECONDS)))
            samples = np.abs(shown.decode(sampling_rate=WAVEFORM_RATE).samples)
        peaks = np.array([part.max(initial=0.0) for part in np.array_split(samples, BARS)])
        return [round(float(peak), 3) for peak in peaks / max(float(peaks.max(initial=0.0)), 1e-6)]

    def clip(self, record: IndexRecord, start: float | None, end: float | None) -> Exported:
        """Return a span of a recording as WAV, or of a video as its own packets from the key frame before the span on.

        Args:
            record: Of the recording or video.
            start: Seconds of the source; None for those of the record.
            end: As `start`.

        Raises:
            ApiError: If the record has no such span, or its file is gone.
        """
        modality = shown_provenance(record.provenance).modality
        if modality not in ("audio", "video"):
            raise ApiError(404, "no_clip", "only recordings and videos have spans")
        known = record.provenance.span or (0.0, CLIP_SECONDS)
        span = (known[0] if start is None else start, known[1] if end is None else end)
        if not (math.isfinite(span[0]) and math.isfinite(span[1]) and 0 <= span[0] < span[1]):
            raise ApiError(422, "invalid_span", "a span is 0 <= start < end, in seconds")
        if span[1] - span[0] > CLIP_SECONDS:
            raise ApiError(422, "invalid_span", f"a clip has at most {CLIP_SECONDS:g} seconds")
        if span[0] > self._files.longest_seconds:
            raise ApiError(422, "invalid_span", f"no file is longer than {self._files.longest_seconds:g} seconds here")
        with self._files.media(record, span=span) as media:
            if isinstance(media, Audio):
                return sound_file(media, sampling_rate=CLIP_RATE)
            return cut_video(media, *span)

    def _once(self, key: Any, record: IndexRecord, side: int) -> Exported:
        with self._lock:
            kept: Exported | None = self._kept.get(key)
        if kept is None:
            kept = self._picture(record, side)
            if len(kept.data) <= CACHE_BYTES // 8:
                with self._lock:
                    self._kept[key] = kept
        return kept

    def _picture(self, record: IndexRecord, side: int) -> Exported:
        shown = shown_provenance(record.provenance)
        if shown.modality == "audio":
            return Exported(_waveform_svg(self.waveform(record)), "image/svg+xml")
        if shown.modality == "text" and (shown.page is None or shown.mime_type != "application/pdf"):
            raise ApiError(404, "no_thumbnail", "texts have no picture")
        pixels = side * side * 3 // 4
        with self._files.media(record) as media:
            if isinstance(media, Video):
                return frame_files(media, frames=1, max_pixels=pixels)[0][1]
            return image_file(media, max_pixels=pixels)


def cut_video(media: Video, start: float, end: float) -> Exported:
    """Return the packets of a video from the last key frame before `start` to `end`; nothing is encoded again.

    Raises:
        MediaError: If there is nothing in the span, or the codec fits no container for the web.
    """
    av = require("av", extra="video", feature="cutting videos")
    source = media._source
    output = io.BytesIO()
    with source.open() as file, open_container(file, source.content, media.source) as container:
        tracks = [*moving_pictures(container)[:1], *container.streams.audio[:1]]
        codecs = {track.codec_context.name for track in tracks}
        name = "mp4" if codecs <= MP4_CODECS else "webm" if codecs <= WEB_CODECS else "matroska"
        zero = zero_time(container, tracks[0])
        container.seek(int((start + zero) * 1_000_000), backward=True)
        with av.open(output, "w", format=name) as target:
            copies = {track.index: target.add_stream_from_template(track) for track in tracks}
            first: float | None = None
            last = -math.inf
            early: list[Any] = []
            ended: set[int] = set()
            for packet in container.demux(tracks):
                if packet.dts is None or packet.pts is None:
                    continue
                decoded = float(packet.dts * packet.time_base) - zero
                if decoded >= end:  # pictures are not in the order in which they are shown, and sound comes beside them
                    ended.add(packet.stream.index)
                    if len(ended) == len(tracks) or decoded >= end + BESIDE_SECONDS:
                        break
                    continue
                if packet.stream is tracks[0]:
                    last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base) - zero)
                early.append(packet)
                if first is None and packet.stream is tracks[0] and packet.is_keyframe:
                    first = float(packet.pts * packet.time_base)
                if first is not None:
                    for waiting in early:
                        _copy(waiting, copies, first, target)
                    early.clear()
                    media.policy.check_bytes(media.source, output.tell())
            if first is None or last < start:
                raise MediaError(media.source, f"has no pictures from {start:g} to {end:g} seconds")
    mime_type = {"mp4": "video/mp4", "webm": "video/webm"}.get(name, "video/x-matroska")
    return Exported(output.getvalue(), mime_type)


def _copy(packet: Any, copies: dict[int, Any], first: float, target: Any) -> None:
    """Write a packet with its times counted from `first`, in seconds; what is shown before that is left out."""
    shift = round(first / packet.time_base)
    if packet.pts < shift:
        return
    packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
    packet.stream = copies[packet.stream.index]
    target.mux(packet)


def _waveform_svg(peaks: list[float]) -> bytes:
    bars = "".join(
        f'<rect x="{at * 4}" y="{40 - height:.1f}" width="3" height="{2 * height:.1f}" rx="1"/>'
        for at, height in enumerate(max(peak * 38, 1.0) for peak in peaks)
    )
    size = f'viewBox="0 0 {len(peaks) * 4} 80"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="#6a7fb5">{bars}</svg>'.encode()
