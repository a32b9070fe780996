"""Read the questions out of what a language model answered: a JSON list, numbered lines or bullets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

LONGEST: Final = 400
"""Characters of a question; whoever searches types fewer."""
LONG_PASSAGE: Final = 8
"""Words from which a passage inside a question is a copy; a caption of three words may well be asked for."""
_THINKING: Final = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
"""What models that reason write before they answer."""
_FENCE: Final = re.compile(r"^```\w*\s*$|^```\w*\s*(?=[\[{])|(?<=[\]}])\s*```\s*$", re.MULTILINE)
_NUMBERED: Final = re.compile(
    r"^\s*\**(?:Q(?:uestion)?\s*)?\d{1,2}\s*[.):\uff0e\u3001](?!\d)\**\s*(.*)$", re.IGNORECASE
)
_BULLET: Final = re.compile(r"^\s*[-*\u2022\u2013\u2014\u2023\u25aa]\s+(.*)$")
_ASKS: Final = ("?", "\uff1f", "\u061f", "\u037e")
"""Question marks: of Latin, full width, Arabic and Greek writing."""
_QUOTES: Final = "\"'`* \t\u2018\u2019\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d"


def parse_questions(answer: str) -> list[str]:
    """Return the items of a list that a model wrote, some of which may be empty; none if it wrote no list.

    A JSON list of strings (alone or under one name), numbered lines, or lines with bullets; what stands before and
    after them is left out. An answer of a single line that ends with a question mark is a list of one.
    """
    text = _FENCE.sub("", _THINKING.sub("", answer)).strip()
    found = _parse_json(text)
    if found is not None:
        return [_clean(item) for item in found]
    lines = [line for line in text.splitlines() if line.strip()]
    for form in (_NUMBERED, _BULLET):
        items = [match[1] for line in lines if (match := form.match(line))]
        if items:
            return [_clean(item) for item in items]
    if len(lines) == 1 and lines[0].rstrip(_QUOTES).endswith(_ASKS):
        return [_clean(lines[0])]
    return []


def is_copied(question: str, passage: str) -> bool:
    """Return whether a question stands in a passage word for word, or a passage of some length in the question."""
    asked, said = _words(question), _words(passage)
    return asked in said or (said.count(" ") > LONG_PASSAGE and said in asked)


def _parse_json(text: str) -> list[str] | None:
    """Return the strings of a JSON list; None if the text is no such list."""
    start, end = text.find("["), text.rfind("]")
    if start < 0 or end < start:
        return None
    for candidate in (text, text[start : end + 1]):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return list(_strings(value)) or None
    return None


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings of a list, of objects with one value in it, and of the lists of an object."""
    if isinstance(value, dict):
        for inner in value.values():
            if isinstance(inner, list):
                yield from _strings(inner)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and len(item) == 1:
                item = next(iter(item.values()))
            if isinstance(item, str):
                yield item


def _clean(item: str) -> str:
    return " ".join(item.split()).strip(_QUOTES)


def _words(text: str) -> str:
    """Return the words of a text in small letters, between single spaces."""
    words = re.findall(r"\w+", text.casefold())
    return f" {' '.join(words)} "
