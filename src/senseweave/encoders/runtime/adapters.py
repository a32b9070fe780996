"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685): read by peft and merged into the weights of their base."""

from __future__ import annotations

from typing import Any, Final

from senseweave.encoders.runtime.checkpoint import Checkpoint, hash_file, resolve
from senseweave.errors import ModelError
from senseweave.extras import require

ADAPTER_PATTERNS: Final = ("adapter_config.json", "adapter_model.*")
ADAPTER_FILES: Final = ("adapter_config.json", "adapter_model.safetensors")


def find_adapter(name: str | None) -> Checkpoint | None:
    """Return the files of an adapter, from a folder or a hub id; None for no adapter."""
    return resolve(name, patterns=ADAPTER_PATTERNS, weights=False) if name is not None else None


def apply_adapter(model: Any, adapter: Checkpoint | None) -> Any:
    """Return a transformers model with an adapter merged into its weights; the model itself for no adapter.

    Raises:
        ModelError: If the folder holds no adapter in safetensors, or one of another base.
    """
    if adapter is None:
        return model
    missing = [name for name in ADAPTER_FILES if not (adapter.folder / name).is_file()]
    if missing:
        msg = f"{adapter.name} holds no adapter: {', '.join(missing)} is missing"
        raise ModelError(msg)
    peft = require("peft", extra="lora", feature="applying an adapter")
    try:
        adapted = peft.PeftModel.from_pretrained(model, str(adapter.folder), local_files_only=True)
        return adapted.merge_and_unload().eval()
    except Exception as error:  # peft raises whatever its parser, torch or the model do
        msg = f"{adapter.name} cannot be applied to this base: {type(error).__name__}: {error}"
        raise ModelError(msg) from error


def adapter_identity(adapter: Checkpoint | None) -> dict[str, object]:
    """Return the SHA-256 of the adapter's files under `adapter`; nothing for no adapter."""
    if adapter is None:
        return {}
    files = [adapter.folder / name for name in ADAPTER_FILES]
    return {"adapter": {path.name: hash_file(path) for path in files if path.is_file()}}
