"""The four modalities."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Modality: TypeAlias = Literal["text", "image", "audio", "video"]
MODALITIES: Final[tuple[Modality, ...]] = ("text", "image", "audio", "video")
