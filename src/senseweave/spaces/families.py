"""The families of models that `load` knows: one line each, in the order in which they are listed to users."""

from __future__ import annotations

from dataclasses import dataclass

from senseweave.media import Modality


@dataclass(frozen=True)
class Family:
    """A family of models that one module of `senseweave.encoders` loads.

    Attributes:
        scheme: What stands before the colon in `scheme:name`.
        module: Module with `build(name, **options) -> dict[modality, encoder]`.
        modalities: What its models can embed, at most.
        extra: The extra that installs what it needs.
        summary: What it is, in a few words.
        examples: Names that load.
        licence: What a user should know of the usual licences.
    """

    scheme: str
    module: str
    modalities: tuple[Modality, ...]
    extra: str
    summary: str
    examples: tuple[str, ...]
    licence: str


FAMILIES: tuple[Family, ...] = (
    Family(
        "starter",
        "senseweave.encoders.starter",
        ("text", "image", "audio", "video"),
        "starter",
        "embedded default: MiniLM text, image labels, transcribed speech and both for video; 384 dimensions, offline",
        ("starter",),
        "Apache-2.0 and MIT weights from packages",
    ),
    Family(
        "contextual",
        "senseweave.encoders.contextual",
        ("text",),
        "text",
        "BERT-like encoders with a choice of pooling and layers",
        ("contextual:google-bert/bert-base-uncased",),
        "by model",
    ),
)


def by_scheme() -> dict[str, Family]:
    """The families by their scheme."""
    return {family.scheme: family for family in FAMILIES}
