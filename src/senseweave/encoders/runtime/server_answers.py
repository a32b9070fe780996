"""What a server of embeddings answered, row by row: a row that is no vector is an error of its text alone."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SHOWN = 80
"""Characters of a strange answer that are quoted."""


class AnswerFormatError(ValueError):
    """An answer as a whole is not a list of vectors; the message says what it is."""


@dataclass(frozen=True)
class Rows:
    """The rows of an answer.

    Attributes:
        vectors: By position of the text, shape (dimension,), float32; not necessarily finite.
        errors: What is wrong with the others, by position.
    """

    vectors: dict[int, np.ndarray] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


def read_rows(content: bytes, content_type: str, texts: int) -> Rows:
    """Read the JSON of an answer of `POST /embeddings` (OpenAI API reference, "The embedding object").

    Args:
        content: The body.
        content_type: As the server names it, for errors.
        texts: How many texts were sent.

    Raises:
        AnswerFormatError: If it is no such JSON, holds an error, or its rows cannot be assigned to texts.
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        kind = content_type.partition(";")[0].strip() or "no content type"
        msg = f"no JSON ({kind}): {_shown(content.decode('utf-8', 'replace'))}"
        raise AnswerFormatError(msg) from error
    if not isinstance(answer, dict):
        msg = f"a {type(answer).__name__} instead of an object"
        raise AnswerFormatError(msg)
    if answer.get("error"):
        problem = answer["error"]
        msg = f"an error: {_shown(problem.get('message') or problem if isinstance(problem, dict) else problem)}"
        raise AnswerFormatError(msg)
    data = answer.get("data")
    if not isinstance(data, list):
        msg = f"no list of vectors: data is {_shown(json.dumps(data))}"
        raise AnswerFormatError(msg)
    places = _places(data, texts)
    rows = Rows()
    for place, row in zip(places, data, strict=True):
        try:
            rows.vectors[place] = _read_vector(row)
        except ValueError as error:
            rows.errors[place] = str(error)
    for place in set(range(texts)) - set(places):
        rows.errors[place] = f"no vector for this text, and {len(data)} for the {texts} that were sent"
    return rows


def _places(data: list[Any], texts: int) -> list[int]:
    """Return the position of the text that each row belongs to: its index, or its place in a list that is complete."""
    if data and not any(isinstance(row, dict) for row in data):
        msg = f"rows that are no objects: {_shown(json.dumps(data))}"
        raise AnswerFormatError(msg)
    named = [row.get("index") if isinstance(row, dict) else None for row in data]
    whole = [n for n in named if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < texts]
    if data and len(whole) == len(data) == len(set(whole)):
        return whole
    if len(data) == texts and (len(set(map(str, named))) == 1 or None in named):
        return list(range(texts))  # some servers number no row, or all of them 0
    if len(data) != texts:
        msg = f"{len(data)} vectors to {texts} texts"
    else:
        msg = f"rows numbered {_shown(json.dumps(named))} to {texts} texts"
    raise AnswerFormatError(msg)


def _read_vector(row: Any) -> np.ndarray:
    """Return the vector of a row.

    Raises:
        ValueError: If it holds none.
    """
    if not isinstance(row, Mapping) or row.get("embedding") is None:
        msg = f"no vector in its row: {_shown(json.dumps(row))}"
        raise ValueError(msg)
    values = row["embedding"]
    if isinstance(values, str):
        try:
            packed = base64.b64decode(values, validate=True)
        except (ValueError, binascii.Error) as error:
            msg = f"base64 that cannot be decoded ({error})"
            raise ValueError(msg) from error
        if not packed or len(packed) % 4:
            msg = f"base64 of {len(packed)} bytes, which are no float32 values"
            raise ValueError(msg)
        return np.frombuffer(packed, dtype="<f4").astype(np.float32)
    if not isinstance(values, list) or not values:
        msg = f"a {type(values).__name__} instead of a list of numbers" if values != [] else "an empty vector"
        raise ValueError(msg)
    for value in values:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            msg = f"a vector with {_shown(json.dumps(value))} among its numbers"
            raise ValueError(msg)
    try:
        with np.errstate(over="ignore"):
            return np.asarray(values, dtype=np.float64).astype(np.float32)
    except OverflowError:
        return np.full(len(values), np.inf, np.float32)


def _shown(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
