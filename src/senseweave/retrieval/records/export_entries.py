"""The lines of an exported index, checked value by value: an export may come from anywhere."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from senseweave.media import MODALITIES
from senseweave.retrieval.calibration.stored import check_calibration
from senseweave.retrieval.records.judgments import CONTENT, JUDGED, JUDGED_AT, RELEVANT
from senseweave.retrieval.records.values import check_stored, is_unicode
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.description import FORMAT, Description

LONGEST_NAME: Final = 400
"""Characters of the names of spaces and collections and of ids; Chroma takes names of 512."""
LONGEST_OPTIONS: Final = 100_000
MOST_DIMENSIONS: Final = 65_536
_COLLECTION: Final = {"name", "space", "modality", "fingerprint", "dimension", "options", "calibration", "format"}
_JUDGMENT: Final = {"judgment", "text", "metadata"}
_RECORD: Final = {"record", "text", "metadata", "vector"}


@dataclass(frozen=True)
class ExportedRecord(StoredRecord):
    """A record of an export.

    Attributes:
        copies: Metadata at further sources of its content; version 0.1 kept them with one record.
    """

    copies: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True)
class ExportedJudgment(StoredRecord):
    """A judged search of an export, see `senseweave.retrieval.records.judgments`."""


def parse_collection(entry: Mapping[str, Any]) -> Description:
    """Return the description in the line of a collection.

    Raises:
        ValueError: If it is not one; the message names the value.
    """
    _check_keys(entry, {"collection"}, optional=set())
    values = entry["collection"]
    if not isinstance(values, dict):
        msg = f"the collection must be an object, not {type(values).__name__}"
        raise ValueError(msg)
    _check_keys(values, _COLLECTION - {"format"}, optional={"format"})
    for name in ("name", "space", "fingerprint"):
        _check_name(name, values[name])
    if values["modality"] not in MODALITIES:
        msg = f"modality must be one of {', '.join(MODALITIES)}, not {values['modality']!r}"
        raise ValueError(msg)
    dimension = _whole("dimension", values["dimension"], MOST_DIMENSIONS)
    _whole("format", values.get("format", 1), FORMAT)
    options = values["options"]
    if options is not None and not isinstance(options, dict):
        msg = f"options must be an object or null, not {type(options).__name__}"
        raise ValueError(msg)
    if len(json.dumps(options)) > LONGEST_OPTIONS:
        msg = f"options are longer than {LONGEST_OPTIONS:,} characters"
        raise ValueError(msg)
    return Description(**{**values, "calibration": check_calibration(values["calibration"], dimension)})


def parse_record(entry: Mapping[str, Any], collection: Description, *, copies: bool) -> ExportedRecord:
    """Return the record in a line.

    Args:
        entry: The line.
        collection: That it belongs to.
        copies: Whether it may name further sources.

    Raises:
        ValueError: If it is not a record of the collection; the message names the value.
    """
    _check_keys(entry, _RECORD, optional={"copies"} if copies else set())
    _check_name("record", entry["record"])
    text = entry["text"]
    if text is not None and (not isinstance(text, str) or not is_unicode(text)):
        msg = f"text must be a string of Unicode characters or null, not {type(text).__name__}"
        raise ValueError(msg)
    further = entry.get("copies", [])
    if not isinstance(further, list):
        msg = f"copies must be a list, not {type(further).__name__}"
        raise ValueError(msg)
    metadata = _metadata(entry["metadata"], collection)
    return ExportedRecord(
        id=entry["record"],
        metadata=metadata,
        text=text,
        vector=_vector(entry["vector"], collection.dimension),
        copies=tuple(_metadata(values, collection) for values in further),
    )


def parse_judgment(entry: Mapping[str, Any]) -> ExportedJudgment:
    """Return the judgment in a line.

    Raises:
        ValueError: If it is none; the message names the value.
    """
    _check_keys(entry, _JUDGMENT, optional=set())
    _check_name("judgment", entry["judgment"])
    text = entry["text"]
    if not isinstance(text, str) or not is_unicode(text):
        msg = f"text of a judgment must be a string of Unicode characters, not {type(text).__name__}"
        raise ValueError(msg)
    if not isinstance(entry["metadata"], dict):
        msg = f"metadata must be an object, not {type(entry['metadata']).__name__}"
        raise ValueError(msg)
    metadata = check_stored(entry["metadata"])
    kinds: dict[str, type | tuple[type, ...]] = {JUDGED: str, CONTENT: str, RELEVANT: bool, JUDGED_AT: (int, float)}
    for name, kind in kinds.items():
        if not isinstance(metadata.get(name), kind):
            msg = f"a judgment has {metadata.get(name)!r} for {name}"
            raise ValueError(msg)
    return ExportedJudgment(entry["judgment"], metadata, text)


def _metadata(values: Any, collection: Description) -> dict[str, Any]:
    if not isinstance(values, dict):
        msg = f"metadata must be an object, not {type(values).__name__}"
        raise ValueError(msg)
    metadata = check_stored(values)
    modality, fingerprint = metadata.get("modality"), metadata.get("fingerprint")
    if modality in MODALITIES and modality != collection.modality:
        msg = f"a record of modality {modality} is in a collection of {collection.modality}"
        raise ValueError(msg)
    if fingerprint is not None and fingerprint != collection.fingerprint:
        msg = f"a record of fingerprint {fingerprint!r} is in a collection of fingerprint {collection.fingerprint!r}"
        raise ValueError(msg)
    return metadata


def _vector(packed: Any, dimension: int) -> np.ndarray:
    """Return the numbers of a vector, shape (dimension,), float32."""
    if not isinstance(packed, str):
        msg = f"vector must be a string of base64, not {type(packed).__name__}"
        raise ValueError(msg)
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"vector is not base64 ({error})"
        raise ValueError(msg) from error
    if len(data) != 4 * dimension:
        msg = f"vector has {len(data)} bytes; {dimension} numbers of float32 have {4 * dimension}"
        raise ValueError(msg)
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        length = float(np.dot(vector, vector))
    if not 0 < length < float("inf"):
        msg = "vector must be finite and not zero" if not length > 0 else "vector is too long: it must be finite"
        raise ValueError(msg)
    return vector


def _check_keys(values: Mapping[str, Any], needed: set[str], *, optional: set[str]) -> None:
    missing, unknown = sorted(needed - values.keys()), sorted(values.keys() - needed - optional)
    if missing or unknown:
        problem = f"lacks {', '.join(missing)}" if missing else f"has the unknown key {unknown[0]!r}"
        msg = f"the line {problem}; expected {', '.join(sorted(needed))}"
        raise ValueError(msg)


def _check_name(name: str, value: Any) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not is_unicode(value):
        msg = f"{name} must be a string of 1 to {LONGEST_NAME} Unicode characters, not {value!r}"
        raise ValueError(msg)


def _whole(name: str, value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        msg = f"{name} must be a whole number from 1 to {most}, not {value!r}"
        raise ValueError(msg)
    return value
