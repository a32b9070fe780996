"""Recognize files whose first bytes are those of a container: ZIP, OLE, mail and other text with a structure."""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO

from senseweave.media.forms.content import Content

_OFFICE = "application/vnd.openxmlformats-officedocument."
_PACKAGES: tuple[tuple[str, Content], ...] = (
    ("word/document.xml", Content(f"{_OFFICE}wordprocessingml.document", ("text",), "docx")),
)
"""By a file that only such a package has."""


def identify_container(file: BinaryIO, head: bytes, content: Content) -> Content | None:
    """Return what a file is whose first bytes are those of a container, or None if they say all.

    Args:
        file: Seekable; of a download it may be only the beginning.
        head: Its first bytes.
        content: What they were taken for.
    """
    if content.mime_type == "application/zip":
        return _identify_zip(file, head)
    return None


def _identify_zip(file: BinaryIO, head: bytes) -> Content | None:
    names: set[str] = set()
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as package:
            names = set(package.namelist())
    except Exception:  # cut off, as a download is at first, or broken
        names = {found.decode("ascii") for found in re.findall(rb"[\w.-]+/[\w./-]+\.xml", head)}
    return next((content for name, content in _PACKAGES if name in names), None)
