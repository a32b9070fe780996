"""What a collection says of itself: the space and modality that it holds, and how their scores are to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from senseweave.errors import StoreError
from senseweave.media import Modality

FORMAT: Final = 2
"""Version of what is written into a collection and its metadata; raised when older code could not read it."""
Key = tuple[str, Modality]
"""Space and modality, by which an index knows its collections."""


@dataclass
class Description:
    """What a collection's own metadata say of it.

    Attributes:
        name: The collection's name in Chroma.
        space: Name of the space whose vectors it holds.
        modality: Of its records.
        fingerprint: Of the space.
        dimension: Of its vectors.
        options: With which `senseweave.load` makes the space again, or None where it was not made by `load`.
        calibration: Statistics by query modality, as plain values.
        format: Version in which its records are written.
    """

    name: str
    space: str
    modality: Modality
    fingerprint: str
    dimension: int
    options: dict[str, Any] | None = None
    calibration: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def to_metadata(self) -> dict[str, Any]:
        """Flat values, as Chroma keeps them with a collection."""
        return {
            "senseweave": self.format,
            "space": self.space,
            "modality": self.modality,
            "fingerprint": self.fingerprint,
            "dimension": self.dimension,
            "options": json.dumps(self.options, sort_keys=True),
            "calibration": json.dumps(self.calibration, sort_keys=True),
        }

    @classmethod
    def from_metadata(cls, name: str, values: Mapping[str, Any]) -> Description:
        """The inverse of `to_metadata`.

        Raises:
            StoreError: If a newer version wrote it.
        """
        if int(values["senseweave"]) > FORMAT:
            msg = (
                f"collection {name!r} was written by a newer senseweave "
                f"(format {values['senseweave']}, this reads {FORMAT})"
            )
            raise StoreError(msg)
        return cls(
            name=name,
            space=values["space"],
            modality=values["modality"],
            fingerprint=values["fingerprint"],
            dimension=int(values["dimension"]),
            options=json.loads(values["options"]),
            calibration=json.loads(values["calibration"]),
            format=int(values["senseweave"]),
        )


def collection_name(prefix: str, space: str, modality: Modality) -> str:
    """A name that Chroma allows: letters, digits, dots, dashes and underscores."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", space).strip("-") or "space"
    return f"{prefix}{plain}-{modality}"
