"""Decode files one after the other, in a process whose memory is bounded, and say what came of each.

Usage: judge.py MEGABYTES, then one JSON list per line on standard input: [kind, path]. One JSON object per line comes
back: {"verdict": "value" | "error" | "escaped", "words": ..., "megabytes": peak resident memory so far}.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from pathlib import Path

import numpy as np

from senseweave.errors import MediaError
from senseweave.media import Audio, Image, Text, Video, collect, split


def decode(kind: str, path: str) -> str:
    """Decode a file and describe the values; they are finite or this fails."""
    if kind == "image":
        return str(np.asarray(Image(path).decode()).shape)
    if kind == "audio":
        sound = Audio(path).decode(sampling_rate=16_000)
        assert np.isfinite(sound.samples).all()
        assert np.abs(sound.samples).max() <= 1
        return f"{len(sound.samples)} samples; {'; '.join(sound.notes)}"
    if kind == "video":
        clip = Video(path).decode(frames=4, sampling_rate=16_000)
        assert len(clip.frames) == 4
        return f"{clip.frames.shape}; {'; '.join(clip.notes)}"
    if kind == "text":
        return f"{len(Text.open(path).decode())} letters"
    if kind == "page":
        return str(Image(path, page=1).decode().size)
    if kind == "parts":
        return read_parts(path)
    found = list(collect(path))
    for item in found:
        if isinstance(item, MediaError):
            raise item
        item.decode()
    return f"{len(found)} media"


def read_parts(path: str) -> str:
    """Read and divide all that a document holds, whatever of it cannot be read, and count both."""
    read = failed = 0
    for item in collect(path):
        try:
            if isinstance(item, MediaError):
                raise item
            for chunk in split(item, characters=200):
                chunk.decode()
            read += 1
        except MediaError:
            failed += 1
    if not read:
        raise MediaError(path, f"{failed} media that cannot be read")
    return f"{read} media, {failed} that cannot be read"


def main() -> None:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")
    limit = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        kind, path = json.loads(line)
        try:
            verdict, words = "value", decode(kind, path)
        except MediaError as error:
            verdict, words = "error", error.reason
        except BaseException as error:
            verdict, words = "escaped", f"{type(error).__name__}: {error}"
        # Not getrusage: its maximum is inherited from the process that started this one.
        peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
        print(json.dumps({"verdict": verdict, "words": words, "megabytes": peak}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
