"""Read media from the blocks of chat messages, as LangChain, OpenAI and Anthropic write them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

from senseweave.errors import MediaError
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality, Text
from senseweave.media.collecting import as_media, first_media

_NAMES: Final[dict[str, Modality]] = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "video_url": "video",
    "input_text": "text",
    "text-plain": "text",
}
"""Types of blocks that do not say their modality in one word."""


def is_block(item: Any) -> bool:
    """Return whether an input is a block of a chat message: a mapping with a `type`."""
    return isinstance(item, Mapping) and isinstance(item.get("type"), str)


def block_content(block: Mapping[str, Any]) -> str | bytes:
    """Return the text, the URL or the bytes in a block; nothing is fetched.

    Args:
        block: A standard block (`base64`, `url` or `text`), of version 0 (`source_type`), of OpenAI (`image_url`,
            `input_audio`) or of Anthropic (`source`).

    Raises:
        MediaError: If the block holds none of them, or what is not base64.
    """
    name = str(block["type"])
    held = block.get(name) if isinstance(block.get(name), Mapping) else block.get("source")
    values = {**block, **held} if isinstance(held, Mapping) else dict(block)
    encoded = values.get("base64") or (values.get("data") if values.get("source_type", "base64") == "base64" else None)
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise MediaError(f"{name} block", f"does not hold base64 ({error})") from error
    for key in ("text", "url", name, "image_url", "data"):
        if isinstance(values.get(key), str) and values[key]:
            return cast(str, values[key])
    reason = f"holds no text, base64 or url that can be read; it has {', '.join(map(str, values))}"
    raise MediaError(f"{name} block", reason)


def media_from_block(block: Mapping[str, Any], policy: MediaPolicy | None = None) -> Media:
    """Return the media in a block of a chat message; the modality of a `file` is told by its content.

    Args:
        block: As `block_content` takes it.
        policy: What may be read, where the block names a URL.

    Raises:
        MediaError: If the block holds no media, or they cannot be read.
    """
    name = str(block["type"])
    modality = _NAMES.get(name, cast(Modality, name))
    content = block_content(block)
    if modality == "text":
        return Text(content if isinstance(content, str) else content.decode())
    return as_media(modality, content, policy) if modality in MODALITIES else first_media(content, policy)
