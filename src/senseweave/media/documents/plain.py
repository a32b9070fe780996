"""Plain text and Markdown, in any encoding."""

from __future__ import annotations

import codecs
import contextlib
import re

from senseweave.errors import MediaError
from senseweave.extras import require_reader
from senseweave.media.documents.base import DocumentReader, reject_page
from senseweave.media.forms.content import HEAD_BYTES, wide_text
from senseweave.media.forms.source import Source

_KANA_SHARE = 0.2
"""Over a third of Japanese prose is kana, which other languages do not use."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class PlainTextReader(DocumentReader):
    """Reads text files; Markdown is text like any other and keeps its marks."""

    name = "text"
    mime_types = ("text/plain",)

    def text(self, source: Source, page: int | None) -> str:
        """Return the text of the file."""
        reject_page(source, page)
        return read_text(source)


def read_text(source: Source) -> str:
    """Read and decode a text file, within the policy's `max_text_bytes`.

    Raises:
        MediaError: If it cannot be read, or no encoding fits.
    """
    source.policy.check_text(source.label, source.size)
    return decode_text(source.read(), source.label)


def decode_text(data: bytes, source: str) -> str:
    """Decode the bytes of a text file: by its byte order mark, as UTF-8, by its HTML declaration, or by statistics.

    Raises:
        MediaError: If no encoding fits.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data, encoding, source).removeprefix("\ufeff")
    if (wide := wide_text(data[:HEAD_BYTES])) is not None:
        return _decode(data, wide, source)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    declared = re.search(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_\-]{2,30})""", data[:4096], re.IGNORECASE)
    if declared is not None:
        with contextlib.suppress(LookupError, MediaError):
            return _decode(data, declared[1].decode("ascii"), source)
    for encoding in ("cp932", "euc_jp"):  # which the statistics below take for Korean or Chinese
        with contextlib.suppress(UnicodeError):
            text = data.decode(encoding)
            if sum("\u3041" <= letter <= "\u30ff" for letter in text) > _KANA_SHARE * len(text):
                return text
    feature = "reading text that is not UTF-8"
    normalizer = require_reader("charset_normalizer", extra="documents", feature=feature, source=source)
    best = normalizer.from_bytes(data[: 1 << 20]).best()
    if best is None:
        raise MediaError(source, "is text in an unknown encoding; save it as UTF-8")
    return _decode(data, best.encoding, source).removeprefix("\ufeff")


def _decode(data: bytes, encoding: str, source: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise MediaError(source, f"is not valid {encoding}, its apparent encoding ({error.args[-1]})") from error
