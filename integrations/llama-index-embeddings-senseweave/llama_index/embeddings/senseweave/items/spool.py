"""Keeps what has no path in files named after their content, because LlamaIndex stores paths and loses bytes."""

from __future__ import annotations

from pathlib import Path

import filetype  # type: ignore[import-untyped]
from llama_index.core.schema import MediaResource
from llama_index.core.utils import get_cache_dir

from senseweave.interop import MEDIA_CLASSES, Fused, Image, Media, image_file, keep_bytes, local_path

PDF = "application/pdf"
# LlamaIndex looks MIME types up in `filetype`, which knows these by older names.
_FILETYPE_NAMES = {"audio/wav": "audio/x-wav", "audio/flac": "audio/x-flac", "audio/aiff": "audio/x-aiff"}


def media_file(media: Media, folder: str | Path | None = None) -> tuple[Path, str]:
    """Return a file that holds the media, and its MIME type as LlamaIndex calls it.

    A local file is itself. What has no path is written to `folder`, and so is a page of a document as a PNG, since
    language models read pictures and not documents.

    Args:
        media: Image, audio or video.
        folder: Where to write; `senseweave` in LlamaIndex's cache folder if None.

    Raises:
        MediaError: If the media cannot be read, or was given decoded and has no bytes.
    """
    folder = Path(folder) if folder is not None else Path(get_cache_dir()) / "senseweave"
    mime_type = _FILETYPE_NAMES.get(media.mime_type, media.mime_type)
    if mime_type == PDF and isinstance(media, Image):
        page = image_file(media, max_pixels=media.policy.max_pixels, image_format="png")
        return keep_bytes(page.data, folder, ".png"), page.mime_type
    path = local_path(media)
    if path is not None:
        return path.absolute(), mime_type
    file_type = filetype.get_type(mime=mime_type)
    return keep_bytes(media.read(), folder, f".{file_type.extension}" if file_type else ""), mime_type


def media_resources(media: Media, folder: str | Path | None = None) -> dict[str, MediaResource]:
    """Return the resource of media by its field of a node; of fused media the first of each modality but text.

    Args:
        media: Image, audio, video, or media that are fused of them.
        folder: Where what has no path is written.

    Raises:
        MediaError: If the media cannot be read, or were given decoded and have no bytes.
    """
    parts = reversed(list(media.parts.values())) if isinstance(media, Fused) else (media,)
    files = {part.modality: media_file(part, folder) for part in parts if part.modality != "text"}
    return {f"{kind}_resource": MediaResource(path=path, mimetype=mime) for kind, (path, mime) in files.items()}


def with_files(fused: Fused, folder: str | Path | None = None) -> Fused:
    """Return fused media whose parts all have a place to be read from again: a file where they had none.

    Raises:
        MediaError: If a part cannot be read, or was given decoded and has no bytes.
    """
    parts = dict(fused.parts)
    for name, part in parts.items():
        if part.modality != "text" and local_path(part) is None and "://" not in part.source:
            path, _ = media_file(part, folder)
            parts[name] = MEDIA_CLASSES[part.modality](path, span=part.span, metadata=part.metadata, policy=part.policy)
    named = fused.source if not fused.source.startswith("fused:") else None
    return Fused(parts, fused.weights, source=named, metadata=fused.metadata, policy=fused.policy)
