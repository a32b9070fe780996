"""The registry of families: which family a name or a checkpoint belongs to, and the encoders that it builds."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from senseweave.encoders import plugins
from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import Signs, read_signs
from senseweave.encoders.families import BUILT_IN
from senseweave.encoders.family import Family
from senseweave.encoders.options import check_options
from senseweave.encoders.refusals import check_holds_model, check_sentence_encoder
from senseweave.encoders.runtime.checkpoint import CONFIG_PATTERNS, resolve
from senseweave.errors import ModelError
from senseweave.media import Modality
from senseweave.suggestions import did_you_mean


def schemes() -> tuple[str, ...]:
    """Return the schemes of all families, built-in families first; no family is imported."""
    return (*BUILT_IN, *plugins.schemes())


def families() -> tuple[Family, ...]:
    """Return all families that can be imported, built-in families first.

    A plugin that cannot be imported is left out, and logged once.
    """
    return (*_built_in_families(), *plugins.families())


def family_for(scheme: str) -> Family:
    """Return the family of a scheme.

    Raises:
        ModelError: If there is no such family, or the plugin that brings it cannot be imported.
    """
    if scheme in BUILT_IN:
        return _built_in_family(scheme)
    if scheme in plugins.schemes():
        return plugins.family_for(scheme)
    msg = f"{scheme!r} is not a family of models; the families are {', '.join(schemes())}"
    raise ModelError(msg + did_you_mean(scheme, schemes()))


def find_family(name: str, *, revision: str | None = None) -> tuple[Family, str]:
    """Return the family of a name, and the name without its scheme.

    A name without a scheme is a local folder or a hub id; its files decide the family.

    Raises:
        ModelError: If the scheme is unknown, there is no such model, or the checkpoint is of no known family.
    """
    if name == "starter":
        return _built_in_family(name), name
    scheme, colon, rest = name.partition(":")
    if colon and is_scheme(scheme):
        family = family_for(scheme)
        if not rest.strip():
            msg = f"{name!r} names the family {scheme!r} but no model; for example {family.examples[0]!r}"
            raise ModelError(msg)
        return family, rest
    if colon and len(scheme) > 1 and "/" not in scheme and "\\" not in scheme:
        msg = f"{name!r} asks for the family {scheme!r}, which is unknown; known are {', '.join(schemes())}"
        raise ModelError(msg + did_you_mean(scheme, schemes()))
    if is_scheme(name) and not os.path.isdir(name):
        examples = " or ".join(repr(example) for example in family_for(name).examples[:2])
        msg = f"{name!r} is a family of models, not a model; name a model of it, for example {examples}"
        raise ModelError(msg)
    try:
        folder = resolve(name, revision=revision, patterns=CONFIG_PATTERNS, weights=False).folder
    except ModelError as error:
        suggestion = did_you_mean(name, schemes()) if "/" not in name else ""
        if not suggestion:
            raise
        msg = f"there is no model {name!r}{suggestion}"
        raise ModelError(msg) from error
    return detect(read_signs(name, folder)), name


def is_scheme(scheme: str) -> bool:
    """Return whether a family has this scheme."""
    return scheme in BUILT_IN or scheme in plugins.schemes()


def detect(signs: Signs) -> Family:
    """Return the family that a checkpoint belongs to.

    Rules of built-in families are tried first, then those of plugins, so that installing a plugin never changes how a
    known checkpoint is loaded.

    Raises:
        ModelError: If no rule holds, the message says what was seen; or if it is a text model that embeds no sentences.
    """
    check_sentence_encoder(signs)
    built_in = _built_in_families()
    found = _first_match(built_in, signs)
    if found is not None:
        return found
    brought = plugins.families()
    found = _first_match(brought, signs)
    if found is not None:
        return found
    if not signs.files & {"config.json", "modules.json"}:
        check_holds_model(signs)
        seen = ", ".join(sorted(signs.files)[:6]) or "nothing"
        msg = f"{signs.name} holds neither config.json nor modules.json (it holds: {seen}), so its family is unknown"
        raise ModelError(f"{msg}; name the family as in 'contextual:{signs.name}'")
    for rule in (rule for family in (*built_in, *brought) for rule in family.rules):
        if rule.refusal is not None and rule.holds(signs):
            raise ModelError(rule.refusal(signs))
    kind = signs.model_type or signs.architecture or "no model_type"
    msg = f"{signs.name} is a checkpoint of a family that senseweave does not know ({kind}); see `senseweave models`"
    raise ModelError(msg)


def build_encoders(name: str, options: Mapping[str, Any]) -> Mapping[Modality, Encoder]:
    """Build the encoders of a model without a space, for families that are composed of others.

    Args:
        name: As for `load`.
        options: Options of the model's family.

    Raises:
        ModelError: If there is no such model.
        TypeError: If its family has no such option.
    """
    family, model = find_family(name, revision=options.get("revision"))
    return build_family(family, model, options, None)


def build_family(
    family: Family, model: str, options: Mapping[str, Any], dimensions: int | None
) -> Mapping[Modality, Encoder]:
    """Build the encoders of a model of a family.

    Raises:
        TypeError: If the family has no such option (the message lists its options), or a value of another type.
        ValueError: If a value is impossible.
    """
    known = family.options()
    unknown = sorted(set(options) - set(known))
    if unknown:
        msg = f"{family.scheme} has no option {', '.join(unknown)}; it has: {', '.join(known)}"
        raise TypeError(msg)
    checked = check_options(family.build, {**options, "dimensions": dimensions})
    if dimensions is None or "dimensions" not in known:  # a server can shorten vectors before they are sent
        del checked["dimensions"]
    encoders = family.build(model, **checked)
    for modality, encoder in encoders.items():
        encoder.remember_build(partial(_build_again, family.scheme, model, dict(options), dimensions, modality))
    return encoders


def _build_again(
    scheme: str, model: str, options: Mapping[str, Any], dimensions: int | None, modality: Modality
) -> Any:
    return build_family(family_for(scheme), model, options, dimensions)[modality]


def _built_in_families() -> tuple[Family, ...]:
    return tuple(_built_in_family(scheme) for scheme in BUILT_IN)


def _built_in_family(scheme: str) -> Family:
    family: Family = importlib.import_module(f"senseweave.encoders.families.{scheme}").FAMILY
    return family


def _first_match(candidates: Iterable[Family], signs: Signs) -> Family | None:
    ordered = sorted(
        ((rule, family) for family in candidates for rule in family.rules if rule.refusal is None),
        key=lambda pair: pair[0].priority,
    )
    return next((family for rule, family in ordered if rule.holds(signs)), None)
