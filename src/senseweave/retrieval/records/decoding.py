"""Decode chunks once for all spaces of an index: images are shared, windows of a recording come from one stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final

from senseweave.errors import MediaError
from senseweave.forking import Lock
from senseweave.media import Media, Modality
from senseweave.spaces.held import held_bytes

SHARED: Final[dict[Modality, int]] = {"text": 512, "image": 16, "audio": 32, "video": 8}
"""Chunks whose decoded form is held at a time: enough for full batches, few enough for the memory of a laptop."""
KEPT_BYTES: Final = 256 * 1024**2
"""Bytes of decoded chunks that are held at a time; what is beyond them is decoded for each space anew."""
NEAR_SECONDS: Final = 2e-3
"""A streamed window is the planned window if it begins this near to it: samples fall on a grid."""

_Options = tuple[tuple[str, Any], ...]


@contextlib.contextmanager
def shared_decoding(chunks: Sequence[Media], windows: Mapping[int, tuple[float, float]], uses: int) -> Iterator[None]:
    """Let whoever decodes some chunks inside the block share what they decode.

    Args:
        chunks: What will be encoded, windows of one recording in their order.
        windows: By position in `chunks`, the length and overlap in seconds of those that are windows of a recording
            cut at fixed lengths; neighbours among them are decoded from one stream.
        uses: How many spaces encode each chunk.
    """
    streams = []
    for positions in _runs(chunks, windows):
        stream = _WindowStream([chunks[at] for at in positions], *windows[positions[0]])
        streams.append(stream)
        for number, at in enumerate(positions):
            chunks[at].shared = _WindowDecoder(stream, number)
    if uses > 1:
        kept = _Kept()
        for chunk in chunks:
            if chunk.shared is None and chunk.modality != "text":
                chunk.shared = _Once(chunk, kept)
    try:
        yield
    finally:
        for stream in streams:
            stream.stop()
        for chunk in chunks:
            chunk.shared = None


class _Kept:
    """Counts the bytes of decoded chunks that are kept for the next space."""

    def __init__(self) -> None:
        self._held = 0
        self._lock = Lock()

    def has_room(self, decoded: Any) -> bool:
        """Return whether a decoded chunk may be kept, and count it if so."""
        size = held_bytes(decoded)
        with self._lock:
            if self._held + size > KEPT_BYTES:
                return False
            self._held += size
            return True


class _Once:
    """Decodes a chunk once for each set of options, as long as there is room to keep what was decoded."""

    def __init__(self, chunk: Media, kept: _Kept) -> None:
        self._chunk = chunk
        self._kept = kept
        self._decoded: dict[_Options, Any] = {}
        self._lock = Lock()

    def __call__(self, options: Mapping[str, Any]) -> Any:
        with self._lock:
            key = tuple(sorted(options.items()))
            if key in self._decoded:
                return self._decoded[key]
            decoded = self._chunk.decode(**options)
            if self._kept.has_room(decoded):
                self._decoded[key] = decoded
            return decoded


class _WindowStream:
    """Neighbouring windows of one recording, decoded in one pass by a thread that starts with the first request."""

    def __init__(self, windows: Sequence[Media], seconds: float, overlap: float) -> None:
        first, last = windows[0].span, windows[-1].span
        assert first is not None
        assert last is not None
        self._whole = windows[0].part(span=(first[0], last[1]))
        self._windows = windows
        self._seconds = seconds
        self._overlap = overlap
        self._passes: dict[_Options, list[Future[Any]]] = {}
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._stopped = False

    def decoded(self, at: int, options: Mapping[str, Any]) -> Any:
        """Return a window's decoded form, waiting until the stream has reached it.

        Raises:
            MediaError: If it cannot be decoded.
        """
        key = tuple(sorted(options.items()))
        with self._lock:
            if key not in self._passes:
                self._passes[key] = [Future() for _ in self._windows]
                thread = Thread(target=self._run, args=(dict(options), self._passes[key]), daemon=True)
                self._threads.append(thread)
                thread.start()
        decoded = self._passes[key][at].result()
        # What the stream did not reach, or cut elsewhere, is decoded by itself: its error is then its own.
        return decoded if decoded is not None else self._windows[at].decode(**options)

    def stop(self) -> None:
        """End the passes that nobody waits for any more."""
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def _run(self, options: dict[str, Any], results: list[Future[Any]]) -> None:
        try:
            stream = self._whole.decoded_windows(self._seconds, self._overlap, **options)
            for window, result, (media, decoded) in zip(self._windows, results, stream, strict=False):
                assert window.span is not None
                near = media.span is not None and all(
                    abs(a - b) < NEAR_SECONDS for a, b in zip(media.span, window.span, strict=True)
                )
                result.set_result(decoded if near else None)
                if self._stopped:
                    break
        except MediaError:
            pass
        finally:
            for result in results:
                if not result.done():
                    result.set_result(None)


class _WindowDecoder:
    """Decodes one window of a stream."""

    def __init__(self, stream: _WindowStream, at: int) -> None:
        self._stream = stream
        self._at = at

    def __call__(self, options: Mapping[str, Any]) -> Any:
        return self._stream.decoded(self._at, options)


def _runs(chunks: Sequence[Media], windows: Mapping[int, tuple[float, float]]) -> Iterator[list[int]]:
    """Yield the positions of neighbouring windows of one recording, two and more."""
    run: list[int] = []
    for at, chunk in enumerate(chunks):
        if run and not (at in windows and _follows(chunks[run[-1]], chunk, *windows[at])):
            if len(run) > 1:
                yield run
            run = []
        if at in windows and chunk.span is not None:
            run.append(at)
    if len(run) > 1:
        yield run


def _follows(before: Media, after: Media, seconds: float, overlap: float) -> bool:
    """Return whether a window is the next of the same stream; the last window of a recording begins earlier."""
    if before.span is None or after.span is None or before._source is not after._source:
        return False
    return before.span[0] < after.span[0] < before.span[0] + seconds - overlap + NEAR_SECONDS
