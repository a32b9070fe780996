"""Suggest what a mistyped name, or a text in place of a file, may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

CLOSENESS: Final = 0.7
"""Ratio of matching characters (`difflib.SequenceMatcher.ratio`) from which a name is suggested."""

_FILE_EXTENSION: Final = re.compile(r"\.\w{1,8}$")
_SEPARATOR: Final = re.compile(r"[/\\]")
_SENTENCE_END: Final = (".", "!", "?", "\u3002", "\uff01", "\uff1f")


def looks_like_text(name: str) -> bool:
    """Return whether a string that names no file looks like a sentence rather than a path.

    It has several words and no extension of a file, and it has no folders or ends like a sentence.
    """
    if len(name.split()) < 2 or _FILE_EXTENSION.search(name):
        return False
    return _SEPARATOR.search(name) is None or name.rstrip().endswith(_SENTENCE_END)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name that is closest to a name, or nothing if none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=CLOSENESS)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""
