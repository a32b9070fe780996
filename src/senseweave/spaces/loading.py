"""From a name to a space: which family a model belongs to, and one model in memory for equal arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

from senseweave.encoders.catalog import by_scheme
from senseweave.encoders.registry import build_family, find_family
from senseweave.media import MediaPolicy
from senseweave.spaces.space import Space
from senseweave.spaces.token_space import TokenSpace

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
            encoders = build_family(family, model, options, dimensions)
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
