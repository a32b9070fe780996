"""Web pages saved to disk: the words that a reader sees."""

from __future__ import annotations

import re

from senseweave.extras import require_reader
from senseweave.media.documents.base import DocumentReader, reject_page
from senseweave.media.documents.plain import read_text
from senseweave.media.forms.source import Source

_UNSEEN = ["[hidden]", "iframe", "input", "math", "noscript", "object", "svg", "template"]
"""CSS selectors of what a browser does not show as words."""


class HTMLReader(DocumentReader):
    """Reads HTML: its title, and the words of its body with a line per block."""

    name = "html"
    mime_types = ("text/html",)

    def text(self, source: Source, page: int | None) -> str:
        """Return the words of the page."""
        reject_page(source, page)
        return html_words(read_text(source), source.label)


def html_words(html: str, source: str) -> str:
    """Return the title and the visible words of a web page, a line per block.

    Args:
        html: The page.
        source: Name for messages.

    Raises:
        MissingReaderError: If resiliparse is not installed.
    """
    parser = require_reader("resiliparse.parse.html", extra="documents", feature="reading HTML", source=source)
    extractor = require_reader(
        "resiliparse.extract.html2text", extra="documents", feature="reading HTML", source=source
    )
    tree = parser.HTMLTree.parse(html.encode("utf-8", "replace").decode("utf-8"))  # it takes no lone surrogates
    # Without `form_fields` the words of labels and buttons would be left out with the fields.
    body = extractor.extract_plain_text(
        tree, form_fields=True, links=False, alt_texts=False, list_bullets=False, skip_elements=_UNSEEN
    )
    lines = (re.sub(r"[ \t\r\f\v\xa0]+", " ", line).strip() for line in f"{tree.title or ''}\n{body}".split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
