"""Recognize UTF-16 and UTF-32 without a byte order mark."""

# ruff: noqa: RUF001  (full-width signs are meant)

from __future__ import annotations

import collections
import functools
import re
import unicodedata
from typing import Final

NOT_IN_TEXT: Final = re.compile(rb"[\x00-\x06\x0e-\x19\x1c-\x1f]")
"""A byte that no text in an encoding of single bytes holds."""
_SCRIPTS: Final = frozenset(
    {
        "LATIN",
        "GREEK",
        "CYRILLIC",
        "ARMENIAN",
        "HEBREW",
        "ARABIC",
        "DEVANAGARI",
        "BENGALI",
        "TAMIL",
        "TELUGU",
        "THAI",
        "GEORGIAN",
        "HANGUL",
        "HIRAGANA",
        "KATAKANA",
        "KATAKANA-HIRAGANA",
        "CJK",
        "FULLWIDTH",
        "IDEOGRAPHIC",
    }
)
_SPACES_AND_STOPS: Final = frozenset(" \n\r\t,.、。，・·-:!?！？")
_LEAST_LETTERS = 4
_LEAST_SHARE = 0.8
"""Of the letters, those in the two scripts that occur most; Japanese has three, of which kanji and kana lead."""


def wide_text(head: bytes) -> str | None:
    """Return the codec of text in units of two or four bytes without a byte order mark, or None for anything else.

    Args:
        head: The first bytes of the content.
    """
    if NOT_IN_TEXT.search(head) is None:
        return None
    for encoding, zero in (("utf-32-le", 3), ("utf-32-be", 0)):
        units = head[: len(head) // 4 * 4]
        if len(units) >= 4 * _LEAST_LETTERS and not any(units[zero::4]) and _reads_well(units, encoding):
            return encoding
    pairs = head[: len(head) // 2 * 2]
    low, high = pairs[0::2], pairs[1::2]
    if len(low) < _LEAST_LETTERS:
        return None
    for encoding, letters, zeros in (("utf-16-le", low, high), ("utf-16-be", high, low)):
        if zeros.count(0) > 0.6 * len(zeros) and NOT_IN_TEXT.search(letters) is None:
            return encoding
    fitting = [encoding for encoding in ("utf-16-le", "utf-16-be") if _reads_well(pairs, encoding)]
    return fitting[0] if len(fitting) == 1 else None


def _reads_well(data: bytes, encoding: str) -> bool:
    """Return whether bytes are words of one script, or two, in an encoding."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end < len(data) - 2:  # more than the second half of a last character is missing
            return False
        text = data[: error.start].decode(encoding)
    if any(_script(letter) is None for letter in text) or not any(letter in _SPACES_AND_STOPS for letter in text):
        return False
    scripts = collections.Counter(script for letter in text if (script := _script(letter)))
    letters = scripts.total()
    usual = sum(count for script, count in scripts.most_common(2) if script in _SCRIPTS)
    return letters >= _LEAST_LETTERS and letters > 0.5 * len(text) and usual >= _LEAST_SHARE * letters


@functools.lru_cache(4096)
def _script(character: str) -> str | None:
    """Return the script of a letter, an empty string for a sign, and None for what no text holds."""
    category = unicodedata.category(character)
    if category in ("Co", "Cn", "Cs") or (category == "Cc" and character not in "\t\n\v\f\r"):
        return None
    if category[0] not in "LM":
        return ""
    return unicodedata.name(character, "").partition(" ")[0]
