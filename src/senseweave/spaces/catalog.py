"""From a name to a space: which family a model belongs to, and one model in memory for equal arguments."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

from senseweave.encoders.base import Encoder
from senseweave.encoders.checkpoint import CONFIG_PATTERNS, resolve
from senseweave.errors import ModelError
from senseweave.media import MediaPolicy, Modality
from senseweave.spaces.detection import detect, read_signs
from senseweave.spaces.families import Family, by_scheme
from senseweave.spaces.options import check_options
from senseweave.spaces.space import Space
from senseweave.spaces.token_space import TokenSpace

Build = Callable[..., Mapping[Modality, Encoder]]

SPACES: Mapping[str, type[Space]] = {"tokens": TokenSpace}
"""Families whose spaces can do more than embed."""

_live: WeakValueDictionary[str, Space] = WeakValueDictionary()
_lock = RLock()


NEVER_FOLDERS = ("openai", "speaker")
"""Families whose models are not folders, even where a folder happens to have a model's name."""


def load(
    name: str | os.PathLike[str],
    *,
    normalize: bool = True,
    dimensions: int | None = None,
    cache_size: int = 4096,
    policy: MediaPolicy | None = None,
    **options: Any,
) -> Space:
    """Load a space by name.

    Args:
        name: `starter`, a hub id, a local folder, or `scheme:name` to choose the family (see `senseweave models`). The
            space is named by a folder's absolute path, so that an index or a pickle finds it from anywhere.
        normalize: Whether vectors have length 1.
        dimensions: Keep only so many leading dimensions (Matryoshka truncation).
        cache_size: How many finished vectors are remembered; 0 for none.
        policy: What may be read when media are given as paths, URLs or bytes.
        **options: Of the family: `device`, `dtype`, `revision`, `max_length`, `batch_tokens`, `prompts`, `pooling`, ...

    Returns:
        The space. Equal arguments give the same space as long as it is in use anywhere. Weights are loaded when first
        used.

    Raises:
        ModelError: If there is no such model, or it cannot be loaded.
        ImportError: If an extra is missing; the message holds the install line.
        TypeError: If the family has no such option; the message lists those it has. Or if a value is of another type.
        ValueError: If a value is impossible.
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str) or not name.strip():
        msg = f"a model is named by a string such as 'starter', not {name!r}"
        raise TypeError(msg)
    name = _placed(name)
    shared = {"normalize": normalize, "dimensions": dimensions, "cache_size": cache_size, "policy": policy}
    key = repr((name, sorted(shared.items()), sorted(options.items())))
    with _lock:
        space = _live.get(key)
        if space is None:
            family, model = find_family(name, revision=options.get("revision"))
            encoders = _build(family, model, options, dimensions)
            recipe = (load, (name,), {**shared, **options})
            space = SPACES.get(family.scheme, Space)(name, encoders, recipe=recipe, **shared)  # type: ignore[arg-type]
            if dimensions is not None:
                _ = space.dimension  # an impossible number of dimensions is an error here, not at the first vector
            _live[key] = space
    return space


def _placed(name: str) -> str:
    """The name with the absolute path of the local folder that it names, if it names one."""
    if name != "starter" and os.path.isdir(name):
        return os.path.abspath(name)
    scheme, _, rest = name.partition(":")
    if scheme in by_scheme() and scheme not in NEVER_FOLDERS and os.path.isdir(rest):
        return f"{scheme}:{os.path.abspath(rest)}"
    return name


def find_family(name: str, *, revision: str | None = None) -> tuple[Family, str]:
    """The family of a name, and the name without its scheme.

    A name without a scheme is a local folder or a hub id; its files tell the family (`senseweave.spaces.detection`).

    Raises:
        ModelError: If the scheme is unknown, there is no such model, or the checkpoint is of no known family.
    """
    families = by_scheme()
    if name == "starter":
        return families[name], name
    scheme, colon, rest = name.partition(":")
    if colon and scheme in families:
        if not rest.strip():
            msg = f"{name!r} names the family {scheme!r} but no model; for example {families[scheme].examples[0]!r}"
            raise ModelError(msg)
        return families[scheme], rest
    if colon and len(scheme) > 1 and "/" not in scheme and "\\" not in scheme:
        msg = f"{name!r} asks for the family {scheme!r}, which is unknown; known are {', '.join(families)}"
        raise ModelError(msg)
    folder = resolve(name, revision=revision, patterns=CONFIG_PATTERNS, weights=False).folder
    return families[detect(read_signs(name, folder))], name


def build_encoders(name: str, options: Mapping[str, Any]) -> Mapping[Modality, Encoder]:
    """The encoders of a model, not yet put into a space: what other families are composed of.

    Args:
        name: As for `load`.
        options: Of the model's family.

    Raises:
        ModelError: If there is no such model.
        TypeError: If its family has no such option.
    """
    family, model = find_family(name, revision=options.get("revision"))
    return _build(family, model, options, None)


def _build(
    family: Family, model: str, options: Mapping[str, Any], dimensions: int | None
) -> Mapping[Modality, Encoder]:
    build: Build = importlib.import_module(family.module).build
    known = [option for option, p in inspect.signature(build).parameters.items() if p.kind is p.KEYWORD_ONLY]
    unknown = sorted(set(options) - set(known))
    if unknown:
        msg = f"{family.scheme} has no option {', '.join(unknown)}; it has: {', '.join(known)}"
        raise TypeError(msg)
    check_options({**options, "dimensions": dimensions})
    if dimensions is not None and "dimensions" in known:  # a server can shorten vectors before they are sent
        options = {**options, "dimensions": dimensions}
    return build(model, **options)
