"""Where long text is divided: at paragraphs, lines, sentences or words, by offsets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

Span = tuple[int, int]

SEPARATORS: Final = ("\n\n", "\n", ". ", "? ", "! ", " ", "")
"""What text is divided after, the first that occurs in it; the last stands for every character."""


def passage_spans(text: str, characters: int, overlap: int = 0) -> list[Span]:
    """Return the offsets of the passages of a text, divided at paragraphs, lines, sentences or words.

    Text is divided after the coarsest separator, what is still too long after the next, and neighboring parts are
    joined again as far as they fit: the method of LangChain's `RecursiveCharacterTextSplitter`, with exact offsets.

    Args:
        text: The text.
        characters: Maximum length of a passage.
        overlap: Maximum number of characters that neighbors share.

    Returns:
        `(start, end)` of each passage `text[start:end]`; blank passages are left out.

    Raises:
        ValueError: If `characters` is less than 1, or `overlap` is negative or greater than `characters`.
    """
    if characters < 1 or not 0 <= overlap <= characters:
        msg = f"expected characters of at least 1 and an overlap from 0 to characters, not {characters} and {overlap}"
        raise ValueError(msg)
    if len(text) <= characters:
        return [(0, len(text))] if text.strip() else []
    spans = _divide(text, (0, len(text)), SEPARATORS, characters, overlap)
    return [(start, end) for start, end in spans if not text[start:end].isspace()]


def _divide(text: str, whole: Span, separators: tuple[str, ...], characters: int, overlap: int) -> Iterator[Span]:
    """Yield the passages of a part of a text."""
    used = next(i for i, mark in enumerate(separators) if not mark or text.find(mark, *whole) >= 0)
    short: list[Span] = []
    for start, end in _parts(text, whole, separators[used]):
        if end - start < characters:
            short.append((start, end))
            continue
        yield from _join(short, characters, overlap)
        short = []
        if used + 1 < len(separators):
            yield from _divide(text, (start, end), separators[used + 1 :], characters, overlap)
        else:
            yield start, end
    yield from _join(short, characters, overlap)


def _parts(text: str, whole: Span, separator: str) -> Iterator[Span]:
    """Yield the parts of a text between separators, each with the separator that ends it."""
    start, stop = whole
    while start < stop:
        found = text.find(separator, start, stop) if separator else start
        end = found + max(len(separator), 1) if found >= 0 else stop
        yield start, end
        start = end


def _join(parts: Iterable[Span], characters: int, overlap: int) -> Iterator[Span]:
    """Yield spans of neighboring parts, as many as fit, that share whole parts of at most `overlap` characters."""
    held: deque[Span] = deque()
    length = 0
    for start, end in parts:
        size = end - start
        if held and length + size > characters:
            yield held[0][0], held[-1][1]
            while length > overlap or (length + size > characters and length > 0):
                first = held.popleft()
                length -= first[1] - first[0]
        held.append((start, end))
        length += size
    if held:
        yield held[0][0], held[-1][1]
