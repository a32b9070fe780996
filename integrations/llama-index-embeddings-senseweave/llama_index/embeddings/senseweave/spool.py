"""Keeps what has no path in files named after their content, because LlamaIndex stores paths and loses bytes."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path

import filetype  # type: ignore[import-untyped]
from llama_index.core.utils import get_cache_dir

from senseweave.media import Media
from senseweave.media.base import path_of

# LlamaIndex looks MIME types up in `filetype`, which knows these by older names.
_FILETYPE_NAMES = {"audio/wav": "audio/x-wav", "audio/flac": "audio/x-flac", "audio/aiff": "audio/x-aiff"}


def file_of(media: Media, folder: str | Path | None = None) -> tuple[Path, str]:
    """Return a file that holds the media, and its MIME type as LlamaIndex calls it.

    A local file is itself. What has no path is written to `folder`, and so is a page of a document as a PNG, since
    language models read pictures and not documents.

    Args:
        media: Image, audio or video.
        folder: Where to write; `senseweave` in LlamaIndex's cache folder if None.

    Raises:
        MediaError: If the media cannot be read, or was given decoded and has no bytes.
    """
    place = Path(folder) if folder is not None else Path(get_cache_dir()) / "senseweave"
    mime_type = _FILETYPE_NAMES.get(media.mime_type, media.mime_type)
    if mime_type == "application/pdf":
        buffer = io.BytesIO()
        media.decode().save(buffer, "PNG")
        return _written(buffer.getvalue(), "image/png", place), "image/png"
    path = path_of(media)
    if path is not None:
        return path.absolute(), mime_type
    return _written(media.read(), mime_type, place), mime_type


def _written(data: bytes, mime_type: str, folder: Path) -> Path:
    known = filetype.get_type(mime=mime_type)
    name = hashlib.sha256(data).hexdigest()
    path = folder.absolute() / name[:2] / f"{name}{f'.{known.extension}' if known else ''}"
    if path.is_file() and path.stat().st_size == len(data):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and then moved, so that no reader ever sees half a file.
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return path
