"""Names of local files as every store can hold them: a path, or where its name is not Unicode a file URL."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote, urlsplit


def stored_name(path: str) -> str:
    """Return the absolute path of a file, as a file URL if it has bytes that are not UTF-8: `file:///notes/bad%FF.txt`.

    Such bytes stand in a str as lone surrogates, which neither UTF-8 nor JSON can hold. `source_path` reverses it.
    """
    absolute = os.path.abspath(path)
    try:
        absolute.encode()
    except UnicodeEncodeError:
        try:
            return f"file://{quote(absolute, errors='surrogateescape')}"
        except UnicodeEncodeError:  # a name of Windows, whose surrogates stand for no bytes
            return absolute
    return absolute


def source_path(source: str) -> str | None:
    """Return the absolute path of a source that is a local file by its path or file URL, or None."""
    if source[:7].lower() == "file://":
        return url_path(source)
    return source if os.path.isabs(source) else None


def url_path(url: str) -> str | None:
    """Return the path that a file URL names on this machine, or None."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        return None
    path = unquote(parts.path, errors="surrogateescape")
    return path[1:] if re.match(r"^/[A-Za-z]:/", path) and os.name == "nt" else path
