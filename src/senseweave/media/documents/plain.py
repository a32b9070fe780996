"""Plain text and Markdown, in any encoding."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Sequence
from typing import Final

from senseweave.errors import MediaError
from senseweave.media.documents.base import Context, DocumentReader, reject_page
from senseweave.media.documents.encoded import without_base64
from senseweave.media.documents.encodings import choose_encoding
from senseweave.media.documents.outlines import outline
from senseweave.media.forms.content import HEAD_BYTES
from senseweave.media.forms.source import Source
from senseweave.media.forms.wide import wide_text
from senseweave.redaction import quoted

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ESCAPES: Final = ((b"\x1b$B", "iso2022_jp_2"), (b"\x1b$@", "iso2022_jp_2"), (b"\x1b$)C", "iso2022_kr"))
"""Escape sequences that begin East Asian letters in ISO 2022, whose bytes are all ASCII."""
_WIDER: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}
"""What a declared encoding stands for (WHATWG Encoding Standard, section 4.2): programs declare the narrower name."""
_DECLARATION: Final = re.compile(
    rb"""<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_\-]{2,30})|<\?xml[^>]{0,200}encoding\s*=\s*["']([A-Za-z0-9_\-]{2,30})""",
    re.IGNORECASE,
)
_VALID_PER_STRAY: Final = 2
"""A text with more UTF-8 letters than this per stray byte is UTF-8; other encodings form hardly any by chance."""


class PlainTextReader(DocumentReader):
    """Reads text files; Markdown is text like any other and keeps its marks."""

    name = "text"
    mime_types = ("text/plain",)

    def text(self, source: Source, page: int | None) -> str:
        """Return the text of the file."""
        reject_page(source, page)
        text, count = without_base64(read_text(source))
        if count:
            source.note(f"{count:,} file{'s' if count > 1 else ''} in base64 inside the text left out")
        return text

    def contexts(self, source: Source, page: int | None) -> Sequence[Context]:
        """Return the headings of Markdown, or the header of a table."""
        return outline(self.text(source, page), source.label)


def read_text(source: Source) -> str:
    """Read and decode a text file, within the policy's `max_text_bytes`.

    The encoding that was chosen is kept in `source.encoding`, and `source.notes` say which bytes were replaced.

    Raises:
        MediaError: If it cannot be read.
    """
    source.policy.check_text(source.label, source.size)
    data = source.read()
    encoding = _marked(data) or source.encoding
    if encoding is None:
        encoding, note = text_encoding(data)
        source.encoding = encoding
        if note is not None:
            source.note(note)
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if encoding.startswith(("utf-16", "utf-32")):
            reason = f"is not valid {encoding}, its apparent encoding ({error.reason})"
            raise MediaError(source.label, reason) from error
    text = data.decode(encoding, "replace")
    count = text.count("\ufffd")
    replaced = "1 byte that {} does not allow was" if count == 1 else f"{count:,} bytes that {{}} does not allow were"
    source.note(f"{replaced.format(encoding)} replaced")
    return text.removeprefix("\ufeff")


def _marked(data: bytes) -> str | None:
    """Return the encoding that a byte order mark shows, or None."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def decode_text(data: bytes) -> str:
    """Return the text of some bytes; what the encoding that fits best does not allow is replaced."""
    encoding, _ = text_encoding(data)
    return data.decode(encoding, "replace").removeprefix("\ufeff")


def decode_declared(data: bytes, declared: str | None) -> str:
    """Return the text of some bytes in the encoding that is declared for them, or else in the one that fits best."""
    try:
        return data.decode(declared_encoding(declared or "utf-8"))
    except ValueError:
        return decode_text(data)


def check_encoding(name: str) -> str:
    """Return the name of a codec as Python spells it.

    Raises:
        ValueError: If Python has no text encoding of that name.
    """
    try:
        "".encode(name)  # refuses codecs that do not encode text, for example hex
        return codecs.lookup(name).name
    except LookupError:
        msg = f"encoding {quoted(name)} is unknown; use one of Python's text encodings, for example 'cp1252'"
        raise ValueError(msg) from None


def declared_encoding(name: str) -> str:
    """Return the encoding that a declaration stands for, which may be wider than its name.

    Raises:
        ValueError: If Python has no text encoding of that name.
    """
    encoding = check_encoding(name)
    return _WIDER.get(encoding, encoding)


def text_encoding(data: bytes) -> tuple[str, str | None]:
    """Return the encoding of a text file, and what a user should know of the choice, or None.

    It is shown by a byte order mark, by validity as UTF-8 but for stray bytes, or by a declaration; else it is the best
    guess.
    """
    if (marked := _marked(data)) is not None:
        return marked, None
    if (wide := wide_text(data[:HEAD_BYTES])) is not None:
        return wide, None
    for escape, encoding in _ESCAPES:
        if escape in data[:HEAD_BYTES] and _is_valid(data, encoding):
            return encoding, None
    if _is_nearly_utf8(data):
        return "utf-8", None
    declared = _DECLARATION.search(data[:HEAD_BYTES])
    if declared is not None:
        with contextlib.suppress(ValueError):
            encoding = declared_encoding((declared[1] or declared[2]).decode("ascii"))
            if _is_valid(data, encoding):
                return encoding, None
    return choose_encoding(data)


def _is_valid(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _is_nearly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    stray = text.count("\ufffd") - data.count("\ufffd".encode())
    if stray <= 0:
        return True
    letters = sum(not letter.isascii() for letter in text) - text.count("\ufffd")
    return letters > _VALID_PER_STRAY * stray
