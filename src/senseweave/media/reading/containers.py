"""What may be opened for a container of FFmpeg, and which of its streams are films."""

from __future__ import annotations

from typing import Any, NoReturn


def refuse_file(url: str, flags: int, options: object) -> NoReturn:
    """Refuse every file that a container refers to."""
    raise PermissionError(f"media file must not open {url!r}")


def moving_pictures(container: Any) -> list[Any]:
    """Return the video streams that are not cover art."""
    from av.stream import Disposition

    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
