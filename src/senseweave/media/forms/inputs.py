"""Turn every encoded form of input into a source: paths, URLs, data URIs, bytes and file objects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from senseweave.errors import MediaError, PolicyError
from senseweave.media.forms.local_names import url_path
from senseweave.media.forms.remote import RemoteSource
from senseweave.media.forms.source import BytesSource, DataURISource, FileSource, Source, StreamSource
from senseweave.media.policy import MediaPolicy

_DECODED = ("array", "samples", "frames")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*)(://|::)")


def as_source(value: object, policy: MediaPolicy) -> Source | None:
    """Return the source of an encoded input, or None if `value` is not in an encoded form.

    Args:
        value: A local path, `file://` or http(s) or fsspec URL, data URI, bytes, binary file object, or a mapping with
            `bytes` or `path`, as the datasets library gives undecoded media.
        policy: What may be read.

    Raises:
        MediaError: If it is a string that is not a valid input.
    """
    if isinstance(value, Source):
        return value
    if isinstance(value, str):
        return _from_string(value, policy)
    if isinstance(value, bytes | bytearray | memoryview):
        return BytesSource(bytes(value), policy)
    if isinstance(value, os.PathLike):
        return FileSource(os.fspath(value), policy)
    if (encoded := undecoded(value)) is not None:
        return as_source(encoded, policy)
    if callable(getattr(value, "read", None)):
        return StreamSource(value, policy)  # type: ignore[arg-type]
    return None


def undecoded(value: object) -> Any:
    """Return the bytes or the path of media as the datasets library gives them undecoded, or None for anything else.

    Beside samples that it has decoded stands a path, too, which may be the name of a file in an archive.
    """
    if not isinstance(value, Mapping) or any(value.get(name) is not None for name in _DECODED):
        return None
    return value["bytes"] if value.get("bytes") is not None else value.get("path")


def _from_string(text: str, policy: MediaPolicy) -> Source:
    if text[:5].lower() == "data:":
        return DataURISource(text, policy)
    scheme = _SCHEME.match(text)
    if scheme is None:
        if not text:
            raise MediaError("''", "an empty string is not a path or URL")
        return FileSource(text, policy)
    if scheme[1].lower() == "file" and scheme[2] == "://":
        return FileSource(_file_path(text), policy)
    return RemoteSource(text, policy)


def _file_path(url: str) -> str:
    path = url_path(url)
    if path is None:
        raise PolicyError(url, "is a file URL of another machine, which cannot be read")
    return path
