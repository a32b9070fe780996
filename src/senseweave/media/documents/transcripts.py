"""Transcripts with times: their words, each passage with the span of the recording that says them."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from senseweave.errors import MediaError
from senseweave.media.documents.base import Cue, DocumentReader, reject_page
from senseweave.media.documents.plain import read_text
from senseweave.media.documents.subtitles import Said, read_ass, read_lrc, read_sbv, read_ttml
from senseweave.media.forms.local_names import stored_name
from senseweave.media.forms.source import Source

RECORDINGS: Final = (
    *(".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus", ".aac", ".wma", ".aiff", ".amr"),
    *(".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp"),
)
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}")
_READERS: Final[dict[str, Callable[[str], Iterable[Said]]]] = {
    "text/x-ssa": read_ass,
    "text/x-lrc": read_lrc,
    "text/x-sbv": read_sbv,
}
_VOICE = re.compile(r"<v(?:\.[^ \t>]*)?[ \t]+([^>]*)>")
_TAGS = re.compile(r"</?[A-Za-z0-9][^<>]{0,200}>|\{\\[^{}]{0,100}\}")


class TranscriptReader(DocumentReader):
    """Reads SRT, WebVTT, and the kinds of subtitles in `senseweave.media.documents.subtitles`."""

    name = "transcript"
    mime_types = ("application/x-subrip", "text/vtt", "text/x-ssa", "application/ttml+xml", "text/x-lrc", "text/x-sbv")

    def text(self, source: Source, page: int | None) -> str:
        """Return the words of a transcript, a line for each cue."""
        reject_page(source, page)
        return "\n".join(words for words, _, _ in _cues(source))

    def cues(self, source: Source) -> Sequence[Cue]:
        """Return the cues of a transcript by their place in its text."""
        found, position = [], 0
        for words, start, end in _cues(source):
            found.append(Cue(position, position + len(words), (start, end)))
            position += len(words) + 1
        return found


def _cues(source: Source) -> list[Said]:
    """Return each cue with words, in the order of their start."""
    found: list[Said] = []
    for said in _said(source):
        cue = said._replace(words=" ".join(said.words.split()))
        if cue.words and 0 <= cue.start < cue.end and not (found and found[-1] == cue):
            found.append(cue)
    return sorted(found, key=lambda cue: cue.start)


def _said(source: Source) -> Iterable[Said]:
    kind = source.content.mime_type
    if kind == "application/ttml+xml":
        source.policy.check_text(source.label, source.size)
        return read_ttml(source)
    text = read_text(source).replace("\r\n", "\n").replace("\r", "\n")
    return _READERS.get(kind, _read_srt)(text)


def _read_srt(text: str) -> Iterator[Said]:
    """Yield the cues of SRT or WebVTT."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        times = _TIMES.match(lines[at])
        at += 1
        if times is None:
            continue
        said: list[str] = []
        while at < len(lines) and lines[at].strip() and not _TIMES.match(lines[at]):
            said.append(lines[at])
            at += 1
        if said and at < len(lines) and _TIMES.match(lines[at]) and said[-1].strip().isdecimal():
            said.pop()  # the number of the next cue, where the blank line is missing
        start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        yield Said(_clean(" ".join(said)), start, end)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")


def _clean(words: str) -> str:
    """Return the words of a cue without marks; a voice becomes the name before its words."""
    return html.unescape(_TAGS.sub("", _VOICE.sub(r"\1: ", words)))


def recording_beside(source: Source) -> str | None:
    """Return what the recording of the same name beside a transcript is filed under, or None.

    `talk.en.vtt` belongs to `talk.mp4`, if there is no `talk.en.mp4`.
    """
    path = getattr(source, "path", None)
    if path is None:
        return None
    folder, name = os.path.split(os.path.abspath(path))
    stem = Path(name).stem
    try:
        files = sorted(os.listdir(folder))
    except OSError:
        return None
    for wanted in (stem, Path(stem).stem):
        for file in files:
            if Path(file).stem == wanted and Path(file).suffix.lower() in RECORDINGS:
                return _allowed(os.path.join(folder, file), source)
    return None


def _allowed(path: str, source: Source) -> str | None:
    try:
        source.policy.resolve(path)
    except MediaError:
        return None
    return stored_name(path)
