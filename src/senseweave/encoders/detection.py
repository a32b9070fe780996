"""What the files of a checkpoint say about its family: the signs that are read, and the rules over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from senseweave.encoders.runtime.checkpoint import SETTINGS
from senseweave.errors import ModelError


@dataclass(frozen=True)
class Signs:
    """What can be seen of a checkpoint without loading it.

    Attributes:
        name: The name that the user gave.
        files: Names of the files in its folder.
        config: Its `config.json`, or an empty mapping.
        modules: Class names of its sentence-transformers modules, in order; empty if it has no `modules.json`.
        first_module: The configuration of the first of them, or an empty mapping.
        library: Its `config_sentence_transformers.json`, or an empty mapping.
    """

    name: str
    files: frozenset[str]
    config: Mapping[str, Any]
    modules: tuple[str, ...]
    first_module: Mapping[str, Any]
    library: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_type(self) -> str:
        """`model_type` of the configuration, or an empty string."""
        return str(self.config.get("model_type") or "")

    @property
    def architecture(self) -> str:
        """The first of `architectures` of the configuration, or an empty string."""
        named = self.config.get("architectures") or [""]
        return str(named[0])


Condition = Callable[[Signs], bool]

BY_MODULES = 10
"""A class or chain of sentence-transformers modules that only one family runs."""
BY_TEXT_MODULES = 20
"""Any other sentence-transformers folder for text."""
BY_OTHER_MODULES = 30
"""A sentence-transformers folder of several modalities."""
BY_STATIC_TYPE = 40
"""A static model, which may name the transformer that it was distilled from."""
BY_IMAGE_TEXT_TYPE = 50
"""A `model_type` with two towers; some of these repositories also hold the weights for open_clip."""
BY_OPEN_CLIP_CONFIG = 60
BY_IMAGE_TYPE = 70
"""A `model_type` of images; some of these repositories also hold a configuration of timm."""
BY_TIMM_CONFIG = 80
BY_HEAD = 85
"""A head that only one family reads, on a `model_type` that another family reads without it."""
BY_TYPE = 90
"""Any other `model_type`."""


@dataclass(frozen=True)
class Rule:
    """A sign that a checkpoint belongs to a family, or a reason to refuse it.

    Attributes:
        holds: Whether the rule applies to a checkpoint.
        priority: Rules are tried from low to high, those of equal priority in the order of the families. What is more
            specific comes first: files that name a library come before a `model_type`.
        refusal: For a checkpoint that no family embeds, the message of the error: why not, and what to do instead. Such
            rules are tried after all others.
    """

    holds: Condition
    priority: int = BY_TYPE
    refusal: Callable[[Signs], str] | None = None


def has_file(*names: str) -> Condition:
    """Return the condition that any of the files exists."""
    return lambda signs: not signs.files.isdisjoint(names)


def has_model_type(*types: str) -> Condition:
    """Return the condition that `model_type` of `config.json` is one of `types`."""
    return lambda signs: signs.model_type in types


def has_architecture(*endings: str) -> Condition:
    """Return the condition that the first architecture of `config.json` ends with one of `endings`."""
    return lambda signs: bool(signs.architecture) and signs.architecture.endswith(endings)


def has_config_keys(*keys: str) -> Condition:
    """Return the condition that `config.json` has all of `keys`."""
    return lambda signs: all(key in signs.config for key in keys)


def read_signs(name: str, folder: Path) -> Signs:
    """Read the configuration files of a checkpoint's folder.

    Raises:
        ModelError: If a configuration file is not valid JSON.
    """
    modules = _read_json(name, folder / "modules.json")
    listed = [entry for entry in modules if isinstance(entry, dict)] if isinstance(modules, list) else []
    first: Any = {}
    if listed:
        home = folder / str(listed[0].get("path") or "")
        first = _read_json(name, home / "sentence_bert_config.json") or _read_json(name, home / "config.json")
    config = _read_json(name, folder / "config.json")
    library = _read_json(name, folder / SETTINGS)
    return Signs(
        name=name,
        files=frozenset(path.name for path in folder.iterdir()),
        config=config if isinstance(config, dict) else {},
        modules=tuple(str(entry.get("type", "")).rpartition(".")[2] for entry in listed),
        first_module=first if isinstance(first, dict) else {},
        library=library if isinstance(library, dict) else {},
    )


def _read_json(name: str, path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{name}: {path.name} is not valid JSON ({error})"
        raise ModelError(msg) from error
