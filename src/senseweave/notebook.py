"""How media, hits and reports show themselves in a notebook: HTML with thumbnails and players, and nothing to run.

Every text is escaped, nothing is fetched by the page, and the size of what is embedded is bounded.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from senseweave.display import printable, shorten
from senseweave.errors import MediaError
from senseweave.redaction import without_secrets

if TYPE_CHECKING:
    from senseweave.media import Media

THUMBNAIL: Final = 200 * 150
"""Most pixels of a thumbnail."""
FILE_BYTES: Final = 2 * 1024**2
"""A larger recording is embedded as the span alone, a larger video as a frame."""
SPAN_SECONDS: Final = 30.0
"""Most seconds of a span that is embedded alone."""
BUDGET: Final = 8 * 1024**2
"""Most bytes of media that one list embeds; further hits show their text."""
CHARACTERS: Final = 400
"""Characters of a text that are shown."""
FAILURES: Final = 20
"""Failures of a report that are shown."""


class ShownHit(Protocol):
    """What is shown of a hit; see `senseweave.Hit`."""

    @property
    def score(self) -> float:
        """Its score."""

    @property
    def modality(self) -> str:
        """Its modality."""

    @property
    def source(self) -> str:
        """Where it is from."""

    @property
    def text(self) -> str:
        """Its text, transcript or label line."""

    @property
    def span(self) -> tuple[float, float] | None:
        """Seconds inside the source, or None."""

    @property
    def page(self) -> int | None:
        """Page number from 1, or None."""

    @property
    def media(self) -> Media:
        """Its media."""


class Budget:
    """Bytes that may still be embedded."""

    def __init__(self) -> None:
        self.left = BUDGET

    def take(self, data: bytes, mime_type: str) -> str | None:
        """Return a data URI of some bytes, or None if they are too many."""
        if len(data) > self.left:
            return None
        self.left -= len(data)
        return f"data:{escape(mime_type)};base64,{base64.b64encode(data).decode('ascii')}"


def escape(text: object) -> str:
    """Return a text as it may stand in HTML, between tags and in attributes, with hidden characters shown."""
    return html.escape(printable(str(text), keep="\n"), quote=True)


def media_html(media: Media, budget: Budget | None = None) -> str:
    """Return HTML that shows media: a picture, a player at its span, or the beginning of a text."""
    budget = budget or Budget()
    try:
        shown = _shown(media, budget)
    except MediaError as error:
        return f"<em>{_name(shorten(str(error), CHARACTERS))}</em>"
    return shown if shown is not None else "<em>too large to show here</em>"


def hit_html(hit: ShownHit, budget: Budget | None = None, rank: int | None = None) -> str:
    """Return HTML that shows a hit: its score, modality and place, its media, and its text."""
    place = _name(hit.source)
    if hit.span is not None:
        place += f", {_clock(hit.span[0])} to {_clock(hit.span[1])}"
    if hit.page is not None:
        place += f", page {hit.page}"
    number = f"{rank}. " if rank is not None else ""
    head = f"<div><strong>{number}{hit.score:.3f}</strong> {escape(hit.modality)} <code>{place}</code></div>"
    if hit.modality == "text":
        return f"<div>{head}{_text(hit.text)}</div>"
    try:
        shown = media_html(hit.media, budget)
    except MediaError as error:
        shown = f"<em>{_name(shorten(str(error), CHARACTERS))}</em>"
    return f"<div>{head}<div>{shown}</div>{_text(hit.text)}</div>"


def hits_html(hits: Sequence[ShownHit]) -> str:
    """Return HTML that shows hits in order, with as many media as a notebook carries well."""
    if not hits:
        return "<div>no hits</div>"
    budget = Budget()
    items = "".join(
        f'<div style="margin:0 0 1em 0">{hit_html(hit, budget, rank)}</div>' for rank, hit in enumerate(hits, start=1)
    )
    return f"<div>{items}</div>"


def report_html(summary: object, lines: Iterable[object]) -> str:
    """Return HTML that shows what a call did in a sentence, and below it a line for each problem."""
    listed = [_name(shorten(str(line), CHARACTERS)) for line in lines]
    items = "".join(f"<li>{line}</li>" for line in listed[:FAILURES])
    more = f"<li>and {len(listed) - FAILURES} more</li>" if len(listed) > FAILURES else ""
    problems = f"<ul>{items}{more}</ul>" if listed else ""
    return f"<div>{_name(summary)}{problems}</div>"


def _name(text: object) -> str:
    """Return a name or a message as it may stand in HTML, without the secrets of URLs."""
    return escape(without_secrets(str(text)))


def _shown(media: Media, budget: Budget) -> str | None:
    """Return HTML of media, or None if they are too large.

    Raises:
        MediaError: If they cannot be read.
    """
    from senseweave.media import Audio, Image, Video
    from senseweave.media.fused import Fused

    if isinstance(media, Fused):
        return "".join(f"<div>{media_html(part, budget)}</div>" for part in media.parts.values())
    if isinstance(media, Image):
        return _picture(media, budget)
    if isinstance(media, Audio):
        uri = _file(media, budget) or _sound(media, budget)
        return uri and f'<audio controls preload="metadata" src="{uri}"></audio>'
    if isinstance(media, Video):
        uri = _file(media, budget)
        if uri is not None:
            return f'<video controls preload="metadata" width="320" src="{uri}"></video>'
        return _frame(media, budget)
    return _text(media.decode())


def _picture(media: Media, budget: Budget) -> str | None:
    from senseweave.media.export import image_file

    file = image_file(media, max_pixels=THUMBNAIL)  # type: ignore[arg-type]
    uri = budget.take(file.data, file.mime_type)
    return uri and f'<img src="{uri}" alt="{_name(media.source)}">'


def _file(media: Media, budget: Budget) -> str | None:
    """Return a data URI of a whole file with the span to play, or None if it is large or has no bytes."""
    try:
        if media.size > FILE_BYTES:
            return None
        uri = budget.take(media.read(), media.mime_type)
    except MediaError:
        return None
    return uri and uri + _fragment(media.span)


def _sound(media: Media, budget: Budget) -> str | None:
    """Return a data URI of the span of a recording alone, at most half a minute of it."""
    from senseweave.media.export import sound_file

    file = sound_file(media, max_seconds=SPAN_SECONDS)  # type: ignore[arg-type]
    return budget.take(file.data, file.mime_type)


def _frame(media: Media, budget: Budget) -> str | None:
    from senseweave.media.export import frame_files

    (_, file), *_ = frame_files(media, frames=1, max_pixels=THUMBNAIL)  # type: ignore[arg-type]
    uri = budget.take(file.data, file.mime_type)
    return uri and f'<img src="{uri}" alt="{_name(media.source)}">'


def _fragment(span: tuple[float, float] | None) -> str:
    """Return the media fragment that a player starts and stops at (W3C Media Fragments URI 1.0)."""
    return f"#t={span[0]:g},{span[1]:g}" if span is not None else ""


def _text(text: str) -> str:
    return f'<div style="white-space:pre-wrap">{escape(_beginning(text))}</div>' if text.strip() else ""


def _beginning(text: str) -> str:
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"
