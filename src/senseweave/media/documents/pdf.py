"""PDF: the text of its pages, and the pages as images."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import require_reader
from senseweave.forking import Lock
from senseweave.media.documents.base import DocumentReader, Part, no_part
from senseweave.media.documents.scans import page_words, readable
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE_SCALE = 2.0
"""144 dots per inch: small print stays legible and a page stays under two megapixels."""
LONGEST_SIDE = 4096
_HYPHEN: Final = re.compile("\x02\n?")
"""What PDFium gives for a hyphen at the end of a line, where a word goes on."""
_MOST_REMARKS: Final = 10_000
_LITTLE: Final = 0.02
_MOST: Final = 0.5
"""Shares of a page that a picture covers: too small to be read, and most of the page."""
_FEW_WORDS: Final = 40
"""Letters and digits of a page that is a picture and not text: a page number, a stamp."""
_MANY_OUTLINES: Final = 50
"""Paths of a page whose letters are drawn as outlines."""
_MOST_OBJECTS: Final = 5000
_PDFIUM = Lock()
"""PDFium may be used by one thread at a time."""


class PDFReader(DocumentReader):
    """Reads PDF with PDFium."""

    name = "pdf"
    mime_types = ("application/pdf",)
    draws_pages = True

    def text(self, source: Source, page: int | None) -> str:
        """Return the text of a page, or of all pages separated by form feeds; that of a scanned page by OCR."""
        with open_pdf(source) as document:
            numbers = range(1, len(document) + 1) if page is None else [page]
            written = {number: _page_text(document, number, source.label) for number in numbers}
        for number in sorted(set(self.scanned_pages(source)) & set(written)):
            written[number] = page_words(source, number, written[number], self.page_image)
        return "\f".join(written.values())

    def page_count(self, source: Source) -> int:
        """Return the number of pages."""
        with open_pdf(source) as document:
            return len(document)

    def pages_with_text(self, source: Source) -> list[bool]:
        """Return for each page whether it has text."""
        with open_pdf(source) as document:
            return [_has_text(document, number, source.label) for number in range(1, len(document) + 1)]

    def scanned_pages(self, source: Source) -> Collection[int]:
        """Return the pages that a picture fills, with few words or none beside it.

        Where OCR is not installed there are none, and the source has a note that names them.
        """
        if source.scanned is None:
            with open_pdf(source) as document:
                numbers = range(1, len(document) + 1)
                source.scanned = readable(source, [at for at in numbers if _is_scanned(document, at, source.label)])
        return source.scanned

    def page_image(self, source: Source, page: int | None) -> Image:
        """Draw a page at 144 dots per inch, its longest side at most 4,096 pixels."""
        with open_pdf(source) as document:
            if page is None:
                if len(document) != 1:
                    raise MediaError(source.label, f"is a PDF of {len(document)} pages; choose one with page=")
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

    def picture_pixels(self, source: Source, page: int) -> int:
        """Return the number of pixels of the picture that fills most of a page; 0 if none does."""
        from pypdfium2 import raw

        with open_pdf(source) as document:
            opened = _page(document, page, source.label)
            try:
                width, height = opened.get_size()
                for drawn in itertools.islice(opened.get_objects(max_depth=1), _MOST_OBJECTS):
                    if drawn.type == raw.FPDF_PAGEOBJ_IMAGE and _area(drawn, width, height) >= _MOST * width * height:
                        columns, rows = drawn.get_px_size()
                        return int(columns * rows)
                return 0
            except Exception as error:
                raise MediaError(source.label, f"page {page} cannot be read ({error})") from error
            finally:
                opened.close()

    def parts(self, source: Source) -> list[Part]:
        """Return the files that are attached to a PDF."""
        with open_pdf(source) as document:
            return [Part(name) for name in _attachments(document, source)]

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open an attached file."""
        with open_pdf(source) as document:
            number = _attachments(document, source).get(name)
            if number is None:
                raise no_part(source, name)
            try:
                return io.BytesIO(bytes(document.get_attachment(number).get_data()))
            except Exception as error:
                raise MediaError(f"{source.label}, {name}", f"cannot be opened ({error})") from error


def _attachments(document: Any, source: Source) -> dict[str, int]:
    """Return the number of each attached file, by a name that it has for itself."""
    count = max(document.count_attachments(), 0)
    source.policy.check_parts(source.label, count)
    found: dict[str, int] = {}
    for number in range(count):
        name = document.get_attachment(number).get_name().replace("\\", "/").rpartition("/")[2] or f"part-{number + 1}"
        found[name if name not in found else f"{number + 1}-{name}"] = number
    return found


