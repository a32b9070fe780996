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


def block_content(block: Mapping[str, Any]) -> Text | str | bytes:
    """Return the text in a block as media, or the URL or bytes that it holds; nothing is fetched.

    Who writes a message may be anyone, so that a text is never a path, and a URL never leads to a local file.

    Args:
        block: A standard block (`base64`, `url` or `text`), of version 0 (`source_type`), of OpenAI (`image_url`,
            `input_audio`) or of Anthropic (`source`).

    Raises:
        MediaError: If the block holds none of them, what is not base64, or the path of a local file.
    """
    name = str(block["type"])
    held = block.get(name) if isinstance(block.get(name), Mapping) else block.get("source")
    values = {**block, **held} if isinstance(held, Mapping) else dict(block)
    if _block_modality(block) == "text" and isinstance(values.get("text"), str):
        return Text(values["text"])
    encoded = values.get("base64") or (values.get("data") if values.get("source_type", "base64") == "base64" else None)
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise MediaError(f"{name} block", f"does not hold base64 ({error})") from error
    for key in ("url", name, "image_url"):
        if isinstance(values.get(key), str) and values[key]:
            return _remote(name, values[key])
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
    modality, content = _block_modality(block), block_content(block)
    if isinstance(content, Text):
        return content
    return as_media(modality, content, policy) if modality in MODALITIES[1:] else first_media(content, policy)


def _block_modality(block: Mapping[str, Any]) -> Modality:
    """Return the modality that a block's type names; of a file or an unknown type, the type itself."""
    name = str(block["type"])
    return _NAMES.get(name, cast(Modality, name))


def _remote(name: str, url: str) -> str:
    scheme = url.partition(":")[0].lower()
    if scheme != "data" and ("://" not in url or scheme == "file"):
        reason = "names a local file, which a message must not; read the file and put its base64 into the block"
        raise MediaError(f"{name} block", reason)
    return url
