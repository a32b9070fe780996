"""Families that other installed distributions bring, through the entry-point group `senseweave.families`.

Only what is installed can add a family: the name of a model chooses among the families that there are, and never names
a module to import.
"""

from __future__ import annotations

import importlib
import logging
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from senseweave.display import printable
from senseweave.encoders.families import BUILT_IN
from senseweave.encoders.family import Family
from senseweave.errors import ModelError

GROUP = "senseweave.families"
"""The name of an entry point is the scheme; its value is a module with `FAMILY`, or `module:FAMILY`."""

log = logging.getLogger(__name__)


def schemes() -> tuple[str, ...]:
    """Return the schemes of plugins, sorted; no plugin is imported."""
    return tuple(_entries())


def families() -> tuple[Family, ...]:
    """Return the families of plugins that can be imported; the others are logged once and left out."""
    loaded = []
    for scheme in schemes():
        family, problem = _load(scheme)
        if family is None:
            _warn(problem)
        else:
            loaded.append(family)
    return tuple(loaded)


def family_for(scheme: str) -> Family:
    """Return the family of a plugin.

    Raises:
        ModelError: If the plugin cannot be imported or brings something else; the message names its distribution.
    """
    family, problem = _load(scheme)
    if family is None:
        raise ModelError(problem)
    return family


@cache
def _entries() -> dict[str, EntryPoint]:
    """Return entry points by scheme; a built-in family keeps its scheme, else the first distribution by name has it."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _distribution(entry), entry.value)):
        if entry.name in BUILT_IN:
            _warn(
                f"{_distribution(entry)} brings a model family {entry.name!r}, which senseweave has itself; "
                "the built-in family is used"
            )
            continue
        kept = found.setdefault(entry.name, entry)
        if kept.value != entry.value:
            _warn(
                f"two distributions bring the model family {entry.name!r}: {_distribution(kept)} and "
                f"{_distribution(entry)}; that of {_distribution(kept)} is used"
            )
    return found


@cache
def _load(scheme: str) -> tuple[Family | None, str]:
    """Return the family of an entry point, or None and the reason."""
    entry = _entries()[scheme]
    plugin = f"the model family {scheme!r} of the distribution {_distribution(entry)} ({entry.value})"
    try:
        family = entry.load() if entry.attr else importlib.import_module(entry.module).FAMILY
    except Exception as error:  # a plugin may fail in any way, and must not take the others with it
        return None, f"{plugin} cannot be imported: {type(error).__name__}: {error}"
    if not isinstance(family, Family):
        return None, f"{plugin} is {type(family).__name__}, expected senseweave.encoders.family.Family"
    if family.scheme != scheme:
        return None, f"{plugin} says that its scheme is {family.scheme!r}; the entry point must have that name"
    return family, ""


@cache
def _warn(message: str) -> None:
    log.warning("%s", printable(message))


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown distribution"
