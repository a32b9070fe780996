"""The spaces of an index: given by name or loaded, recorded with its collections, and loaded again from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from senseweave.errors import FingerprintError, StoreError
from senseweave.retrieval.stores.description import Description, collection_name
from senseweave.spaces.loading import load
from senseweave.spaces.space import Space


def load_all(spaces: Sequence[str | Space] | str | Space | None) -> list[Space]:
    """Load those that are given by name, and check that all of them can embed."""
    listed = [spaces] if isinstance(spaces, (str, Space)) else spaces or ()
    loaded = [load(one) if isinstance(one, str) else one for one in listed]
    for one in loaded:
        _ = one.fingerprint  # weights that are missing or broken show here
    return loaded


def load_recorded(described: Sequence[Description]) -> Space:
    """Load the space that some collections were made with.

    Raises:
        StoreError: If it was not made by `senseweave.load`.
        FingerprintError: If what is loaded gives other vectors now.
    """
    name, options = described[0].space, described[0].options
    if options is None:
        msg = f"the space {name!r} of this index was not made by senseweave.load; pass it: Index(..., spaces=[space])"
        raise StoreError(msg)
    space = load(name, **options)
    for one in described:
        if one.fingerprint != space.fingerprint:
            raise FingerprintError(one.name, one.fingerprint, space.fingerprint)
    return space


def describe(space: Space, prefix: str) -> list[Description]:
    """What the collections of a space say of themselves, one for each modality that it embeds."""
    options = load_options(space)
    return [
        Description(
            name=collection_name(prefix, space.name, modality),
            space=space.name,
            modality=modality,
            fingerprint=space.fingerprint,
            dimension=space.dimension,
            options=options,
        )
        for modality in space.modalities
    ]


def load_options(space: Space) -> dict[str, Any] | None:
    """The load options that an index records, or None where the space was not made by `senseweave.load`."""
    recipe = space._recipe
    if recipe is None or recipe[0] is not load:
        return None
    kept = {}
    for name, value in recipe[2].items():
        if name in ("cache_size", "policy", "device") or value is None:
            continue
        if isinstance(value, (str, int, float, bool, list, tuple, dict)):
            kept[name] = value
    return kept
