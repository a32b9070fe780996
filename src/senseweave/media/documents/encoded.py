"""Leave out of a text what programs have packed into it as base64, which nobody reads."""

from __future__ import annotations

import re
from typing import Final

_RUN: Final = re.compile(
    r"(?:data:[\w.+/;=-]{1,120},)?"
    r"(?:[A-Za-z0-9+/]{40,}={0,2}(?:\\[nr]|[\s\"',\\>])*)+"
    r"(?:[A-Za-z0-9+/]{2,39}={1,2})?"
)
_LEAST_CHARACTERS: Final = 500
_LEAST_DISTINCT: Final = 40
"""Base64 soon uses most of its 64 characters; a gene or a list of hashes does not."""


def without_base64(text: str) -> tuple[str, int]:
    """Return a text without its runs of base64, a space in place of each, and their number."""
    if len(text) < _LEAST_CHARACTERS:
        return text, 0
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        run = match[0]
        if len(run) < _LEAST_CHARACTERS or not _is_base64(run):
            return run
        count += 1
        return " "

    return _RUN.sub(replace, text), count


def _is_base64(run: str) -> bool:
    letters = set(run[:4000]) - set(" \r\n\t\"',\\>:;=-")
    return (
        len(letters) >= _LEAST_DISTINCT
        and any(letter.isdigit() for letter in letters)
        and any(letter.isupper() for letter in letters)
        and any(letter.islower() for letter in letters)
    )
