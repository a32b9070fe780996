"""Recognize HTML and SVG by the first bytes of a text, behind comments and without a document around it."""

from __future__ import annotations

import codecs
import re
from typing import Final

_BEFORE: Final = re.compile(rb"(?:\s|<\?[^>]*>|<!--.*?-->)*", re.DOTALL)
"""What may stand before the first tag: declarations and comments, those of any length that end."""
_FRAGMENT: Final = re.compile(
    rb"<(?:a|article|aside|b|blockquote|body|center|div|dl|em|figure|font|footer|form|h[1-6]|head|header|i|li|link|main|"
    rb"meta|nav|ol|p|pre|script|section|span|strong|style|table|tbody|td|title|tr|ul)(?:\s[^<>]*)?>",
    re.IGNORECASE,
)
_CLOSING: Final = re.compile(rb"</[a-z][a-z0-9]*\s*>", re.IGNORECASE)
_OPEN_TAGS: Final = 3
"""Tags that a fragment needs which closes none, as `<p>` and `<li>` need not be."""
_MARKDOWN: Final = re.compile(rb"^(?:#{1,6} |```|~~~|[-*+] |\d+\. |> )|\]\([^)\s]+\)", re.MULTILINE)
"""Marks of Markdown, which may begin with a few tags for its logo."""


def after_comments(text: bytes) -> bytes:
    """Return what follows the declarations and comments at the beginning of a text."""
    return text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]


def narrow(head: bytes) -> bytes:
    """Return the first bytes of a text without a byte order mark, in UTF-8 where it is UTF-16."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head.removeprefix(codecs.BOM_UTF8)


def markup(head: bytes) -> str | None:
    """Return `html` or `svg` for the first bytes of such a text, and None for any other text."""
    text = narrow(head)
    start = after_comments(text)
    opening = start[:256].lower()
    if opening.startswith((b"<svg", b"<!doctype svg")) or (text.lstrip().startswith(b"<?xml") and b"<svg" in text):
        return "svg"
    if opening.startswith((b"<!doctype html", b"<html")) or (opening[:1] == b"<" and b"<html" in opening):
        return "html"
    if opening.startswith(b"<!--") and len(head) >= 4096:  # a comment longer than what is looked at
        return "html"
    is_closed = _CLOSING.search(start) is not None or len(_FRAGMENT.findall(start)) >= _OPEN_TAGS
    is_fragment = _FRAGMENT.match(start) is not None and is_closed
    return "html" if is_fragment and _MARKDOWN.search(start) is None else None
