"""Single weight files, safetensors or pickled tensors, loaded strictly into a module of ours or of a library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require


def find_weights(scheme: str, name: str, example: str) -> Path:
    """Return the path of a weight file that a user names.

    Args:
        scheme: Of the family, for the error.
        name: What stands behind the scheme.
        example: Name of such a file, for the error.

    Raises:
        ModelError: If there is no such file.
    """
    weights = Path(name).expanduser()
    if not weights.is_file():
        msg = f"{scheme}:{name}: there is no file {weights}; expected the path of a checkpoint, such as {example}"
        raise ModelError(msg)
    return weights


def read_tensors(path: Path, *, extra: str) -> dict[str, Any]:
    """Read the tensors of a file by name, on the CPU; a pickle is read with `weights_only=True`.

    A checkpoint that holds its weights under `model_state`, `state_dict` or `model` is unwrapped.

    Raises:
        ModelError: If the file cannot be read as tensors.
    """
    tensors, _ = read_checkpoint(path, "", extra=extra)
    return tensors


def read_checkpoint(path: Path, settings: str, *, extra: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the tensors of a file by name, and the settings that stand beside them.

    Args:
        path: As for `read_tensors`.
        settings: Key of the settings in a pickle, or of their JSON in the metadata of safetensors.
        extra: The extra of senseweave that installs torch.

    Returns:
        The tensors, and the settings, empty if there are none.

    Raises:
        ModelError: If the file cannot be read as tensors.
    """
    torch, safetensors = require("torch", extra=extra), require("safetensors", extra=extra)
    beside: Any = None
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(str(path), framework="pt") as stored:
                loaded = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
                beside = json.loads((stored.metadata() or {}).get(settings, "{}"))
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
            beside = loaded.get(settings) if isinstance(loaded, Mapping) else None
    except Exception as error:  # torch, pickle, zipfile and safetensors have errors of their own
        msg = f"{path.name} cannot be read as weights: {error}"
        raise ModelError(msg) from error
    for key in ("model_state", "state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        msg = f"{path.name} holds a {type(loaded).__name__}, not tensors by name; save the model's state_dict()"
        raise ModelError(msg)
    tensors = {str(name).removeprefix("module."): tensor for name, tensor in loaded.items() if torch.is_tensor(tensor)}
    return tensors, dict(beside) if isinstance(beside, Mapping) else {}


def fill(module: Any, tensors: Mapping[str, Any], name: str, *, unused: tuple[str, ...] = ()) -> Any:
    """Load tensors into a module, all of them and nothing missing, and put it into eval mode.

    Args:
        module: A torch module.
        tensors: By the names of its parameters and buffers.
        name: What errors call the checkpoint.
        unused: Prefixes of tensors that the file may hold beyond those of the module.

    Raises:
        WeightsError: If a weight is missing, has another shape, or belongs to no part of the module.
    """
    kept = {key: tensor for key, tensor in tensors.items() if not key.startswith(unused or ("\0",))}
    try:
        missing, unexpected = module.load_state_dict(kept, strict=False)
    except RuntimeError as error:  # shapes
        msg = f"{name} does not fit its architecture: {error}"
        raise WeightsError(msg) from error
    if missing or unexpected:
        listed = ", ".join([*missing, *(f"{key} (unknown)" for key in unexpected)][:8])
        msg = f"{name} is incomplete, or a checkpoint of another model: {listed}"
        raise WeightsError(msg)
    return module.eval()
