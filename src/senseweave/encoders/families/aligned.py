"""Aligned spaces: folders that `senseweave.Alignment.save` wrote, which hold heads for two other models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import BY_MODULES, Rule, has_file
from senseweave.encoders.family import Family
from senseweave.encoders.parts.aligned import Aligned, Base
from senseweave.encoders.parts.heads import Head, read_head
from senseweave.encoders.registry import build_encoders, find_family
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.media import MODALITIES, Modality

CONFIG: Final = "senseweave_alignment.json"
WEIGHTS: Final = "heads.safetensors"
FORMAT: Final = 1
"""Version of the folder; raised when older code could not read it."""
Side = Literal["source", "target"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)
INSIDE: Final = "./"
"""With this begins the name of a model that comes with the folder."""
NESTING: Final = 4
"""An aligned space may itself be a side of another, so many times."""
_depth: ContextVar[int] = ContextVar("senseweave_aligned_depth", default=0)


@dataclass(frozen=True)
class BaseModel:
    """A model that an aligned space stands on.

    Attributes:
        name: As `senseweave.load` takes it; `./name` is a folder inside that of the aligned space.
        options: Its load options, those of the space (`normalize`, `dimensions`) excluded; None if it was not loaded by
            name.
        base: How its vectors reach the head.
        encoders: Its modalities in the aligned space, each with `identify` of its encoder.
    """

    name: str
    options: Mapping[str, Any] | None
    base: Base
    encoders: Mapping[Modality, str]


@dataclass(frozen=True)
class Config:
    """The configuration of an aligned space.

    Attributes:
        models: The model of each side.
        heads: What is no array of the head of each side, as `Head.settings` returns it.
        details: Further values, which decide nothing: the method, its settings, the number of pairs.
    """

    models: Mapping[Side, BaseModel]
    heads: Mapping[Side, Any]
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as plain values, which `read_config` reads."""
        sides: dict[str, Any] = {
            side: {
                "model": model.name,
                "options": dict(model.options or {}),
                "fingerprint": model.base.fingerprint,
                "dimension": model.base.dimension,
                "layer_norm": model.base.layer_norm,
                "encoders": dict(model.encoders),
                "head": self.heads[side],
            }
            for side, model in self.models.items()
        }
        return {"format": FORMAT, **sides, "details": dict(self.details)}


