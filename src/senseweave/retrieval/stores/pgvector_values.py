"""Values of records as PostgreSQL keeps them: text without NUL characters, exact numbers, keys that an index takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from senseweave.redaction import quoted
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.records.values import check_value, is_unicode

ESCAPE: Final = "\x1a"
"""Begins what stands for a character that PostgreSQL refuses: NUL is kept as this and `0`, this as this and `s`."""
LONGEST_KEY: Final = 1024
"""Bytes of an id that is its own key. A B-tree refuses keys of more than 2,704 bytes."""
WHOLE: Final = 1e15
"""From here on a float has no fraction and is written with all digits: its `repr` may be another number, or an int."""


@dataclass(frozen=True)
class Row:
    """A record as its table holds it.

    Attributes:
        key: See `make_key`.
        long_id: The id, escaped, where it is longer than a key; else None.
        vector: Shape (dimension,), float32.
        text: Escaped.
        metadata: As JSON.
    """

    key: str
    long_id: str | None
    vector: np.ndarray
    text: str | None
    metadata: str

    @property
    def size(self) -> int:
        """Characters and bytes, about, that a statement with this row takes."""
        return len(self.text or "") + len(self.metadata) + self.vector.nbytes


def make_row(record: Record) -> Row:
    """Return a record as its table holds it.

    Raises:
        ValueError: If a value cannot be stored; the message names the record and the value.
    """
    try:
        key, metadata = make_key(record.id), to_json(_known(record.metadata))
        if record.text is not None and not is_unicode(record.text):
            msg = "the text holds a lone surrogate, which is not a character"
            raise ValueError(msg)
    except ValueError as error:
        msg = f"record {quoted(record.id)}: {error}"
        raise ValueError(msg) from error
    text = None if record.text is None else escape(record.text)
    return Row(key, long_id(record.id, key), np.asarray(record.vector, np.float32), text, metadata)


def escape(text: str) -> str:
    """Return a text without NUL characters, from which `unescape` makes the text again."""
    if "\0" not in text and ESCAPE not in text:
        return text
    return text.replace(ESCAPE, f"{ESCAPE}s").replace("\0", f"{ESCAPE}0")


def unescape(text: str) -> str:
    """Return the text from which `escape` made another."""
    return text.replace(f"{ESCAPE}0", "\0").replace(f"{ESCAPE}s", ESCAPE) if ESCAPE in text else text


def make_key(identifier: str) -> str:
    """Return what the row of an id is found by: the id, escaped, or a hash of one that is longer than a key.

    Raises:
        ValueError: If the id holds half a character.
    """
    text = escape(identifier)
    if not is_unicode(text):
        msg = f"an id must not hold a lone surrogate, which is not a character: {quoted(identifier)}"
        raise ValueError(msg)
    data = text.encode()
    # `escape` never makes this beginning, so that no other id has such a key.
    return text if len(data) <= LONGEST_KEY else f"{ESCAPE}l{hashlib.sha256(data).hexdigest()}"


def long_id(identifier: str, key: str) -> str | None:
    """Return an id, escaped, that is not its own key; else None."""
    return escape(identifier) if key.startswith(f"{ESCAPE}l") else None


def read_id(key: str, long: str | None) -> str:
    """Return the id of a row."""
    return unescape(key if long is None else long)


def to_json(values: Mapping[str, Any]) -> str:
    """Return flat values as a JSON object; None is null.

    Raises:
        ValueError: If a store cannot hold a value; the message names it.
    """
    return "{" + ",".join(f"{name_json(name)}:{scalar_json(name, value)}" for name, value in values.items()) + "}"


def name_json(name: str) -> str:
    """Return the name of a field as JSON.

    Raises:
        ValueError: If it is not a valid text.
    """
    if not isinstance(name, str) or not is_unicode(name):
        msg = f"a metadata name is a str without lone surrogates, not {quoted(name)}"
        raise ValueError(msg)
    return json.dumps(escape(name), ensure_ascii=False)


def scalar_json(field: str, given: Any) -> str:
    """Return the value of a field, or one that it is compared with, as JSON.

    Raises:
        ValueError: If a store cannot hold it; the message names the field.
    """
    value = check_value(field, given)
    if isinstance(value, str):
        return json.dumps(escape(value), ensure_ascii=False)
    if isinstance(value, float) and abs(value) >= WHOLE:
        return f"{value:.1f}"
    return json.dumps(value)


def from_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values from which `to_json` made an object, which has been parsed."""
    return {unescape(name): unescape(value) if isinstance(value, str) else value for name, value in values.items()}


def _known(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if value is not None}
