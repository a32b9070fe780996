"""What a sentence-transformers folder says of its vectors: their similarity, and how many dimensions are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from senseweave.display import shorten
from senseweave.encoders.base import Encoder, Similarity
from senseweave.encoders.parts.prompts import Prompts, last_name, saved_by_role
from senseweave.encoders.runtime.checkpoint import SETTINGS, Checkpoint
from senseweave.errors import ModelError
from senseweave.media import Modality

LAYER_NORM_BEFORE_CUT: Final = re.compile(r"nomic-embed-text-v1\.5")
"""Models whose vectors are normalized over their dimensions before they are cut (card of nomic-embed-text-v1.5)."""


@dataclass(frozen=True)
class SavedSettings:
    """Settings of `config_sentence_transformers.json`.

    Attributes:
        similarity: By what the model's vectors are compared. `cosine` where its last module makes their length 1,
            since they are then the same.
        dimensions: `truncate_dim`; None for all.
        layer_norm: Whether a layer norm without weights comes before dimensions are cut.
    """

    similarity: Similarity = "cosine"
    dimensions: int | None = None
    layer_norm: bool = False


def read_settings(checkpoint: Checkpoint) -> SavedSettings:
    """Read the settings of a folder.

    Args:
        checkpoint: The folder.

    Raises:
        ModelError: If a setting has an impossible value.
    """
    saved = checkpoint.json(SETTINGS)
    similarity: Any = saved.get("similarity_fn_name") or "cosine"
    if similarity not in get_args(Similarity):
        msg = f"{checkpoint.name} compares vectors by {similarity!r}; expected one of {', '.join(get_args(Similarity))}"
        raise ModelError(msg)
    modules = [str(module.get("type", "")).rpartition(".")[2] for module in checkpoint.json_list("modules.json")]
    if modules and modules[-1] == "Normalize":
        similarity = "cosine"
    dimensions = saved.get("truncate_dim")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        msg = f"{checkpoint.name} was saved with truncate_dim={dimensions!r}, expected a positive number"
        raise ModelError(msg)
    called = (checkpoint.name, str(checkpoint.json("config.json").get("_name_or_path") or ""))
    layer_norm = any(LAYER_NORM_BEFORE_CUT.fullmatch(last_name(name)) for name in called)
    return SavedSettings(cast("Similarity", similarity), dimensions, layer_norm)


def named_prompts(checkpoint: Checkpoint) -> tuple[dict[str, str], str | None]:
    """Return the prompts that a folder was saved with by name, but the empty ones, and the name of the usual one.

    Raises:
        ModelError: If they are not strings.
    """
    saved = checkpoint.json(SETTINGS)
    prompts, usual = saved.get("prompts") or {}, saved.get("default_prompt_name")
    strings = isinstance(prompts, dict) and all(isinstance(prompt, str | None) for prompt in prompts.values())
    if not strings or not isinstance(usual, str | None):
        msg = (
            f"{checkpoint.name}: {SETTINGS} must hold prompts as strings by name, and the name of one of them as "
            f"default_prompt_name, not {shorten(repr(prompts), 60)} and {shorten(repr(usual), 60)}"
        )
        raise ModelError(msg)
    return {name: prompt for name, prompt in prompts.items() if prompt}, usual


def read_prompts(checkpoint: Checkpoint) -> Prompts:
    """Return the prompts that a folder was saved with: by role, else by `default_prompt_name`, else none."""
    saved, usual = named_prompts(checkpoint)
    default = saved.get(usual or "", "")
    return saved_by_role(saved) or Prompts(default, default, "config" if default else "none")


def with_settings(encoders: Mapping[Modality, Encoder], checkpoint: Checkpoint) -> dict[Modality, Encoder]:
    """Return the encoders of a folder, which keep to the settings that it was saved with.

    Raises:
        ModelError: If a setting has an impossible value.
    """
    saved = read_settings(checkpoint)
    kept = {
        "similarity": saved.similarity,
        "usual_dimensions": saved.dimensions,
        "layer_norm_before_cut": saved.layer_norm,
    }
    for encoder in encoders.values():
        for name, value in kept.items():
            setattr(encoder, name, value)
    return dict(encoders)