@contextlib.contextmanager
def open_pdf(source: Source) -> Iterator[Any]:
    """Open a PDF, and keep other threads from using PDFium until it is closed.

    Raises:
        MediaError: If it is broken or locked.
        PolicyError: If it has more pages than the policy allows.
    """
    pdfium = require_reader("pypdfium2", extra="documents", feature="reading PDF files", source=source.label)
    with _PDFIUM, source.open() as file:
        try:
            document = pdfium.PdfDocument(file)
        except Exception as error:
            reason = "is protected by a password" if "password" in str(error).lower() else f"is a broken PDF ({error})"
            raise MediaError(source.label, reason) from error
        try:
            if len(document) > source.policy.max_pages:
                limit = f"the policy allows {source.policy.max_pages:,} (max_pages)"
                raise PolicyError(source.label, f"has {len(document):,} pages; {limit}")
            document.init_forms()  # before a page is opened, so that what was filled in is drawn
            yield document
        finally:
            document.close()


def _has_text(document: Any, number: int, label: str) -> bool:
    try:
        return bool(_page_text(document, number, label).strip())
    except MediaError:  # raised again when the page itself is read
        return False


def _is_scanned(document: Any, number: int, label: str) -> bool:
    """Return whether the words of a page are in a picture: a scan, a photograph or outlines of letters."""
    try:
        share, outlines = _drawn(_page(document, number, label))
        if share < _LITTLE and outlines < _MANY_OUTLINES:
            return False
        words = sum(letter.isalnum() for letter in _page_text(document, number, label))
    except MediaError:  # raised again when the page itself is read
        return False
    return words == 0 or (share >= _MOST and words < _FEW_WORDS)


def _drawn(page: Any) -> tuple[float, int]:
    """Return the share of a page that pictures cover, and the number of its outlines."""
    from pypdfium2 import raw

    try:
        width, height = page.get_size()
        area, outlines = 0.0, 0
        for drawn in itertools.islice(page.get_objects(max_depth=1), _MOST_OBJECTS):
            if drawn.type in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM):
                area += _area(drawn, width, height)
            outlines += drawn.type == raw.FPDF_PAGEOBJ_PATH
        return area / max(width * height, 1), outlines
    except Exception:  # what it draws is not known, and is left to those who draw it
        return 0.0, 0
    finally:
        page.close()


def _area(drawn: Any, width: float, height: float) -> float:
    """Return the area of what is drawn, as far as it is on a page of this size, in square points."""
    left, bottom, right, top = drawn.get_bounds()
    return float(max(0, min(right, width) - max(left, 0)) * max(0, min(top, height) - max(bottom, 0)))


def _page_text(document: Any, number: int, label: str) -> str:
    from pypdfium2 import raw

    opened = _page(document, number, label)
    try:
        remarks = _remarks(opened)
        raw.FPDFPage_Flatten(
            opened, raw.FLAT_NORMALDISPLAY
        )  # forms and annotations become part of the page, whose text is then read anew
        opened.close()
        opened = _page(document, number, label)
        text = opened.get_textpage()
        try:
            words = str(text.get_text_bounded()).replace("\r\n", "\n").replace("\r", "\n")
        finally:
            text.close()
        words = _HYPHEN.sub("", words)
        missing = [remark for remark in remarks if " ".join(remark.split()) not in " ".join(words.split())]
        return "\n".join([words, *missing]) if missing else words
    except Exception as error:
        raise MediaError(label, f"page {number} cannot be read ({error})") from error
    finally:
        opened.close()


def _remarks(page: Any) -> list[str]:
    """Return the words of the annotations of a page, which a viewer shows when they are opened."""
    from pypdfium2 import raw

    remarks = []
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), _MOST_REMARKS)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(annotation) in (
                raw.FPDF_ANNOT_WIDGET,
                raw.FPDF_ANNOT_POPUP,
                raw.FPDF_ANNOT_LINK,
            ):
                continue
            size = raw.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0)
            buffer = (raw.FPDF_WCHAR * (size // 2 + 1))()
            raw.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size)
            words = bytes(buffer)[: max(0, size - 2)].decode("utf-16-le", "replace").strip()
            if words:
                remarks.append(words)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return remarks


def _page(document: Any, number: int, label: str) -> Any:
    if not 1 <= number <= len(document):
        raise MediaError(label, f"has no page {number}; it has {len(document)}")
    try:
        return document[number - 1]
    except Exception as error:
        raise MediaError(label, f"page {number} is broken ({error})") from error
