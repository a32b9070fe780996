"""Subtitles of other kinds than SRT and WebVTT: ASS and SSA, TTML, LRC and YouTube's SBV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from senseweave.media.documents.packages import parse_xml
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND: Final = "subtitle file (TTML)"
LAST_LINE: Final = 5.0
"""Seconds of the last line of a song, whose end LRC does not say."""
_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
"""Fields of a line of dialogue, if no `Format:` line names others."""
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\\p[1-9]")
"""In an override: what follows are the lines of a drawing."""
_CLOCK = re.compile(r"\s*(\d{1,4}):(\d{1,2}):(\d{1,2})(?:[.,](\d{1,6}))?(?::(\d{1,3})(?:\.\d+)?)?\s*$")
_OFFSET = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)(h|ms|m|s|f|t)\s*$")
_LYRIC = re.compile(r"(?m)^((?:[ \t]*\[\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?\])+)([^\n]*)")
_STAMP = re.compile(r"\[(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_WORD_STAMP = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")
_SHIFT = re.compile(r"(?m)^\[offset:[ \t]*([+-]?\d{1,7})[ \t]*\]")
_SBV = re.compile(r"\s*(\d{1,3}):(\d{2}):(\d{2})\.(\d{3}),(\d{1,3}):(\d{2}):(\d{2})\.(\d{3})[ \t]*$")


class Said(NamedTuple):
    """Words with the seconds of a recording in which they are said."""

    words: str
    start: float
    end: float


def read_ass(text: str) -> Iterator[Said]:
    """Yield the lines of dialogue of ASS or SSA, without drawings and marks; a speaker becomes the name before them."""
    fields: tuple[str, ...] = _FIELDS
    section = ""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        name = key.strip().lower()
        if not colon and name.startswith("["):
            section = name
        elif name == "format" and section == "[events]":
            fields = tuple(field.strip().lower() for field in value.split(","))
        elif name == "dialogue":
            values = dict(zip(fields, value.split(",", len(fields) - 1), strict=False))
            start, end = (_clock(values.get(field, "")) for field in ("start", "end"))
            words = values.get("text", "")
            if start is None or end is None or any(map(_DRAWING.search, _OVERRIDE.findall(words))):
                continue
            words = re.sub(r"\\[Nnh]", " ", _OVERRIDE.sub("", words))
            speaker = values.get("name", values.get("actor", "")).strip()
            yield Said(f"{speaker}: {words}" if speaker and words.strip() else words, start, end)


def read_ttml(source: Source) -> Iterator[Said]:
    """Yield the paragraphs of TTML with their times, those of the elements around them counted in.

    Raises:
        MediaError: If it is not XML.
    """
    root = parse_xml(source.read(), source, KIND)
    rates = {str(name).rpartition("}")[2]: value for name, value in root.attrib.items()}
    frames, ticks = _rate(rates.get("frameRate"), 30.0), _rate(rates.get("tickRate"), 1.0)
    waiting: list[tuple[_Element, float]] = [(root, 0.0)]
    while waiting:
        element, offset = waiting.pop()
        begin = _ttml_time(element.get("begin"), frames, ticks) or 0.0
        if str(element.tag).rpartition("}")[2] == "p":
            end = _ttml_time(element.get("end"), frames, ticks)
            duration = _ttml_time(element.get("dur"), frames, ticks)
            if end is None and duration is not None:
                end = begin + duration
            if end is not None:
                yield Said(_spoken(element), offset + begin, offset + end)
        else:
            waiting += [(child, offset + begin) for child in reversed(element) if isinstance(child.tag, str)]


def read_lrc(text: str) -> Iterator[Said]:
    """Yield the lines of a song; each ends where the next begins."""
    shift = _SHIFT.search(text)
    offset = int(shift[1]) / 1000 if shift is not None else 0.0
    lines = [
        (max(0.0, int(stamp[1]) * 60 + int(stamp[2]) + float(f"0.{stamp[3] or 0}") - offset), found[2])
        for found in _LYRIC.finditer(text)
        for stamp in _STAMP.finditer(found[1])
    ]
    lines.sort(key=lambda line: line[0])
    starts = [start for start, _ in lines]
    for at, (start, words) in enumerate(lines):
        end = next((later for later in starts[at + 1 : at + 50] if later > start), start + LAST_LINE)
        yield Said(_WORD_STAMP.sub("", words), start, end)


def read_sbv(text: str) -> Iterator[Said]:
    """Yield the captions of YouTube's SBV."""
    for block in re.split(r"\n[ \t]*\n", text):
        head, _, words = block.strip("\n").partition("\n")
        if times := _SBV.match(head):
            numbers = [int(number) for number in times.groups()]
            start, end = (
                hours * 3600 + minutes * 60 + seconds + thousandths / 1000
                for hours, minutes, seconds, thousandths in (numbers[:4], numbers[4:])
            )
            yield Said(words, start, end)


def _clock(value: str) -> float | None:
    """Return the seconds of `1:02:03.45`, or None."""
    found = _CLOCK.match(value)
    if found is None:
        return None
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) + float(f"0.{found[4] or 0}")


def _ttml_time(value: str | None, frames: float, ticks: float) -> float | None:
    """Return the seconds of a time of TTML (section 10.3.1), or None."""
    if value is None:
        return None
    if clock := _CLOCK.match(value):
        return (_clock(value) or 0.0) + (int(clock[5]) / frames if clock[5] else 0.0)
    if offset := _OFFSET.match(value):
        units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": 1 / frames, "t": 1 / ticks}
        return float(offset[1]) * units[offset[2]]
    return None


def _rate(value: str | None, otherwise: float) -> float:
    return float(value) if value is not None and value.isdecimal() and 0 < len(value) < 12 and int(value) else otherwise


def _spoken(paragraph: _Element) -> str:
    words: list[str] = []
    for element in paragraph.iter():
        if str(element.tag).rpartition("}")[2] == "br":
            words.append(" ")
        elif isinstance(element.tag, str):
            words.append(element.text or "")
        words.append((element.tail or "") if element is not paragraph else "")
    return "".join(words)
