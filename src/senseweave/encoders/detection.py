"""Which family a checkpoint belongs to, told from the names of its files and its configuration: one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senseweave.encoders.families import ast, blip, clap, clip, image, siglip, speech, video, xclip
from senseweave.encoders.families.contextual import ENCODER_DECODER_TYPES, ENCODER_TYPES, is_causal
from senseweave.errors import ModelError


@dataclass(frozen=True)
class Signs:
    """What can be seen of a checkpoint without loading it.

    Attributes:
        name: What the user called it.
        files: Names of the files in its folder.
        config: Its `config.json`, or an empty mapping.
        modules: Class names of its sentence-transformers modules, in order; empty if it has no `modules.json`.
        first_module: The configuration of the first of them, or an empty mapping.
    """

    name: str
    files: frozenset[str]
    config: Mapping[str, Any]
    modules: tuple[str, ...]
    first_module: Mapping[str, Any]

    @property
    def model_type(self) -> str:
        """`model_type` of the configuration, or an empty string."""
        return str(self.config.get("model_type") or "")

    @property
    def architecture(self) -> str:
        """The first of `architectures` of the configuration, or an empty string."""
        named = self.config.get("architectures") or [""]
        return str(named[0])


Rule = tuple[str, Callable[[Signs], bool]]
"""The scheme of a family, and what tells that a checkpoint is its."""


def has_file(*names: str) -> Callable[[Signs], bool]:
    """True where any of the files is there."""
    return lambda signs: not signs.files.isdisjoint(names)


def model_type(*types: str) -> Callable[[Signs], bool]:
    """True where `model_type` of `config.json` is one of `types`."""
    return lambda signs: signs.model_type in types


def architecture(*endings: str) -> Callable[[Signs], bool]:
    """True where the first architecture of `config.json` ends with one of `endings`."""
    return lambda signs: bool(signs.architecture) and signs.architecture.endswith(endings)


def config_key(*keys: str) -> Callable[[Signs], bool]:
    """True where `config.json` has all of `keys`."""
    return lambda signs: all(key in signs.config for key in keys)


def module(*names: str) -> Callable[[Signs], bool]:
    """True where the first sentence-transformers module is of one of these classes."""
    return lambda signs: bool(signs.modules) and signs.modules[0] in names


def static_modules(signs: Signs) -> bool:
    """True for a StaticEmbedding that at most a normalisation follows."""
    return signs.modules[:1] == ("StaticEmbedding",) and set(signs.modules) <= {"StaticEmbedding", "Normalize"}


def text_modules(signs: Signs) -> bool:
    """True for a sentence-transformers folder whose first module takes nothing but text."""
    modalities = signs.first_module.get("modality_config")
    return bool(signs.modules) and (not modalities or set(modalities) <= {"text", "message"})


def further_modules(signs: Signs) -> bool:
    """True for a sentence-transformers folder of several modalities with layers beyond those of its model type."""
    return bool(signs.modules) and not set(signs.modules) <= {"Transformer", "Normalize"}


RULES: tuple[Rule, ...] = (
    # Folders that say what they are by their files come before those that are known by a model type.
    ("clip", module("CLIPModel")),
    ("static", static_modules),
    ("sentence", text_modules),
    ("omni", further_modules),
    ("static", model_type("model2vec")),
    ("static", architecture("StaticModel")),
    ("clip", model_type(*clip.CLASSES)),
    ("siglip", model_type(*siglip.CLASSES)),
    ("blip", model_type(*blip.CLASSES)),
    # Some repositories hold the same weights for transformers too, and those are known above.
    ("open_clip", has_file("open_clip_config.json")),
    ("image", model_type(*image.ARCHITECTURES)),
    ("timm", config_key("architecture", "pretrained_cfg")),
    ("video", model_type(*video.ARCHITECTURES)),
    ("xclip", model_type(*xclip.CLASSES)),
    ("clap", model_type(*clap.CLASSES)),
    ("speech", model_type(*speech.CLASSES)),
    ("ast", model_type(*ast.CLASSES)),
    ("contextual", model_type(*ENCODER_TYPES, *ENCODER_DECODER_TYPES)),
)
"""In this order; the first rule that holds decides. A new family adds its lines here."""


def read_signs(name: str, folder: Path) -> Signs:
    """Look at a checkpoint's folder.

    Raises:
        ModelError: If a configuration file is not valid JSON.
    """
    modules = _read_json(name, folder / "modules.json")
    listed = [one for one in modules if isinstance(one, dict)] if isinstance(modules, list) else []
    first: Any = {}
    if listed:
        home = folder / str(listed[0].get("path") or "")
        first = _read_json(name, home / "sentence_bert_config.json") or _read_json(name, home / "config.json")
    config = _read_json(name, folder / "config.json")
    return Signs(
        name=name,
        files=frozenset(path.name for path in folder.iterdir()),
        config=config if isinstance(config, dict) else {},
        modules=tuple(str(one.get("type", "")).rpartition(".")[2] for one in listed),
        first_module=first if isinstance(first, dict) else {},
    )


def detect(signs: Signs) -> str:
    """The scheme of the family that a checkpoint belongs to.

    Raises:
        ModelError: If no rule holds; the message says what was seen.
    """
    for scheme, holds in RULES:
        if holds(signs):
            return scheme
    if not signs.files & {"config.json", "modules.json"}:
        seen = ", ".join(sorted(signs.files)[:6]) or "nothing"
        msg = f"{signs.name} holds neither config.json nor modules.json (it holds: {seen}), so its family is unknown"
        raise ModelError(f"{msg}; name the family as in 'contextual:{signs.name}'")
    if signs.architecture.endswith(("ForCausalLM", "LMHeadModel")) or is_causal(signs.model_type):
        msg = (
            f"{signs.name} is a causal language model ({signs.model_type}), which was not trained to embed; its "
            f"token vectors are at 'tokens:{signs.name}', and 'contextual:{signs.name}' with pooling='last' pools them"
        )
        raise ModelError(msg)
    kind = signs.model_type or signs.architecture or "no model_type"
    msg = f"{signs.name} is a checkpoint of a family that senseweave does not know ({kind}); see `senseweave models`"
    raise ModelError(msg)


def _read_json(name: str, path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{name}: {path.name} is not valid JSON ({error})"
        raise ModelError(msg) from error
