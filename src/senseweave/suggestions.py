"""Suggest what a mistyped name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

CLOSENESS: Final = 0.7
"""Ratio of matching characters (`difflib.SequenceMatcher.ratio`) from which a name is suggested."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name that is closest to a name, or nothing if none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=CLOSENESS)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""
