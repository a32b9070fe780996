"""From every form an input may have to its source: paths, URLs, data URIs, bytes and file objects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from senseweave.errors import MediaError, PolicyError
from senseweave.media.forms.remote import RemoteSource
from senseweave.media.forms.source import BytesSource, DataURISource, FileSource, Source, StreamSource
from senseweave.media.policy import MediaPolicy

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*)(://|::)")


def source_of(given: object, policy: MediaPolicy) -> Source | None:
    """Return the source of an encoded input, or None where `given` is not one of the encoded forms.

    Args:
        given: A local path, `file://` or http(s) or fsspec URL, data URI, bytes, binary file object, or a mapping with
            `bytes` or `path`, as the datasets library gives undecoded media.
        policy: What may be read.

    Raises:
        MediaError: If it is a string that cannot be an input.
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, Mapping) and (given.get("bytes") is not None or isinstance(given.get("path"), str)):
        return source_of(given["bytes"] if given.get("bytes") is not None else given["path"], policy)
    if isinstance(given, Path) or (not isinstance(given, str) and isinstance(given, os.PathLike)):
        return FileSource(os.fspath(given), policy)
    if isinstance(given, str):
        return _from_string(given, policy)
    if isinstance(given, bytes | bytearray | memoryview):
        return BytesSource(bytes(given), policy)
    if callable(getattr(given, "read", None)):
        return StreamSource(given, policy)  # type: ignore[arg-type]
    return None


def _from_string(text: str, policy: MediaPolicy) -> Source:
    if text[:5].lower() == "data:":
        return DataURISource(text, policy)
    scheme = _SCHEME.match(text)
    if scheme is None:
        if not text:
            raise MediaError("''", "an empty string is no path or URL")
        return FileSource(text, policy)
    if scheme[1].lower() == "file" and scheme[2] == "://":
        return FileSource(_file_path(text), policy)
    return RemoteSource(text, policy)


def _file_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise PolicyError(url, "a file URL may not name another machine")
    path = unquote(parts.path)
    return path[1:] if re.match(r"^/[A-Za-z]:/", path) and os.name == "nt" else path
