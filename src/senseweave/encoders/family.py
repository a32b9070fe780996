"""The registry entry of a family of models: what its file says of it, and how its encoders are built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import Rule
from senseweave.media import Modality


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of models, as the module that implements it describes it.

    The module assigns an instance to `FAMILY`. Built-in families are modules of `senseweave.encoders.families`, named
    as their schemes; another distribution brings a family through the entry-point group `senseweave.families`.

    Attributes:
        scheme: The part before the colon in `scheme:name`.
        build: `build(name, **options)` returns the encoders by modality. Its keyword-only parameters are the options
            of the family; `dimensions` among them asks for shortened vectors.
        modalities: All modalities that its models can embed.
        extra: The extra of senseweave that installs what the family needs; None if it needs nothing or, for a family
            of another distribution, if that distribution requires it.
        summary: What the family is, in one line.
        examples: Names that load.
        dimensions: Dimensions of the vectors of each example; None where an example stands for any model.
        license: Licenses of the usual weights.
        rules: How a checkpoint of the family is recognized by its files; empty if its models are only found by scheme.
        folders: Whether a model's name may be a local folder.
        files: Whether it may be a local weight file, alone or after an architecture and `//`.
        earlier_defaults: Options that give what earlier versions computed by default, newest first; an index of theirs
            is opened with them.
        on_processor: Whether its models compute on the CPU whatever `device` is, so that one serves several devices.
        space: `module:Class` of the space of its models, a subclass of `senseweave.Space`; a plain space if None.
    """

    scheme: str
    build: Callable[..., Mapping[Modality, Encoder]]
    modalities: tuple[Modality, ...]
    extra: str | None
    summary: str
    examples: tuple[str, ...]
    dimensions: tuple[int | None, ...]
    license: str
    rules: tuple[Rule, ...] = ()
    folders: bool = True
    files: bool = False
    earlier_defaults: tuple[Mapping[str, Any], ...] = ()
    on_processor: bool = False
    space: str | None = None

    def options(self) -> dict[str, inspect.Parameter]:
        """Return the options of the family by name: the keyword-only parameters of `build`."""
        parameters = inspect.signature(self.build).parameters.values()
        return {parameter.name: parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}

    def describe(self) -> dict[str, Any]:
        """Return what users see of the family, as plain values; options are given with their annotations."""
        shown = ("scheme", "modalities", "extra", "summary", "examples", "dimensions", "license")
        options = {name: str(parameter.annotation) for name, parameter in self.options().items()}
        return {**{name: getattr(self, name) for name in shown}, "options": options}
