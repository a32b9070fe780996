"""What a chat model takes, as its `profile` says."""

from __future__ import annotations

from typing import Any

from senseweave.interop import Modality


def model_modalities(model: Any, *, in_tools: bool = False) -> tuple[Modality, ...]:
    """Return the modalities that a chat model is to be shown; of others it gets the transcript or caption.

    Sound is shown only to models of which the profile says that they take it. Images, and videos as frames, are left
    out only where the profile says that the model takes none.

    Args:
        model: A chat model, also with tools or options bound to it.
        in_tools: Whether the media stand in a tool message, in which few models take sound.
    """
    while hasattr(model, "bound"):
        model = model.bound
    profile = getattr(model, "profile", None) or {}
    sees = profile.get("image_inputs", True) and (not in_tools or profile.get("image_tool_message", True))
    hears = profile.get("audio_inputs", False) and not in_tools
    shown: list[Modality] = ["text"]
    return (*shown, *(("image", "video") if sees else ()), *(("audio",) if hears else ()))
