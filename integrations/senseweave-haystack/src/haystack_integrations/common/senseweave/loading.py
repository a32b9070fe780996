# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Translates what a query or a converter is given, a path, a URL or Haystack's containers of bytes, into media."""

import base64
from pathlib import Path
from typing import TypeAlias

from haystack.dataclasses import ByteStream, FileContent, ImageContent

import senseweave as sw
from senseweave.interop import Modality, first_media

Source: TypeAlias = str | Path | ByteStream | ImageContent | FileContent
"""What a query or a converter may be given: a path or permitted URL, or one of Haystack's containers of bytes."""


def source_to_media(
    source: Source, *, policy: sw.MediaPolicy, modality: Modality | None = None, part: str | None = None
) -> sw.Media:
    """Return the media that a source holds; nothing is decoded yet.

    :param source: A path, a URL that the policy permits, a `ByteStream`, an `ImageContent` or a `FileContent`.
    :param policy: What may be read.
    :param modality: The modality of the source; detected from its content if None.
    :param part: The path to a file inside the source, of which the modality is known.
    :returns: The media; of a PDF its first page.
    :raises TypeError: If `source` is of another type.
    :raises senseweave.MediaError: If the modality cannot be detected, because the source cannot be read or is of no
        type that senseweave knows.
    """
    return first_media(source_content(source, policy), policy, modality, part)


def source_content(source: Source, policy: sw.MediaPolicy) -> str | Path | bytes:
    """Return what senseweave's media are made from.

    :param source: The source.
    :param policy: Relative paths are looked for under its root, where it has one.
    :returns: The path or URL, or the bytes.
    :raises TypeError: If `source` is of another type.
    """
    if isinstance(source, str | Path):
        return Path(policy.root, source) if is_path(source) and policy.root is not None else source
    if isinstance(source, ByteStream):
        return source.data
    if isinstance(source, ImageContent):
        return base64.b64decode(source.base64_image)
    if isinstance(source, FileContent):
        return base64.b64decode(source.base64_data)
    msg = f"a source must be a str, Path, ByteStream, ImageContent or FileContent, not {type(source).__name__}"
    raise TypeError(msg)


def source_label(source: Source) -> str:
    """Return the name of a source in messages.

    :param source: The source.
    :returns: Its path or URL, the file name in its meta, or its type.
    """
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, FileContent) and source.filename:
        return source.filename
    meta = getattr(source, "meta", None) or {}
    return str(meta.get("file_path") or meta.get("file_name") or meta.get("url") or type(source).__name__)


def absolute_path(path: str, data: bytes, policy: sw.MediaPolicy) -> str:
    """Return the absolute path of the file that a container of bytes says it is from.

    :param path: What its meta say.
    :param data: Its bytes.
    :param policy: Relative paths are looked for under its root, where it has one.
    :returns: The absolute path if the file there holds these bytes; otherwise `path`, a mere name.
    """
    if not is_path(path) or Path(path).is_absolute():
        return path
    file = Path(policy.root or "", path).absolute()
    same = file.is_file() and file.stat().st_size == len(data) and file.read_bytes() == data
    return str(file) if same else path


def is_path(source: str | Path) -> bool:
    """Return whether a source is a local path, and neither a URL nor a data URI."""
    return isinstance(source, Path) or not ("://" in source or source.startswith("data:"))


def is_missing(source: str | Path, policy: sw.MediaPolicy) -> bool:
    """Return whether a source is a relative path to no file, as converters leave that keep only the file name."""
    return is_path(source) and policy.root is None and not Path(source).is_absolute() and not Path(source).exists()
