"""Find the pages of a TIFF file, as a scanner or a fax writes them."""

from __future__ import annotations

from typing import Any, Final

_KIND: Final = 254
"""The TIFF tag NewSubfileType; its first bit marks a smaller copy of another picture, its third a mask."""
_COPY_OR_MASK: Final = 5
_FRAMES_PER_PAGE: Final = 8
"""A page has a few smaller copies at most."""


def tiff_pages(image: Any, most: int) -> list[int]:
    """Return the numbers of the frames of an open TIFF that are pages, at most one more than `most` of them.

    Args:
        image: As Pillow opens it.
        most: How many pages are allowed.
    """
    pages: list[int] = []
    for frame in range(_FRAMES_PER_PAGE * (most + 1)):
        if len(pages) > most:
            break
        try:
            image.seek(frame)
        except Exception:  # the end, or a broken directory, before which the pages are whole
            break
        if not int(image.tag_v2.get(_KIND, 0) or 0) & _COPY_OR_MASK:
            pages.append(frame)
    return pages or [0]
