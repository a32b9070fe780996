"""What an index records of its spaces, so that it opens again without being told."""

from __future__ import annotations

from typing import Any

from senseweave.spaces.catalog import load
from senseweave.spaces.space import Space


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
