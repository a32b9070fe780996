"""The registry of families: which family a name or a checkpoint belongs to, and the encoders that it builds."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.catalog import Family, by_scheme
from senseweave.encoders.detection import detect, read_signs
from senseweave.encoders.options import check_options
from senseweave.encoders.runtime.checkpoint import CONFIG_PATTERNS, resolve
from senseweave.errors import ModelError
from senseweave.media import Modality

Build = Callable[..., Mapping[Modality, Encoder]]


def find_family(name: str, *, revision: str | None = None) -> tuple[Family, str]:
    """The family of a name, and the name without its scheme.

    A name without a scheme is a local folder or a hub id; its files tell the family (`senseweave.encoders.detection`).

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
    return build_family(family, model, options, None)


def build_family(
    family: Family, model: str, options: Mapping[str, Any], dimensions: int | None
) -> Mapping[Modality, Encoder]:
    """Build the encoders of one model of a family.

    Raises:
        TypeError: If the family has no such option; the message lists those it has.
    """
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
