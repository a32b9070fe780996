"""Text from outside, as it may be shown: no character of it moves a cursor, reorders a line or hides another."""

from __future__ import annotations

import os
import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (which has the marks of direction) and surrogate characters, separators of lines and paragraphs
(Unicode Standard, section 4.5)."""
_SHOWN: Final = frozenset("\u00ad\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
"""Format characters that scripts, emoji and typesetting need; they hide and reorder nothing."""


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text with every character escaped that a terminal, a log or a page would obey rather than show.

    Escapes are those of Python, such as `\x1b`, `\u202e`; bytes of a file name that are no Unicode are shown as
    `\xe9`.

    Args:
        text: The text.
        keep: Characters to leave as they are, such as a line break.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _shows(character) or character in keep else _escaped(character) for character in text)


def printable_json(document: str) -> str:
    r"""Return JSON in which those characters are written `\u001b`; a reader gets the same values from it."""
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(
        character if _shows(character) or character == "\n" else _json_escape(character) for character in document
    )


def wants_plain_text() -> bool:
    """Return whether the environment asks for text without escape sequences: by NO_COLOR, or by a TERM without them.

    See https://no-color.org. Bold, dim, links and a bar that redraws itself are left out as well.
    """
    return os.environ.get("NO_COLOR", "") != "" or os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def shorten(text: str, limit: int) -> str:
    """Return the beginning of a text as it may be shown, at most `limit` characters and `…` where it goes on."""
    whole = printable(text[: limit + 1])
    return whole if len(text) <= limit and len(whole) <= limit else f"{whole[:limit]}…"


def _shows(character: str) -> bool:
    return character in _SHOWN or unicodedata.category(character) not in _HIDDEN


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that Python could not decode (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )
