"""The description of a collection: its space and modality, and the calibration of its scores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from senseweave.errors import StoreError
from senseweave.media import MODALITIES, Modality
from senseweave.retrieval.records.values import is_unicode
from senseweave.retrieval.stores.filter_size import shown

FORMAT: Final = 2
"""Version of the records and metadata of a collection; raised when older code could not read them."""
JUDGMENTS: Final = "judged searches of senseweave"
"""Under `holds` in the metadata of the collection of an index's judgments, whose vectors are all (1,)."""
LONGEST_PREFIX: Final = 200
"""Bytes of a prefix: Qdrant takes names of 255 characters, and a file of words in a folder is named by it."""
MARK_DIGITS: Final = 10
"""Hexadecimal digits of the hash of a content that has several records."""
Key = tuple[str, Modality]
"""Space and modality, which identify a collection of an index."""


@dataclass(frozen=True)
class RecordedSparse:
    """A sparse space of an index, whose vectors are kept beside the collections.

    Attributes:
        space: Its name.
        fingerprint: Its fingerprint.
        options: Options with which `senseweave.load_sparse` creates it again.
    """

    space: str
    fingerprint: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, written: Any) -> tuple[RecordedSparse, ...]:
        """Return the spaces that a collection's metadata name, none if they name none.

        Raises:
            ValueError: If they are not as an index writes them.
        """
        values = json.loads(written) if written is not None else []
        spaces = tuple(cls(value["space"], value["fingerprint"], value["options"]) for value in values)
        for space in spaces:
            if not (isinstance(space.space, str) and isinstance(space.fingerprint, str)):
                msg = f"not a sparse space: {space!r:.200}"
                raise ValueError(msg)
            if not isinstance(space.options, dict):
                msg = f"the options of a sparse space must be an object: {space!r:.200}"
                raise ValueError(msg)
        return spaces


@dataclass
class Description:
    """The description of a collection, kept in the collection's own metadata.

    Attributes:
        name: The collection's name in Chroma.
        space: Name of the space whose vectors it holds.
        modality: Modality of its records.
        fingerprint: Fingerprint of the space.
        dimension: Length of its vectors.
        options: Options with which `senseweave.load` creates the space again; None if `load` did not create it.
        calibration: Statistics by query modality, as plain values.
        format: Version of the format of its records.
        folders: Whether all its records have the values of `senseweave.retrieval.records.folders`.
        copies: `content_mark` of every content that may have more than one record, so that a search asks for further
            sources of these alone; None if that is not known, and any content may have them.
        sparse: Sparse spaces that rank its records too.
    """

    name: str
    space: str
    modality: Modality
    fingerprint: str
    dimension: int
    options: dict[str, Any] | None = None
    calibration: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT
    folders: bool = True
    copies: frozenset[str] | None = None
    sparse: tuple[RecordedSparse, ...] = ()

    def to_metadata(self) -> dict[str, Any]:
        """Return the description as flat values, which Chroma keeps with a collection."""
        return {
            "senseweave": self.format,
            "space": self.space,
            "modality": self.modality,
            "fingerprint": self.fingerprint,
            "dimension": self.dimension,
            "options": json.dumps(self.options, sort_keys=True),
            "calibration": json.dumps(self.calibration, sort_keys=True),
            "folders": self.folders,
            **({"copies": " ".join(sorted(self.copies))} if self.copies is not None else {}),
            **({"sparse": json.dumps([asdict(space) for space in self.sparse])} if self.sparse else {}),
        }

    @classmethod
    def from_metadata(cls, name: str, values: Mapping[str, Any]) -> Description:
        """Return the description from which `to_metadata` made these values.

        Raises:
            StoreError: If a newer version of senseweave wrote them, or they are no description.
        """
        try:
            version = int(values["senseweave"])
            description = cls(
                name=name,
                space=str(values["space"]),
                modality=values["modality"],
                fingerprint=str(values["fingerprint"]),
                dimension=int(values["dimension"]),
                options=json.loads(values["options"]),
                calibration=json.loads(values["calibration"]),
                format=version,
                folders=values.get("folders") is True,
                copies=_read_marks(values.get("copies")),
                sparse=RecordedSparse.from_json(values.get("sparse")),
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            msg = f"collection {name!r} is not described as an index describes it ({type(error).__name__}: {error})"
            raise StoreError(msg) from error
        if version > FORMAT:
            msg = (
                f"collection {name!r} was written by a newer senseweave "
                f"(format {version}; this version reads up to {FORMAT}); upgrade senseweave"
            )
            raise StoreError(msg)
        mappings = isinstance(description.options, (dict, type(None))) and isinstance(description.calibration, dict)
        if description.modality not in MODALITIES or description.dimension < 1 or not mappings:
            msg = f"collection {name!r} is not described as an index describes it: {dict(values)!r:.200}"
            raise StoreError(msg)
        return description


def content_mark(sha256: str) -> str:
    """Return the beginning of a hash, under which a description keeps a content."""
    return sha256[:MARK_DIGITS]


def _read_marks(value: Any) -> frozenset[str] | None:
    return frozenset(value.split()) if isinstance(value, str) else None


def check_prefix(prefix: str) -> str:
    """Return a prefix of collection names after checking that a store could take it.

    Raises:
        ValueError: If none could.
    """
    if not isinstance(prefix, str) or not is_unicode(prefix) or len(prefix.encode()) > LONGEST_PREFIX:
        msg = f"prefix must be a str of at most {LONGEST_PREFIX} bytes without lone surrogates, not {shown(prefix)}"
        raise ValueError(msg)
    return prefix


def collection_name(prefix: str, space: str, modality: str) -> str:
    """Return a name that Chroma allows: letters, digits, dots, dashes and underscores."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", space).strip("-") or "space"
    return f"{prefix}{plain}-{modality}"
