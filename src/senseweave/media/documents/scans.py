"""Scanned pages: the words of a page that is a picture, by OCR where the extra is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from senseweave.errors import MediaError
from senseweave.media.forms.source import Source
from senseweave.media.reading.ocr import is_installed, line_reader

if TYPE_CHECKING:
    from PIL.Image import Image

INSTALL: Final = 'pip install "senseweave[ocr]"'


def readable(source: Source, pages: Sequence[int]) -> frozenset[int]:
    """Return the scanned pages that are read: all, none if the caller wants none, or with a note what is missing."""
    if not source.root.reads_scans:
        return frozenset()
    if not pages or is_installed():
        return frozenset(pages)
    named = f"page {pages[0]} is a picture" if len(pages) == 1 else f"pages {_ranges(pages)} are pictures"
    source.note(f"{named}; to read the words: {INSTALL}")
    return frozenset()


def page_words(source: Source, page: int, written: str, draw: Callable[[Source, int], Image]) -> str:
    """Return the words of a scanned page, read once: those of its text, and those that OCR reads besides.

    Args:
        source: The document; a note is kept in it where a page could not be read, or only in part.
        page: From 1.
        written: The text of the page.
        draw: Draws a page of the document.
    """
    if page not in source.scanned_words:
        source.scanned_words[page] = _read(source, page, draw)
    known = _bare(written)
    lines = [line for line in source.scanned_words[page].splitlines() if _bare(line) not in known]
    return "\n".join([*([written.rstrip()] if written.strip() else []), *lines])


def _read(source: Source, page: int, draw: Callable[[Source, int], Image]) -> str:
    try:
        lines, complete = line_reader().lines(draw(source, page), source.policy.decode_timeout)
    except MediaError as error:
        source.note(f"page {page}: OCR failed ({error.reason})")
        return ""
    except Exception as error:  # of whatever the engine and its runtime raise; the page is still a picture
        source.note(f"page {page}: OCR failed ({error})")
        return ""
    if not complete:
        source.note(f"page {page} was read in part; the policy allows {source.policy.decode_timeout:g} s")
    return "\n".join(lines)


def _bare(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _ranges(pages: Sequence[int]) -> str:
    """Return page numbers with runs of them joined, such as `1-3, 7`."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1][1:] = [page]
        else:
            runs.append([page])
    return ", ".join("-".join(map(str, run)) for run in runs)
