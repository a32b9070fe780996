"""Divide a text that has headings and tables into passages, each with what stands above it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from senseweave.media.documents import Context

HEADING: Final = "heading"
"""Metadata of a passage: the path of headings or the header of a table, which its text repeats in its first lines."""
LONGEST_CONTEXT: Final = 0.4
"""Share of a passage that its context may take; a longer one is cut."""

SHORT: Final = 0.25
"""Share of a passage under which the text before a heading stays together with what follows it: a heading, mostly."""

SHORTEST: Final = 64
"""Characters under which no passage is divided because a model reads less."""
SLACK: Final = 0.95
"""What of the room in a model a passage takes that is divided: tokens are not spread evenly over a text."""

Spans = list[tuple[int, int]]
Measure = Callable[[Sequence[str]], Sequence[float]]
"""Returns the length of texts as a share of what a model reads; above 1, the model cuts them."""


class Passage(NamedTuple):
    """A passage `text[start:end]` and what its text repeats of the text before it; empty for nothing."""

    start: int
    end: int
    context: str


def context_passages(
    text: str, contexts: Sequence[Context], characters: int, cut: Callable[[str, int], Spans]
) -> list[Passage]:
    """Return the passages of a text, which end before a heading or a table where they can.

    Args:
        text: The text.
        contexts: Its headings and table headers, in order.
        characters: Maximum length of a passage with its context.
        cut: Returns the spans of the passages of a longer text, given their maximum length.

    Returns:
        The passages; blank ones are left out.
    """
    title = contexts[0].before if contexts and contexts[0].start == 0 else ""
    if len(text) + len(title) + bool(title) <= characters:
        return [Passage(0, len(text), title)] if text.strip() else []
    bounds = [Context(0, "", ""), *(context for context in contexts if context.start < len(text))]
    ends = [context.start for context in bounds[1:]] + [len(text)]
    passages: list[Passage] = []
    start, above = 0, ""
    longest = int(characters * LONGEST_CONTEXT)
    for section, end in zip(bounds, ends, strict=True):
        if section.start - start > SHORT * characters and end - start + len(above) > characters:
            passages.append(Passage(start, section.start, above))
            start = section.start
        if start == section.start:
            above = _shortened(section.before, longest)
        if end - start + len(above) <= characters:
            continue
        within = _shortened(section.within, longest)
        context = max(len(above), len(within))
        room = max(characters - context - bool(context), 1)
        body = _body(text, section, end)
        if body - start > SHORT * characters:
            body = start
        elif body > start:  # headings stand in the first passage, not in one of their own
            room = max(room - (body - start), 1)
        for position, (first, last) in enumerate(cut(text[body:end], room)):
            passages.append(Passage(body + first if position else start, body + last, within if position else above))
        start = end
    if start < len(text):
        passages.append(Passage(start, len(text), above))
    return [passage for passage in passages if text[passage.start : passage.end].strip()]


def fitting_passages(
    text: str,
    contexts: Sequence[Context],
    passages: Sequence[Passage],
    cut: Callable[[str, int], Spans],
    measure: Measure,
) -> list[Passage]:
    """Return passages that a model reads to their end: those that are longer are divided again.

    Args:
        text: The text.
        contexts: Its headings and table headers, in order.
        passages: What `context_passages` returned.
        cut: Returns the spans of the passages of a longer text, given their maximum length.
        measure: Returns the length of texts as a share of what the model reads.
    """
    fitting: list[Passage] = []
    for passage, share in zip(passages, measure([passage_text(text, each) for each in passages]), strict=True):
        start, end, context = passage
        room = int(min(SLACK / share, 1.1 / math.ceil(share)) * (end - start + len(context))) if share > 1 else 0
        if room < SHORTEST:
            fitting.append(passage)
            continue
        inner = [replace(each, start=each.start - start) for each in contexts if start <= each.start < end]
        if not inner or inner[0].start:
            above = [each.within for each in contexts if each.start < start]
            inner.insert(0, Context(0, context, above[-1] if above else ""))
        parts = [
            Passage(start + first, start + last, above)
            for first, last, above in context_passages(text[start:end], inner, room, cut)
        ]
        fitting += fitting_passages(text, contexts, parts, cut, measure) if len(parts) > 1 else [passage]
    return fitting


def passage_text(text: str, passage: Passage) -> str:
    """Return the text that stands for a passage: its context in a line of its own, and the passage."""
    start, end, context = passage
    return f"{context}\n{text[start:end]}" if context else text[start:end]


def _body(text: str, section: Context, end: int) -> int:
    """Return where the text below a heading or the header of a table begins."""
    line = text.find("\n", section.start, end) + 1 if section.before != section.within else 0
    while 0 < line < end and text[line].isspace():
        line += 1
    return line or section.start


def _shortened(context: str, length: int) -> str:
    """Return a context of a limited length: the end of a path of headings, the beginning of a table's header."""
    if len(context) <= length:
        return context
    _, line, header = context.rpartition("\n")
    if line and len(header) <= length:
        return header
    return f"{context[: length - 1]}…" if line else f"…{context[1 - length :]}"