def read_config(folder: Path) -> Config:
    """Read the configuration of a folder.

    Raises:
        ModelError: If there is none, a newer version wrote it, or it is damaged.
    """
    path = folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if int(content["format"]) > FORMAT:
            msg = (
                f"{folder} was written by a newer senseweave (format {content['format']}; this version reads up to "
                f"{FORMAT}); upgrade senseweave"
            )
            raise ModelError(msg)
        models = {side: _read_model(content[side]) for side in SIDES}
        heads = {side: content[side]["head"] for side in SIDES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"{path} is not the configuration of an aligned space ({type(error).__name__}: {error})"
        raise ModelError(msg) from error
    return Config(models, heads, content.get("details") or {})


def recorded_models(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and options of the models that a folder asks for; none if it is no aligned space.

    Raises:
        ModelError: If its configuration is damaged.
    """
    if not (folder / CONFIG).is_file():
        return []
    return [(locate(folder, model.name), model.options or {}) for model in read_config(folder).models.values()]


def locate(folder: Path, name: str) -> str:
    """Return the name of a model of an aligned space; of `./name`, the path inside its folder.

    Raises:
        ModelError: If the path leads out of the folder.
    """
    if not name.startswith(INSIDE):
        return name
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root) or path == root:
        msg = f"{folder}: the recorded model {name!r} leads out of the folder"
        raise ModelError(msg)
    return str(path)


def read_heads(folder: Path, config: Config) -> dict[Side, Head]:
    """Read the heads of both sides.

    Raises:
        WeightsError: If they are missing, damaged, or not of one dimension.
    """
    safetensors = require("safetensors.numpy", extra="training", feature="loading an aligned space")
    path = folder / WEIGHTS
    try:
        arrays: dict[str, np.ndarray] = safetensors.load(path.read_bytes())
    except Exception as error:  # a missing file, or a format error of the library
        msg = f"{path} cannot be read ({type(error).__name__}: {error})"
        raise WeightsError(msg) from error
    heads = {side: read_head(str(folder), side, config.heads[side], arrays) for side in SIDES}
    for side in SIDES:
        given, expected = config.models[side].base.dimension, heads[side].sizes[0]
        if given != expected:
            msg = (
                f"{folder}: the head of the {side} takes {expected} dimensions, and its model is recorded with {given}"
            )
            raise WeightsError(msg)
    if heads["source"].sizes[1] != heads["target"].sizes[1]:
        msg = f"{folder}: the heads lead to {heads['source'].sizes[1]} and {heads['target'].sizes[1]} dimensions"
        raise WeightsError(msg)
    return heads


def build(name: str, *, device: str | None = None) -> dict[Modality, Encoder]:
    """Build the encoders of an aligned space.

    Args:
        name: The folder that `Alignment.save` wrote. `senseweave.load` has checked which models it asks for.
        device: torch device of both models; the best there is if None.

    Raises:
        ModelError: If it is no such folder, or a model it stands on is missing or gives other vectors by now.
        WeightsError: If its heads are missing or damaged.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        msg = f"{name} is not a local folder; an aligned space is loaded from the folder that `Alignment.save` wrote"
        raise ModelError(msg)
    config = read_config(folder)
    heads = read_heads(folder, config)
    encoders: dict[Modality, Encoder] = {}
    with _one_deeper(folder):
        for side in SIDES:
            model = config.models[side]
            options = dict(model.options or {})
            located = locate(folder, model.name)
            if device is not None and "device" in find_family(located)[0].options():
                options["device"] = device
            built = _build_recorded(folder, located, options, model.encoders)
            for modality, identity in model.encoders.items():
                if modality not in built:
                    msg = f"{folder} needs {model.name!r} to embed {modality}; it embeds {', '.join(built)}"
                    raise ModelError(msg)
                if identify(built[modality]) != identity:
                    msg = f"{folder} was fitted to other weights or options of {model.name!r} ({modality}); align again"
                    raise ModelError(msg)
                encoders[modality] = Aligned(built[modality], heads[side], model.base)
    return encoders


def identify(encoder: Encoder) -> str:
    """Return 16 hexadecimal digits of everything that decides the vectors of an encoder."""
    canonical = json.dumps(dict(encoder.identity()), sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _build_recorded(
    folder: Path, name: str, options: Mapping[str, Any], encoders: Mapping[Modality, str]
) -> Mapping[Modality, Encoder]:
    """Return the encoders of a model, by the defaults of an earlier version if these give the recorded `encoders`."""
    built = _build_base(folder, name, options)
    for defaults in find_family(name)[0].earlier_defaults:
        if _are(built, encoders):
            break
        earlier = _build_base(folder, name, {**defaults, **options})
        built = earlier if _are(earlier, encoders) else built
    return built


def _are(built: Mapping[Modality, Encoder], encoders: Mapping[Modality, str]) -> bool:
    return all(modality in built and identify(built[modality]) == known for modality, known in encoders.items())


def _build_base(folder: Path, name: str, options: Mapping[str, Any]) -> Mapping[Modality, Encoder]:
    try:
        return build_encoders(name, options)
    except (TypeError, ValueError) as error:  # an option that is impossible is a fault of the folder
        msg = f"{folder}: the recorded model {name!r} cannot be loaded: {error}"
        raise ModelError(msg) from error


@contextmanager
def _one_deeper(folder: Path) -> Iterator[None]:
    if _depth.get() >= NESTING:
        msg = f"{folder} stands on aligned spaces more than {NESTING} deep, or on itself"
        raise ModelError(msg)
    token = _depth.set(_depth.get() + 1)
    try:
        yield
    finally:
        _depth.reset(token)


def _read_model(entry: Mapping[str, Any]) -> BaseModel:
    name, options, encoders = entry["model"], entry["options"], dict(entry["encoders"])
    if not isinstance(name, str) or not isinstance(options, dict):
        msg = "a model is recorded by its name and a mapping of options"
        raise TypeError(msg)
    if not set(encoders) <= set(MODALITIES):
        msg = f"modalities are {', '.join(encoders)}"
        raise ValueError(msg)
    base = Base(str(entry["fingerprint"]), int(entry["dimension"]), bool(entry["layer_norm"]))
    return BaseModel(name, options, base, encoders)


FAMILY = Family(
    scheme="aligned",
    build=build,
    modalities=MODALITIES,
    extra="training",
    summary="two models in one space, aligned by a few hundred pairs (`senseweave align`)",
    examples=("aligned:path/to/folder",),
    dimensions=(None,),
    license="by models",
    rules=(Rule(has_file(CONFIG), BY_MODULES),),
)
