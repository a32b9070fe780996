"""Keep an index in step with folders while they change (`senseweave index --watch`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from senseweave.extras import require

if TYPE_CHECKING:
    from senseweave.media.forms.source import Pages
    from senseweave.retrieval import Index, Report

Changes = Iterable[tuple[object, str]]
"""What has happened to which path, as watchfiles tells it."""


def watch(
    index: Index,
    places: Sequence[Path],
    into: Path,
    tell: Callable[[Report], None],
    encoding: str | None = None,
    pages: Pages = "separate",
) -> None:
    """Add what appears or changes in some places and delete what goes, until interrupted.

    Args:
        index: The index, which holds what is there already.
        places: Files and folders.
        into: Folder of the index, whose own files are not watched.
        tell: Called with a report after each change.
        encoding: Of text and HTML files, as `Index.add` takes it.
        pages: What is kept of pages of a PDF, as `Index.add` takes it.

    Raises:
        ImportError: If watchfiles is missing; the message holds the install line.
    """
    visible = Visible(places, into)
    for changed in changes(places, visible):
        report = update(index, changed, encoding, pages)
        if any(report.counts.values()) or report.failed:
            tell(report)


def changes(places: Sequence[Path], visible: Visible) -> Iterator[set[str]]:
    """Yield sets of changed paths, as they settle; end at an interrupt."""
    library = require("watchfiles", extra="watch", feature="index --watch")
    # A file that is saved by renaming another is seen from its folder alone.
    watched = {str(place if place.is_dir() else place.parent) for place in places}
    try:
        for batch in library.watch(*sorted(watched), watch_filter=lambda _, path: visible(path)):
            yield {path for _, path in batch}
    except KeyboardInterrupt:
        return


def update(index: Index, changed: Collection[str], encoding: str | None = None, pages: Pages = "separate") -> Report:
    """Add those of some paths that are there, and delete the records of those that are gone or below them."""
    there = sorted(path for path in changed if os.path.exists(path))
    gone = [path for path in changed if not os.path.exists(path)]
    # Added first: a file that has moved keeps its vectors.
    report = index.add(there, on_error="skip", encoding=encoding, pages=pages)
    if gone:
        sources = index.sources(below=gone)
        report.deleted += index.delete(sources=sources) if sources else 0
    return report


class Visible:
    """Tells the paths that the index is to hold: in the places, not hidden, not in the index itself."""

    def __init__(self, places: Sequence[Path], into: Path) -> None:
        """Take the watched places, and the folder of the index."""
        self._roots = [os.path.abspath(place) for place in places]
        self._index = os.path.abspath(into)

    def __call__(self, path: str) -> bool:
        """Return whether a path is to be in the index."""
        if path == self._index or path.startswith(self._index + os.sep):
            return False
        return any(
            path == root
            or (path.startswith(root + os.sep) and not any(name.startswith(".") for name in parts(path, root)))
            for root in self._roots
        )


def parts(path: str, root: str) -> tuple[str, ...]:
    """Return the names on the way from a folder to a path."""
    return Path(path).relative_to(root).parts
