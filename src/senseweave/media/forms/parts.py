"""Files inside a file: the pictures of a document, the attachments of a mail, the members of an archive."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Hashable
from functools import cached_property
from typing import BinaryIO, Final

from senseweave.errors import MediaError, NoContentError, PolicyError
from senseweave.media.forms.content import Content
from senseweave.media.forms.recognition import identify
from senseweave.media.forms.source import Source

MARK: Final = "!/"
"""Stands before the name of a part, as in `jar:` URLs; a part of a part has two: `!/report.docx!/word/media/1.png`."""


class PartSource(Source):
    """A file inside a document, a mail or an archive.

    Attributes:
        parent: The source of the file that holds it.
        member: Its name there.
    """

    def __init__(self, parent: Source, member: str) -> None:
        super().__init__(parent.policy)
        self.parent = parent
        self.member = member
        self.depth = parent.depth + 1
        self.encoding = parent.encoding
        if self.depth > self.policy.max_depth:
            limit = f"the policy allows {self.policy.max_depth} (max_depth)"
            raise PolicyError(self.label, f"is nested in {self.depth} files; {limit}")

    @property
    def root(self) -> Source:
        """The source of the outermost file."""
        return self.parent.root

    @property
    def part(self) -> str:
        """The path to it in the outermost file."""
        return f"{self.parent.part or ''}{MARK}{self.member.replace(MARK, '!%2F')}"

    @property
    def label(self) -> str:
        """The outermost file and the path in it."""
        return f"{self.root.label}{self.part}"

    @property
    def name(self) -> str:
        """The label, or where that would need reading, a substitute for `repr`."""
        return f"{self.root.name}{self.part}"

    @property
    def identity(self) -> Hashable:
        """What identifies the file that holds it, and the name."""
        return "part", self.parent.identity, self.member

    def open(self) -> BinaryIO:
        """Return a new seekable binary file at position 0."""
        from senseweave.media.documents import document_reader

        reader = document_reader(self.parent.content, self.parent.label)
        try:
            return reader.open_part(self.parent, self.member)
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(self.label, f"cannot be opened ({error or type(error).__name__})") from error

    @cached_property
    def _facts(self) -> tuple[Content | None, str, int]:
        """Type, SHA-256 and size, for which the part is unpacked once."""
        digest = hashlib.sha256()
        with self.open() as file:
            content = identify(file)
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            while block := file.read(1 << 20):
                digest.update(block)
        return content, digest.hexdigest(), size

    @cached_property
    def content(self) -> Content:
        """The type of the content, by its first bytes.

        Raises:
            MediaError: If it is empty, or the policy does not allow the type.
        """
        content = self._facts[0]
        if content is None:
            raise NoContentError(self.label, "is empty (0 bytes)")
        self.policy.check_mime_type(self, content.mime_type)
        return content

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes in hexadecimal."""
        return self._facts[1]

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
        return self._facts[2]


def open_parts(source: Source, part: str) -> Source:
    """Return the source of a part, given the path to it.

    Args:
        source: The outermost file.
        part: The path, for example `!/word/media/image1.png`; the first mark may be missing.

    Raises:
        MediaError: If the path is empty.
        PolicyError: If it is nested deeper than the policy allows.
    """
    for member in part.removeprefix(MARK).split(MARK):
        if not member:
            raise MediaError(source.label, f"part must name a file inside it, not {part!r}")
        source = PartSource(source, member.replace("!%2F", MARK))
    return source


def is_part_path(value: object) -> bool:
    """Return whether a metadata value is the path of a part, and not something of the user's."""
    return isinstance(value, str) and value.startswith(MARK) and len(value) > len(MARK)
