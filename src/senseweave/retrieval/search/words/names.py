"""What a search by words reads of the name of a source."""

from __future__ import annotations

import re
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from senseweave.redaction import without_secrets

PLACES: Final = 3
"""Names at the end of a path or URL that are searched."""
LABEL: Final = re.compile(r"\w+:[0-9a-f]{12}")
"""The label of bytes: a kind and the beginning of a hash, which nobody searches for."""


def searched_name(source: str) -> str:
    """Return the end of a path or URL, which people remember, without its keys and passwords; a label as it is.

    The label of bytes, which is made of a hash, has no name to search for.
    """
    if LABEL.fullmatch(source):
        return ""
    shown = without_secrets(source)
    path: PurePath = PureWindowsPath(shown) if re.match(r"[A-Za-z]:\\", shown) else PurePosixPath(shown)
    return "/".join(path.parts[-PLACES:])
