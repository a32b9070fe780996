"""ZIP archives: the files in them, within the policy's limits."""

from __future__ import annotations

from typing import BinaryIO, Final

from senseweave.errors import MediaError, NoContentError
from senseweave.media.documents.base import Part, reject_page
from senseweave.media.documents.packages import open_package
from senseweave.media.documents.parsed import ParsedDocument, ParsedReader
from senseweave.media.forms.source import Source

KIND: Final = "ZIP archive"


class ZIPReader(ParsedReader):
    """Reads the files in a ZIP archive; it has no text of its own."""

    name = "zip"
    mime_types = ("application/zip",)
    is_archive = True

    def parse(self, source: Source) -> ParsedDocument:
        """Return the names of the files, without hidden files and those that macOS adds.

        Raises:
            MediaError: If it is broken or empty.
        """
        with open_package(source, KIND) as package:
            parts = [Part(name) for name in sorted(package.names) if not _is_hidden(name)]
            if not package.names:
                raise NoContentError(source.label, f"is a {KIND} without any files")
            return ParsedDocument([], parts)

    def text(self, source: Source, page: int | None) -> str:
        """Raise MediaError: an archive has no text of its own."""
        reject_page(source, page)
        reason = "is a ZIP archive, which has no text of its own; choose a file in it with part=, or collect all"
        raise MediaError(source.label, reason)

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a file in the archive."""
        with open_package(source, KIND) as package:
            return package.open(name)


def _is_hidden(name: str) -> bool:
    folders = name.replace("\\", "/").split("/")
    dotted = any(folder.startswith(".") and folder not in (".", "..") for folder in folders)
    return dotted or "__MACOSX" in folders or folders[-1] == "Thumbs.db"
