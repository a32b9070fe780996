"""Single weight files, safetensors or pickled tensors, loaded strictly into a module of ours or of a library."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require


def read_tensors(path: Path, *, extra: str) -> dict[str, Any]:
    """Read the tensors of a file by name, on the CPU; a pickle is read with `weights_only=True`.

    A checkpoint that holds its weights under `model_state`, `state_dict` or `model` is unwrapped.

    Raises:
        ModelError: If the file cannot be read as tensors.
    """
    torch = require("torch", extra=extra)
    try:
        if path.suffix == ".safetensors":
            loaded = require("safetensors.torch", extra=extra).load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        msg = f"{path.name} cannot be read as weights: {error}"
        raise ModelError(msg) from error
    for key in ("model_state", "state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    return {name.removeprefix("module."): tensor for name, tensor in loaded.items() if torch.is_tensor(tensor)}


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
