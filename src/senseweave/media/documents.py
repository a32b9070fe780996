"""Text files of any encoding, HTML, Markdown and PDF: their words, and their pages as pictures."""

from __future__ import annotations

import codecs
import contextlib
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import require
from senseweave.media.forms.content import HEAD_BYTES, PDF, Content, wide_text
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE_SCALE = 2.0
"""144 dots per inch: small print stays legible and a page stays under two megapixels."""
LONGEST_SIDE = 4096
_PDFIUM = threading.Lock()
"""PDFium may be used by one thread at a time."""


def words(source: Source, content: Content, page: int | None) -> str:
    """Return the text of a document.

    Args:
        source: Where its bytes are.
        content: What they are.
        page: Page of a PDF, from 1; None for all pages, parted by form feeds.

    Raises:
        MediaError: If it cannot be read, or has no such page.
    """
    if content is PDF:
        with pdf(source) as document:
            numbers = range(1, len(document) + 1) if page is None else [page]
            return "\f".join(_page_words(document, number, source.label) for number in numbers)
    if page is not None:
        raise MediaError(source.label, f"is {content.mime_type}, which has no pages")
    source.policy.check_text(source.label, source.size)
    text = text_of(source.read(), source.label)
    return html_words(text) if content.mime_type == "text/html" else text


def text_of(data: bytes, source: str) -> str:
    """Decode the bytes of a text file: by its byte order mark, as UTF-8, by its HTML declaration, or by statistics.

    Raises:
        MediaError: If no encoding fits.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data, encoding, source).removeprefix("\ufeff")
    if (wide := wide_text(data[:HEAD_BYTES])) is not None:
        return _decoded(data, wide, source)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    declared = re.search(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_\-]{2,30})""", data[:4096], re.IGNORECASE)
    if declared is not None:
        with contextlib.suppress(LookupError, MediaError):
            return _decoded(data, declared[1].decode("ascii"), source)
    for encoding in ("cp932", "euc_jp"):  # which the statistics below take for Korean or Chinese
        with contextlib.suppress(UnicodeError):
            text = data.decode(encoding)
            if sum("\u3041" <= letter <= "\u30ff" for letter in text) > _KANA_SHARE * len(text):
                return text
    normalizer = require("charset_normalizer", extra="documents", feature="text that is not UTF-8")
    best = normalizer.from_bytes(data[: 1 << 20]).best()
    if best is None:
        raise MediaError(source, "is text of no known encoding; save it as UTF-8")
    return _decoded(data, best.encoding, source).removeprefix("\ufeff")


_KANA_SHARE = 0.2
"""Japanese prose is over a third kana, and no other text holds them."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _decoded(data: bytes, encoding: str, source: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise MediaError(source, f"is not the {encoding} text that it says it is ({error.args[-1]})") from error


def html_words(html: str) -> str:
    """Return the words that a reader of a web page sees, a line per block."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    lines = (re.sub(r"[ \t\r\f\v\xa0]+", " ", line).strip() for line in "".join(parser.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


_INLINE = frozenset(
    """a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span strong sub sup time
    tt u var wbr""".split()  # noqa: SIM905
)


class _Words(HTMLParser):
    _UNSEEN = frozenset({"script", "style", "noscript", "template", "svg", "math", "iframe", "object"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen: list[str] = []
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self._UNSEEN:
            self._unseen.append(tag)
        elif tag == "pre":
            self._verbatim += 1
        if tag not in _INLINE:
            self.parts.append(" " if tag in ("td", "th", "img") else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass
        elif tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        if tag not in _INLINE and tag not in ("td", "th"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data if self._verbatim else re.sub(r"\s+", " ", data))


@contextlib.contextmanager
def pdf(source: Source) -> Iterator[Any]:
    """Open a PDF; no other thread uses PDFium meanwhile.

    Raises:
        MediaError: If it is broken or locked.
        PolicyError: If it has more pages than the policy allows.
    """
    pdfium = require("pypdfium2", extra="documents", feature="reading PDF files")
    with _PDFIUM, source.open() as file:
        try:
            document = pdfium.PdfDocument(file)
        except Exception as error:
            reason = "is locked by a password" if "password" in str(error).lower() else f"is a broken PDF ({error})"
            raise MediaError(source.label, reason) from error
        try:
            if len(document) > source.policy.max_pages:
                limit = f"the policy allows {source.policy.max_pages:,} (max_pages)"
                raise PolicyError(source.label, f"has {len(document):,} pages; {limit}")
            yield document
        finally:
            document.close()


def page_count(source: Source) -> int:
    """Return the number of pages of a PDF.

    Raises:
        MediaError: If it is broken.
    """
    with pdf(source) as document:
        return len(document)


def pages_with_words(source: Source) -> list[bool]:
    """Return for each page of a PDF whether it has words; a scanned page has none.

    Raises:
        MediaError: If it is broken.
    """
    with pdf(source) as document:
        return [_has_words(document, number, source.label) for number in range(1, len(document) + 1)]


def _has_words(document: Any, number: int, label: str) -> bool:
    try:
        return bool(_page_words(document, number, label).strip())
    except MediaError:  # said again when the page itself is asked for
        return False


def page_image(source: Source, page: int | None) -> Image:
    """Draw a page of a PDF.

    Raises:
        MediaError: If there is no such page, or no page was named and there are several.
    """
    with pdf(source) as document:
        if page is None:
            if len(document) != 1:
                raise MediaError(source.label, f"is a PDF of {len(document)} pages; say which with page=")
            page = 1
        opened = _page(document, page, source.label)
        try:
            width, height = opened.get_size()
            scale = min(PAGE_SCALE, LONGEST_SIDE / max(width, height, 1))
            source.policy.check_pixels(source.label, int(width * scale) or 1, int(height * scale) or 1)
            picture: Image = opened.render(scale=scale).to_pil().convert("RGB")
            return picture
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(source.label, f"page {page} cannot be drawn ({error})") from error
        finally:
            opened.close()


def _page_words(document: Any, number: int, label: str) -> str:
    opened = _page(document, number, label)
    try:
        text = opened.get_textpage()
        try:
            return str(text.get_text_bounded()).replace("\r\n", "\n").replace("\r", "\n")
        finally:
            text.close()
    except Exception as error:
        raise MediaError(label, f"page {number} cannot be read ({error})") from error
    finally:
        opened.close()


def _page(document: Any, number: int, label: str) -> Any:
    if not 1 <= number <= len(document):
        raise MediaError(label, f"has no page {number}; it has {len(document)}")
    try:
        return document[number - 1]
    except Exception as error:
        raise MediaError(label, f"page {number} is broken ({error})") from error
